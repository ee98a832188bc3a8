import { vi } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: every call has an input of its own
type Answer = (action: string, input: any) => object;

/** Answers what clients of these classes of the AWS SDK send, by the action's name, such as `DescribeVpcs`. */
export function answering(classes: readonly { prototype: object }[], answer: Answer): void {
  for (const { prototype } of classes) {
    vi.spyOn(prototype as { send(command: { input: object }): unknown }, "send").mockImplementation(async (command) =>
      answer(command.constructor.name.replace(/Command$/, ""), command.input),
    );
  }
}

/** The pages of a list, as a client's paginator gives them. */
export async function* pages<T>(...values: T[]): AsyncGenerator<T, undefined> {
  yield* values;
  return undefined;
}

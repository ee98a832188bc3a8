import { vi } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: every call has an input of its own
export type Answer = (action: string, input: any) => object;

/** Answers what clients of these classes of the AWS SDK send, by the action's name, such as `DescribeVpcs`. */
export function answering(classes: readonly { prototype: object }[], answer: Answer): void {
  for (const { prototype } of classes) {
    vi.spyOn(prototype as { send(command: { input: object }): unknown }, "send").mockImplementation(async (command) =>
      answer(command.constructor.name.replace(/Command$/, ""), command.input),
    );
  }
}

/** Has AWS's SDK send its calls to a server. */
export function stubEndpoint(host: string): void {
  vi.stubEnv("AWS_ENDPOINT_URL", `http://${host}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
}

/** The pages of a list, as a client's paginator gives them. */
export async function* pages<T>(...values: T[]): AsyncGenerator<T, undefined> {
  yield* values;
  return undefined;
}

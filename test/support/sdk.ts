import { vi } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: every call has an input of its own
type Input = any;
/** What AWS answers to an action, such as `DescribeVpcs`. */
export type Answer = (action: string, input: Input) => object | undefined;
export type Asked = { action: string } & Record<string, Input>;

/** Answers what clients of these classes of the AWS SDK send: nothing, where there is no answer. @returns The calls, as they come. */
export function answering(classes: readonly { prototype: object }[], answer: Answer): Asked[] {
  const asked: Asked[] = [];
  vi.stubEnv("AWS_REGION", "ap-northeast-2");
  for (const { prototype } of classes) {
    vi.spyOn(prototype as { send(command: { input: object }): unknown }, "send").mockImplementation(async (command) => {
      const action = command.constructor.name.replace(/Command$/, "");
      asked.push({ action, ...command.input });
      return answer(action, command.input) ?? {};
    });
  }
  return asked;
}

/** The calls that change something. */
export const changes = (asked: readonly Asked[]) => asked.filter(({ action }) => !action.startsWith("Describe"));

export const awsError = (name: string, message = name) => Object.assign(new Error(message), { name });

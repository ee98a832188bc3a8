import { expect, test } from "vitest";
import { run } from "../../../tools/process.ts";

test.each([
  ["exit status 3", ["sh", "-c", "exit 3"], {}],
  ["ended by SIGKILL", ["sh", "-c", "kill -KILL $$"], {}],
  ["ended by SIGKILL", ["sh", "-c", "kill -KILL $$"], { timeout: 60_000 }],
  ["no answer in 0.05 s", ["sleep", "60"], { timeout: 50 }],
  ["no answer in 0.05 s", ["sh", "-c", "trap 'exit 3' TERM; sleep 0.1"], { timeout: 50 }],
])("a command that failed says how: %s", async (outcome, command, options) => {
  await expect(run(command, options)).rejects.toMatchObject({ outcome, message: `${command.join(" ")}: ${outcome}` });
});

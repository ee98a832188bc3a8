import { expect, test } from "vitest";
import { lastLines } from "../../../components/console.ts";
import { afterUserData, consoleLine } from "../../../local/services/ec2/console.ts";

const printed = (...lines: string[]) => lines.map((line, index) => consoleLine(line, 20 + index)).join("");
const shown = (console: string) =>
  lastLines(console, "aws logs tail")
    .split("\n")
    .filter((line) => line.startsWith("  | "))
    .map((line) => line.slice(4));

test("what failed is shown, and not what cloud-init prints after it", () => {
  const console = printed("hono-app: pulling", "no such host", "hono-app: USER-DATA-FAILED");
  expect(shown(console + afterUserData("1", "ip-10-0-0-4", 30))).toEqual([
    "hono-app: pulling",
    "no such host",
    "hono-app: USER-DATA-FAILED",
  ]);
});

test("of user data that did not fail the last lines are shown, without the host's keys and the login", () => {
  const console = printed("hono-app: starting", "hono-app: listening on port 80");
  expect(shown(console + afterUserData("0", "ip-10-0-0-4", 30))).toEqual([
    "hono-app: starting",
    "hono-app: listening on port 80",
  ]);
});

test("the kernel's own last lines are shown, fifteen in all", () => {
  const kernel = Array.from({ length: 20 }, (_, index) => `[   41.${index}] Out of memory: Killed process ${index}`);
  expect(shown(kernel.join("\r\n"))).toEqual(kernel.slice(-15));
});

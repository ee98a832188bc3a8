import { expect, test, vi } from "vitest";
import { isHopeless, lastLines, readConsole } from "../../../components/console.ts";
import { afterUserData, consoleLine } from "../../../local/services/ec2/console.ts";

test("a console is read as text, as empty where there is none, and as the error where it cannot be read", async () => {
  const getConsoleOutput = vi
    .fn()
    .mockResolvedValueOnce({ Output: Buffer.from("부팅\n").toString("base64") })
    .mockResolvedValueOnce({})
    .mockRejectedValueOnce(new Error("denied"));
  const read = () => readConsole({ getConsoleOutput }, "ap-northeast-2", "i-1");
  expect([await read(), await read()]).toEqual(["부팅\n", ""]);
  expect(getConsoleOutput).toHaveBeenLastCalledWith({ InstanceId: "i-1", Latest: true });
  expect(await read()).toBe(
    "not readable (Error: denied); try: aws ec2 get-console-output --latest --output text --region ap-northeast-2 --instance-id i-1",
  );
});

const printed = (...lines: string[]) => lines.map((line, index) => consoleLine(line, 20 + index)).join("");
const shown = (console: string) =>
  lastLines(console, "aws logs tail")
    .split("\n")
    .filter((line) => line.startsWith("  | "))
    .map((line) => line.slice(4));

test.each([
  ["1", ["hono-app: pulling", "no such host", "hono-app: USER-DATA-FAILED"]],
  ["1", ["hono-app: USER-DATA-FAILED"]],
  ["0", ["hono-app: starting", "hono-app: listening on port 80"]],
])(
  "of user data that ended with %s its own lines are shown, and not what cloud-init prints after them: %j",
  (status, lines) => {
    expect(shown(printed(...lines) + afterUserData(status, "ip-10-0-0-4", 30))).toEqual(lines);
  },
);

test("a machine that failed is waited for no longer; one that goes on trying, from two minutes on", () => {
  const trying = printed("x: still failing; trying again every 10 s", "x: USER-DATA-FAILED", "no route");
  const failed = trying + printed("x: the image is amd64", "x: USER-DATA-FAILED");
  const judged = [trying, failed, printed("x: starting")].map((log) => [isHopeless(log, 119), isHopeless(log, 120)]);
  expect(judged).toEqual([
    [false, true],
    [true, true],
    [false, false],
  ]);
});

test("what only looks like a line of cloud-init's or the login is shown", () => {
  const others = [
    ...["ci-info: +++", "<14>Nov 24 08:16:55 cloud-init: x", "-----BEGIN SSH HOST KEY KEYS-----", "ssh-ed25519 AAAA"],
    ...["ecdsa-sha2-nistp256 AAAA", "Cloud-init v. 22.2.2 finished", "Amazon Linux 2023", "Kernel 6.12 on"],
  ];
  const ends = ["ip-10-0-0-4 login: ", "ip-10-0-0-4 login:", "", " \t"];
  const alike = [...others.map((line) => `app: ${line}`), "ssh-keygen", "Kernel panic", "login: root", "word"];
  expect(shown([...others, ...ends, ...alike].join("\n"))).toEqual(alike);
});

test("the kernel's own last lines are shown, fifteen in all", () => {
  const kernel = Array.from({ length: 20 }, (_, index) => `[   41.${index}] Out of memory: Killed process ${index}`);
  expect(shown(kernel.join("\r\n"))).toEqual(kernel.slice(-15));
});

import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { processes } from "../../tools/processes.ts";
import { expectUpConverges, signalDaemon, when } from "../support/faults.ts";
import {
  ask,
  cloud,
  deployed,
  edited,
  expectServing,
  expectUnchanged,
  local,
  logOf,
  type Machine,
  outputs,
  refused,
  succeed,
} from "../support/stack.ts";

test("with every daemon killed, the next up recovers by itself", async () => {
  const before = await deployed();
  for (const daemon of ["moto", "registry", "buildkitd", "ec2"] as const) signalDaemon(daemon, "SIGKILL");
  const output = await succeed("up");
  expect(output).toContain("what ran in the local cloud was lost");
  const after = outputs();
  expect(after.imageRef).toBe(before.imageRef);
  for (const name of machineNames) {
    expect(after[name].id).not.toBe(before[name].id);
    expect((await fetch(`${after[name].url}/health`)).status).toBe(200);
  }
  await expectUnchanged("up");
});

test("builder killed during a build: the old instances serve, the next up builds", async () => {
  const before = await deployed();
  await edited("app/Dockerfile", ["RUN bun build", "RUN sleep 20; bun build"], async () => {
    const up = when(/RUN sleep 20/, () => signalDaemon("buildkitd", "SIGKILL"), "up");
    await refused(up, /docker-build:index:Image \(hono-app\):\n.*\berror: /s);
    await expectServing(before);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

/** When the app of an instance was started; nothing while it does not answer. */
const startedAt = async ({ url }: Machine) => (await ask(url).catch(() => undefined))?.process.startedAt;

test.each(["SIGTERM", "SIGKILL"] as const)(
  "an instance's Docker Engine ended by %s: the app comes back",
  async (signal) => {
    const { intel } = await deployed();
    const before = await startedAt(intel);
    const isEngine = (command: string) =>
      command.startsWith("dockerd\0") && command.includes(`unix://${cloud.run}/${intel.id}/docker.sock`);
    process.kill(processes().find(({ read }) => isEngine(read("cmdline")))?.pid as number, signal);
    // Another start than before: the app answers, in another process.
    const restarted = async () => ((await startedAt(intel)) ?? before) !== before;
    await expect.poll(restarted, { timeout: 120_000, interval: 500 }).toBe(true);
    expect((await expectUpConverges()).intel.id).toBe(intel.id);
  },
);

const failed = (reason: string) => new RegExp(`i-[0-9a-f]{17} at http://127\\.\\S+ failed verification: ${reason}`);

/** A mistake in a release, what `up` prints, and what the machine has logged. */
const mistakes: [string, string, readonly [string, string], RegExp[], RegExp][] = [
  [
    "app crashing at its start",
    "app/src/main.ts",
    ["const app = createApp(", 'throw new Error("no such thing as a database");\n  const app = createApp('],
    [
      failed("the machine's user data failed"),
      /\| .*no such thing as a database/,
      /\| hono-app: the app ended \d+ times before it answered; its last lines are above/,
    ],
    /no such thing as a database[\s\S]*hono-app: the app ended \d+ times before it answered/,
  ],
  [
    "user data failing",
    "components/user-data.ts",
    ['say "starting"', 'say "starting"\nls /no/such/folder'],
    [
      failed("the machine's user data failed"),
      /\| ls: cannot access '\/no\/such\/folder': No such file or directory/,
      /\| hono-app: line \d+: "ls \/no\/such\/folder" ended with exit status 2/,
    ],
    /^hono-app: line \d+: {2}ls \/no\/such\/folder {2}ended with exit status 2$/,
  ],
  [
    "app that listens only in its container",
    "app/src/main.ts",
    ["port: readPort(process.env)", 'hostname: "127.0.0.1", port: readPort(process.env)'],
    [
      failed("the machine's user data failed; /platform: .*"),
      /\| .*"url":"http:\/\/127\.0\.0\.1:3000\/"/,
      /\| hono-app: the app does not answer at port 3000 \(PORT\): Failed to connect to .* port 3000 .*; perhaps it listens on another, or only on 127\.0\.0\.1/,
    ],
    /"message":"listening"[\s\S]*hono-app: the app does not answer at port 3000/,
  ],
];

test.each(mistakes)("%s: up prints the reason, the old instances serve", async (_, file, change, messages, logged) => {
  const before = await deployed();
  await edited(file, change, async () => {
    const output = await refused(local("up"), ...messages);
    await expectServing(before);
    // What the user data said last is in the log that the error names.
    const [, command = ""] = /its log, which outlives the machine: (.*)/.exec(output) ?? [];
    const [, group = "", instance = ""] = /^aws logs tail (\S+) --log-stream-names (\S+) /.exec(command) ?? [];
    // The machine writes it after the console, which the error came from.
    await expect.poll(() => logOf(group, instance), { timeout: 30_000 }).toMatch(logged);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  expectServing,
  expectUpConverges,
  failing,
  killMachine,
  signalDaemon,
  when,
  withSetting,
} from "../support/faults.ts";
import { cloud, deployed, edited, local, succeed } from "../support/stack.ts";

test("builder gone in mid-build: the old machines serve, the next up builds", async () => {
  const before = await deployed();
  const slow = (text: string) => text.replace("RUN bun build", "RUN sleep 20; bun build");
  await edited("app/Dockerfile", slow, async () => {
    const output = await failing(when(/RUN sleep 20/, () => signalDaemon("buildkitd", "SIGKILL"), "up"));
    expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: /);
    await expectServing(before);
    await expectServing(before);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "Docker Engine of a machine restarted by %s: the app comes back",
  async (signal) => {
    const before = await deployed();
    const { id, url } = before.intel;
    const startedAt = async () => {
      try {
        return ((await (await fetch(`${url}/platform`)).json()) as { process: { startedAt: string } }).process
          .startedAt;
      } catch {
        return undefined;
      }
    };
    const first = await startedAt();
    process.kill(dockerd(id), signal);
    // A date that is not the first one: it answers, and it is another process.
    await expect
      .poll(async () => ((await startedAt()) ?? first) !== first, { timeout: 120_000, interval: 500 })
      .toBe(true);
    expect((await expectUpConverges()).intel.id).toBe(id);
  },
);

function dockerd(machine: string): number {
  const pid = readdirSync("/proc").find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      return command.startsWith("dockerd\0") && command.includes(`unix://${cloud.run}/${machine}/docker.sock`);
    } catch {
      return false;
    }
  });
  if (pid === undefined) throw new Error(`no dockerd of ${machine}`);
  return Number(pid);
}

test("app crashing at start: what it said reaches the person who ran up, the old machines serve", async () => {
  const before = await deployed();
  const crash = (text: string) =>
    text.replace("const app = createApp(", 'throw new Error("no such thing as a database");\n  const app = createApp(');
  await edited("app/src/main.ts", crash, async () => {
    const output = await failing(local("up"));
    expect(output).toMatch(
      /i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: the machine's user data failed/,
    );
    expect(output).toMatch(/\| .*no such thing as a database/);
    expect(output).toMatch(/\| hono-app: the app ended \d+ times before it listened; its last lines are above/);
    await expectServing(before);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

test("user data failing: its last lines reach the person who ran up, the old machines serve", async () => {
  const before = await deployed();
  const fail = (text: string) => text.replace('say "starting"', 'say "starting"\nls /no/such/folder');
  await edited("components/user-data.ts", fail, async () => {
    const output = await failing(local("up"));
    expect(output).toMatch(
      /i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: the machine's user data failed/,
    );
    expect(output).toMatch(/\| ls: cannot access '\/no\/such\/folder': No such file or directory/);
    expect(output).toMatch(/\| hono-app: line \d+: "ls \/no\/such\/folder" ended with exit status 2/);
    await expectServing(before);
  });
  await expectUpConverges();
});

test("verification time-out: said with what came instead, the old machines serve", async () => {
  const before = await deployed();
  const silent = (text: string) => text.replace("fetch: app.fetch", "fetch: () => new Promise<Response>(() => {})");
  await edited("app/src/main.ts", silent, () =>
    withSetting("verificationTimeoutSeconds", 30, async () => {
      const output = await failing(local("up"));
      expect(output).toMatch(
        /i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: time-out after 30 s; \/platform: .*/,
      );
      expect(output).toMatch(/\| hono-app: listening on port 80/);
      await expectServing(before);
    }),
  );
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

test("machine that died: a preview tells of it, and the up after that makes another", async () => {
  const before = await deployed();
  await killMachine(before.intel.id);
  expect(await succeed("preview")).toMatch(/aws:ec2:Instance hono-app-intel\s+create/);
  const after = await expectUpConverges();
  expect(after.intel.id).not.toBe(before.intel.id);
  expect(after.graviton.id).toBe(before.graviton.id);
});

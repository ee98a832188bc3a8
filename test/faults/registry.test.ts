import { execFileSync } from "node:child_process";
import { rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { filesOf } from "../../local/cloud.ts";
import { runningPid } from "../../local/daemon.ts";
import {
  ensureDeployed,
  expectUpConverges,
  interrupt,
  killMachine,
  signalDaemon,
  when,
  withLargeLayer,
  withNewRelease,
} from "../support/faults.ts";
import {
  answering,
  cloud,
  configured,
  deployed,
  edited,
  expectServing,
  iam,
  instanceRole,
  local,
  manifest,
  type Result,
  refused,
} from "../support/stack.ts";

const data = join(cloud.dir, "registry", "data");

/** Denies the instances' role the login, or allows it again. */
async function letLogIn(allowed: boolean): Promise<void> {
  const policy = { RoleName: instanceRole(), PolicyName: "no-login" };
  if (allowed) return void (await iam.deleteRolePolicy(policy).catch(() => {})); // none: nothing was taken
  const Statement = [{ Effect: "Deny", Action: "ecr:GetAuthorizationToken", Resource: "*" }];
  await iam.putRolePolicy({ ...policy, PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement }) });
}

const stop = () => signalDaemon("registry", "SIGSTOP");
const go = () => signalDaemon("registry", "SIGCONT");
afterEach(() => {
  if (runningPid(filesOf(cloud, "registry"))) go();
});

const kill = () => signalDaemon("registry", "SIGKILL");
const updating = /Image hono-app updating/;

/** What makes a push fail, what `up` prints then, and what ends it. */
const failures: [string, () => Promise<Result>, (string | RegExp)[], () => void][] = [
  ["registry down", () => when(updating, kill, "up"), [pushError("connection refused")], () => {}],
  // BuildKit waits 10 s for a TLS handshake, and tries four times.
  ["registry hanging", () => when(updating, stop, "up"), [pushError("TLS handshake timeout")], go],
  // Without the key that signed it no password is valid; the next one is signed with a new key.
  [
    "login ended during the build",
    () => when(updating, () => rmSync(join(cloud.dir, "token-key")), "up"),
    [pushError("400 Bad Request")],
    () => {},
  ],
  [
    "disk of the registry full",
    () => {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", data]);
      return local("up");
    },
    [pushError(""), `the disk of ${data} has `],
    // Lazily: the registry has files open that it could not finish.
    () => execFileSync("umount", ["--lazy", data]),
  ],
];

/** Below the image's name stands the error, now and then after the lines of the build. */
function pushError(reason: string): RegExp {
  return new RegExp(`docker-build:index:Image \\(hono-app\\):\\n.*\\berror: .*failed to push 127\\..*${reason}`, "s");
}

test.each(failures)("%s: the push fails, the old instances serve, the next up pushes", async (_, up, messages, end) => {
  const before = await ensureDeployed();
  await withNewRelease(async () => {
    try {
      await refused(up(), ...messages);
      await expectServing(before);
    } finally {
      end();
    }
    expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
  });
});

test("registry killed during the push: the old instances serve, the next up pushes", async () => {
  const before = await deployed();
  await withLargeLayer(async () => {
    await refused(when(/pushing layers/, kill, "up"), pushError(""));
    await expectServing(before);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

// Without it the push would hang for half an hour.
test("registry hanging during the push: Ctrl-C ends the up, the old instances serve", async () => {
  const before = await deployed();
  const giveUp = (program: number) => {
    stop();
    interrupt(program);
  };
  await withLargeLayer(async () => {
    try {
      const { output } = await when(/pushing layers/, giveUp, "up");
      expect(output).toMatch(updating);
      expect(output).toContain("error: context canceled");
      expect(output).not.toMatch(/Image hono-app updated|error: (?!context canceled|update failed)/);
      await expectServing(before);
    } finally {
      go();
    }
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

/** What keeps an instance from pulling for longer than the verification waits, what ends it, and what the console shows. */
const noPull: [string, () => unknown, () => unknown, RegExp][] = [
  ["registry down", kill, () => {}, /\| .*connection refused/],
  ["registry hanging", stop, go, /\| .*Error response from daemon: .*(?:Client\.Timeout|context deadline) exceeded/],
  [
    "login refused",
    () => letLogIn(false),
    () => letLogIn(true),
    /\| .*An error occurred \(AccessDeniedException\) when calling the GetAuthorizationToken operation: User: \S+ is not authorized/,
  ],
];

const timeOut = /i-[0-9a-f]{17} at http:\/\/127\.\S+ failed verification: time-out after 30 s/;
const seconds = { verificationTimeoutSeconds: "30" };

test.each(noPull)(
  "%s during the pull: up prints it, the next up finds the instances running",
  async (_, begin, end, said) => {
    const before = await ensureDeployed();
    const up = async () => {
      const replacing = when(/Instance hono-app-\w+ creating replacement/, begin, "up");
      const output = await refused(
        replacing,
        timeOut,
        said,
        /\| hono-app: login_and_pull failed: .*?; trying again in \d+ s/s,
      );
      await expectServing(before);
      await end();
      const after = await expectUpConverges();
      for (const name of machineNames) expect(output).toContain(after[name].id);
    };
    try {
      await configured(seconds, () => withNewRelease(up));
    } finally {
      await end();
    }
  },
);

test("registry down for longer than an instance waits: the next up finds it running", async () => {
  const before = await ensureDeployed();
  const impatient = <T>(work: () => Promise<T>) =>
    edited("components/user-data.ts", ["-ge 150", "-ge 0"], () =>
      edited("components/console.ts", [">= 120", ">= 0"], work),
    );
  await impatient(async () => {
    const output = await refused(
      when(/Instance hono-app-\w+ creating/, kill, "up"),
      /failed verification: the machine's user data failed/,
      /\| hono-app: still failing after about 3 minutes: login_and_pull: .*; trying again every 10 s/,
    );
    await expectServing(before);
    await local("refresh"); // the registry runs again; no verification asks yet
    const failed = [...output.matchAll(/(i-[0-9a-f]{17}) at (http:\S+) failed/g)];
    expect(failed).not.toEqual([]);
    for (const [, id, url = ""] of failed)
      await expect.poll(() => answering(url).catch(() => ""), { timeout: 120_000, interval: 500 }).toBe(id);
    const after = await expectUpConverges();
    for (const name of machineNames) expect(output).toContain(after[name].id);
  });
});

test("truncated layer: an instance refuses it, and the next up pushes it again", async () => {
  const before = await deployed();
  const index = await manifest(before.imageRef);
  const child = index.manifests?.find(({ platform }) => platform?.architecture === "amd64");
  const { layers = [] } = await manifest(`${before.repositoryUrl}@${child?.digest}`);
  const largest = layers.reduce((a, b) => (b.size > a.size ? b : a));
  const hash = largest.digest.replace("sha256:", "");
  const blob = join(data, "docker/registry/v2/blobs/sha256", hash.slice(0, 2), hash, "data");
  truncateSync(blob, Math.floor(statSync(blob).size / 2));
  await killMachine(before.intel.id);
  const truncated = /\| .*(?:unexpected EOF|filesystem layer verification failed|unexpected commit digest)/;
  await configured(seconds, () => refused(local("up"), timeOut, truncated));
  const after = await expectUpConverges();
  expect(after.imageRef).toBe(before.imageRef);
  expect(statSync(blob).size).toBe(largest.size);
});

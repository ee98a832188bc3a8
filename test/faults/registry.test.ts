import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { IAM } from "@aws-sdk/client-iam";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import {
  expectServing,
  expectUpConverges,
  failing,
  interrupt,
  killMachine,
  signalDaemon,
  standing,
  when,
  withNewRelease,
  withSetting,
} from "../support/faults.ts";
import { answering, aws, cloud, deployed, edited, local, manifest } from "../support/stack.ts";

const iam = new IAM(aws);
const data = join(cloud.dir, "registry", "data");

/** Takes from the machines' role, or gives back to it, what a login needs. */
async function letLogIn(allowed: boolean): Promise<void> {
  const { Roles = [] } = await iam.listRoles({});
  const RoleName = Roles.find((role) => /^hono-app-[0-9a-f]{7}$/.test(role.RoleName ?? ""))?.RoleName;
  const policy = { RoleName, PolicyName: "no-login" };
  if (allowed) return void (await iam.deleteRolePolicy(policy).catch(() => {})); // none: nothing was taken
  const Statement = [{ Effect: "Deny", Action: "ecr:GetAuthorizationToken", Resource: "*" }];
  await iam.putRolePolicy({ ...policy, PolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement }) });
}

const stop = () => signalDaemon("registry", "SIGSTOP");
const go = () => signalDaemon("registry", "SIGCONT");

/** Does the work, in which the registry stops, and lets the registry go on. */
async function hanging<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    go();
  }
}

test("registry down before the push: the old machines serve, the next up pushes", async () => {
  const before = await standing();
  await withNewRelease(async () => {
    const building = /Image hono-app updating/;
    const output = await failing(when(building, () => signalDaemon("registry", "SIGKILL"), "up"));
    expect(output).toMatch(
      /docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\.\S+.*connection refused/s,
    );
    await expectServing(before);
    expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
  });
});

test("registry hanging before the push: the push gives up by itself, the old machines serve, the next up pushes", async () => {
  const before = await standing();
  await withNewRelease(async () => {
    // BuildKit waits 10 s for a TLS handshake, and tries four times.
    const output = await hanging(() => failing(when(/Image hono-app updating/, stop, "up")));
    expect(output).toMatch(
      /docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\.\S+.*TLS handshake timeout/s,
    );
    await expectServing(before);
    expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
  });
});

/** A layer so large that a push of it takes a while. */
const large = (text: string) =>
  text.replace(
    "mkdir -p /bundle/own/app",
    "mkdir -p /bundle/own/app && head -c 200M /dev/urandom >/bundle/own/app/ballast",
  );

test("registry killed during the push: the old machines serve, the next up pushes", async () => {
  const before = await deployed();
  await edited("app/Dockerfile", large, async () => {
    const output = await failing(when(/pushing layers/, () => signalDaemon("registry", "SIGKILL"), "up"));
    expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\./s);
    await expectServing(before);
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

test("registry hanging during the push: Ctrl-C ends the up, without which it would stand for half an hour: the old machines serve, the next up pushes", async () => {
  const before = await deployed();
  await edited("app/Dockerfile", large, async () => {
    await hanging(async () => {
      const giveUp = (program: number) => {
        stop();
        interrupt(program);
      };
      const { output } = await when(/pushing layers/, giveUp, "up");
      expect(output).toMatch(/Image hono-app updating/);
      expect(output).not.toMatch(/Image hono-app updated|error: /);
      await expectServing(before);
    });
  });
  expect((await expectUpConverges()).imageRef).toBe(before.imageRef);
});

/** What keeps a machine from pulling, for longer than the verification waits, and what its console says then. */
const noPull: [string, () => unknown, () => unknown, RegExp][] = [
  ["registry down", () => signalDaemon("registry", "SIGKILL"), () => {}, /\| .*connection refused/],
  ["registry hanging", stop, go, /\| Error response from daemon: .*(?:Client\.Timeout|context deadline) exceeded/],
  [
    "login refused",
    () => letLogIn(false),
    () => letLogIn(true),
    /\| An error occurred \(AccessDeniedException\) when calling the GetAuthorizationToken operation: User: \S+ is not authorized/,
  ],
];

test.each(noPull)(
  "%s while the machines pull: their console says so, the next up finds them running",
  async (_, begin, end, said) => {
    const before = await standing();
    await withSetting("verificationTimeoutSeconds", 30, () =>
      withNewRelease(async () => {
        try {
          const output = await failing(when(/Instance hono-app-\w+ creating replacement/, begin, "up"));
          expect(output).toMatch(/i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: time-out after 30 s/);
          expect(output).toMatch(said);
          expect(output).toMatch(/\| hono-app: not yet: login_and_pull; again in \d+ s/);
          await expectServing(before);
          await end();
          const after = await expectUpConverges();
          for (const name of machineNames) expect(output).toContain(after[name].id);
        } finally {
          await end();
        }
      }),
    );
  },
);

test("registry down for longer than a machine waits: it is told at once, the machine goes on, the next up finds it running", async () => {
  const before = await standing();
  const impatient = (text: string) => text.replace("for attempt in 1 2 4 8 15 15 15 30 30 30", "for attempt in 1");
  await edited("components/user-data.ts", impatient, async () => {
    const pulling = /Instance hono-app-\w+ creating/;
    const output = await failing(when(pulling, () => signalDaemon("registry", "SIGKILL"), "up"));
    expect(output).toMatch(/is not what it must be: the machine's user data failed/);
    expect(output).toMatch(/\| hono-app: gave up waiting for: login_and_pull; trying on, every 10 s/);
    await expectServing(before);
    await local("refresh"); // the registry runs again; no verification asks yet
    const found = [...output.matchAll(/(i-[0-9a-f]{17}) at (http:\S+) is not/g)].map(
      ([, id, url]) => [id, url] as const,
    );
    for (const [id = "", url = ""] of found)
      await expect.poll(() => answering(url).catch(() => ""), { timeout: 120_000, interval: 500 }).toBe(id);
    const after = await expectUpConverges();
    for (const name of machineNames) expect(output).toContain(after[name].id);
  });
});

test("disk full in the registry: the push fails with that reason, the old machines serve, the next up pushes", async () => {
  const before = await standing();
  // A small disk in its place; lazily taken away, for the registry still has the files open that it could not finish.
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", data]);
  try {
    await withNewRelease(async () => {
      const output = await failing(local("up"));
      expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\./s);
      expect(output).toContain(`the disk of ${data} has `);
      await expectServing(before);
      execFileSync("umount", ["--lazy", data]);
      expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
    });
  } finally {
    if (readFileSync("/proc/mounts", "utf8").includes(` ${data} `)) execFileSync("umount", ["--lazy", data]);
  }
});

test("truncated layer: a machine refuses it, and the next up pushes it again", async () => {
  const before = await deployed();
  const index = await manifest(before.imageRef);
  const child = index.manifests?.find(({ platform }) => platform?.architecture === "amd64");
  const { layers = [] } = await manifest(`${before.repositoryUrl}@${child?.digest}`);
  const largest = layers.reduce((a, b) => (b.size > a.size ? b : a));
  const hash = largest.digest.replace("sha256:", "");
  const blob = join(data, "docker/registry/v2/blobs/sha256", hash.slice(0, 2), hash, "data");
  truncateSync(blob, Math.floor(statSync(blob).size / 2));
  await killMachine(before.intel.id);
  await withSetting("verificationTimeoutSeconds", 30, async () => {
    const output = await failing(local("up"));
    expect(output).toMatch(/i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: time-out after 30 s/);
    expect(output).toMatch(/\| .*(?:unexpected EOF|filesystem layer verification failed|unexpected commit digest)/);
  });
  const after = await expectUpConverges();
  expect(after.imageRef).toBe(before.imageRef);
  expect(statSync(blob).size).toBe(largest.size);
});

test("a login that ends during the build: the push is refused with that reason, the old machines serve, the next up has a new one", async () => {
  const before = await standing();
  await withNewRelease(async () => {
    // Without the key that made it no token is valid; with the next token there is a new one.
    const end = () => rmSync(join(cloud.dir, "token-key"));
    const output = await failing(when(/Image hono-app updating/, end, "up"));
    expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\..*400 Bad Request/s);
    await expectServing(before);
    expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
  });
});

import { execFileSync } from "node:child_process";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { expect, test } from "vitest";
import { cloud, deployed, local, manifest } from "../e2e/stack.ts";
import {
  expectServing,
  expectUpConverges,
  failing,
  killMachine,
  signalDaemon,
  standing,
  when,
  withNewRelease,
  withSetting,
} from "./faults.ts";

const data = join(cloud.dir, "registry", "data");

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

test("registry killed during the push: the old machines serve, the next up pushes", async () => {
  const before = await standing();
  await withNewRelease(async () => {
    const output = await failing(when(/pushing layers/, () => signalDaemon("registry", "SIGKILL"), "up"));
    expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: .*failed to push 127\./s);
    await expectServing(before);
    expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
  });
});

test("registry down while the machines pull: their console says so, the next up finds them running", async () => {
  const before = await standing();
  await withSetting("verificationTimeoutSeconds", 30, () =>
    withNewRelease(async () => {
      const pulling = /Instance hono-app-\w+ creating replacement/;
      const output = await failing(when(pulling, () => signalDaemon("registry", "SIGKILL"), "up"));
      expect(output).toMatch(/i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be: time-out after 30 s/);
      expect(output).toMatch(/\| .*connection refused/);
      expect(output).toMatch(/\| hono-app: not yet: login_and_pull; again in \d+ s/);
      await expectServing(before);
      expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
    }),
  );
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

test("expired login: the push is refused with that reason, the old machines serve, the next up recovers", async () => {
  const before = await standing();
  const passwords = join(cloud.dir, "registry", "htpasswd");
  const valid = readFileSync(passwords, "utf8");
  writeFileSync(passwords, `AWS:${hashSync("another token", 4)}\n`);
  try {
    await withNewRelease(async () => {
      const output = await failing(local("up"));
      expect(output).toMatch(/docker-build:index:Image \(hono-app\):\s+error: .*(?:401 Unauthorized|unauthorized)/s);
      await expectServing(before);
      writeFileSync(passwords, valid);
      expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
    });
  } finally {
    writeFileSync(passwords, valid);
  }
});

import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { password } from "../../local/services/registry.ts";
import type { RunOptions } from "../../tools/process.ts";
import { upServing } from "../support/fleet.ts";
import { getFrom, startRegistry } from "../support/other-registry.ts";
import {
  cloud,
  configured,
  type Descriptor,
  deployed,
  describeInstances,
  ec2,
  ecr,
  edited,
  expectServing,
  expectStill,
  expectUnchanged,
  limited,
  local,
  logOf,
  manifest,
  type Outputs,
  outputs,
  pageOf,
  passwordPrefix,
  plainUp,
  type Result,
  refused,
  releasedEdit,
  repositoryName,
  shell,
  succeed,
  successful,
  tagOf,
} from "../support/stack.ts";

/** What `npm run doctor` finds of the account's quotas. */
async function quotasByDoctor(): Promise<{ state: string; fault?: string; note?: string }> {
  const command = "node cli/doctor.ts --stack local --json 2>/dev/null || true";
  const { output } = await shell(command);
  return JSON.parse(output).checks.find(({ id }: { id: string }) => id === "aws-quotas");
}

/** Another AMI of the architecture stands for a newer one; without it, the first one is the newest again. */
const newerAmi = ["al2023-ami-kernel-default-arm64", "al2023-ami-kernel-6.12-arm64"] as const;

/** What a preview shows of an instance that gets another AMI. */
const moved = (from: string, to: string) => new RegExp(`~ ami *: "${from}" => "(?!${from})${to}"`);

const amiOf = async (instance: string) => (await describeInstances(instance))[0]?.ImageId;

test("a release beyond the vCPU quota, or where AWS has no capacity, fails and changes nothing", async () => {
  const before = await deployed();
  await releasedEdit("beyond the quota", async () => {
    await limited({ "L-1216C47A": 5, "L-F678F1CE": 2 }, async () => {
      const limit = "You have requested more vCPU capacity than your current vCPU limit of 5 allows";
      await refused(plainUp(), new RegExp(`creating EC2 Instance .*: VcpuLimitExceeded: ${limit}`));
      await expectServing(before);
      const { state, fault } = await quotasByDoctor();
      expect({ state, fault }).toEqual({ state: "fault", fault: expect.stringContaining("4 of 5 in use, 4 by this") });
      await expect(ec2.createVpc({ CidrBlock: "10.9.0.0/16" })).rejects.toThrow(
        "The maximum number of VPCs has been reached.",
      );
    });
    const launches = () =>
      readFileSync(join(cloud.dir, "calls.jsonl"), "utf8").split(/"ec2:RunInstances".*:subnet\//).length;
    const launched = launches();
    const none = Object.fromEntries([..."abcd"].map((letter) => [`ap-northeast-2${letter}`, 0]));
    await limited(none, async () => {
      await refused(local("up"), "InsufficientInstanceCapacity: We currently do not have sufficient t4g.small");
    });
    // Of each machine; not 25, for which the real provider takes about an hour.
    expect(launches() - launched).toBe(2 * 8);
    await expectStill(before);
  });
  expect((await quotasByDoctor()).note).toMatch(/4 of 32 in use, 4 by this stack.* VPCs: 2 of 5 in use, 1 by this/);
});

/** The layers of each platform's image. */
async function layersOf(reference: string): Promise<Descriptor[][]> {
  const { manifests = [] } = await manifest(reference);
  const repository = reference.split(/:[^/]*@/)[0];
  return Promise.all(manifests.map(async ({ digest }) => (await manifest(`${repository}@${digest}`)).layers ?? []));
}

// By the plain CLI, as a pipeline that has a plan approved.
describe("a release by a saved plan, which allows that and nothing else,", () => {
  let before: Outputs;
  let layersBefore: Descriptor[][];
  let preview: Result;
  let plan: string;
  let up: Awaited<ReturnType<typeof upServing>>;
  let after: Outputs;

  beforeAll(async () => {
    before = await deployed();
    layersBefore = await layersOf(before.imageRef);
    const file = join(cloud.dir, "plan.json");
    const pulumi = (command: string, options?: RunOptions) =>
      shell(`pulumi ${command}=${file} -s local --non-interactive`, options);
    const planned = (options?: RunOptions) => pulumi("up --yes --plan", options);
    const urls = machineNames.map((name) => before[name].url);
    const proven = /Verification hono-app-(\w+) updated[\s\S]*Verification hono-app-(?!\1)\w+ updated/;
    await shell(`docker login --username AWS --password-stdin ${cloud.registry}`, { input: await password(ecr) });
    try {
      await configured({ registryLogin: "docker" }, () =>
        edited("components/architecture.ts", newerAmi, async () => {
          preview = await releasedEdit("second", () => successful(pulumi("preview --diff --save-plan")));
          plan = readFileSync(file, "utf8");
          // What was not planned.
          await refused(planned(), "violates plan");
          expect(outputs()).toEqual(before);
          up = await releasedEdit("second", () => upServing(urls, proven, planned));
        }),
      );
    } finally {
      rmSync(file, { force: true });
      await shell(`docker logout ${cloud.registry}`);
    }
    after = outputs();
  });

  test("has no token in its plan", () => {
    expect(plan).toContain('"docker-build:index:Image"');
    expect(plan).not.toMatch(new RegExp(`password|${passwordPrefix}`));
  });

  test("replaces one small layer", async () => {
    expect(after.imageRef).not.toBe(before.imageRef);
    const known = new Set(layersBefore.flat().map(({ digest }) => digest));
    const layers = await layersOf(after.imageRef);
    const fresh = layers.map((each) => each.filter(({ digest }) => !known.has(digest)));
    expect(fresh.map((each) => each.length)).toEqual([1, 1]);
    expect(new Set(fresh.flat().map(({ digest }) => digest)).size).toBe(1);
    expect(fresh[0]?.[0]?.size).toBeLessThan(32 * 1024);
  });

  test("fails no request, and replaces both instances, which go after the proof; their logs stay", async () => {
    const { load, output } = up;
    expect(load.answered).toEqual(new Set(machineNames.map((name) => `${before[name].url} ${before[name].id}`)));
    expect(load.asked).toBeGreaterThan(10);
    for (const name of machineNames) {
      const { id } = before[name];
      expect(after[name].id).not.toBe(id);
      const proven = output.search(new RegExp(`Verification hono-app-${name} updated`));
      const deleted = output.search(new RegExp(`aws:ec2:Instance hono-app-${name} deleting`));
      expect(proven).toBeGreaterThan(0);
      expect(deleted).toBeGreaterThan(proven);
      expect(await pageOf(after[name])).toContain(">second ");
      const log = await logOf(before.logGroup, id);
      expect(log).toContain(`"message":"listening"`);
      expect(log).toContain(`"path":"/platform","status":200`);
    }
  });

  test("boots the newest AMI", async () => {
    expect(preview.output).toMatch(moved(before.graviton.ami, after.graviton.ami));
    for (const name of machineNames) expect(await amiOf(after[name].id)).toBe(after[name].ami);
    expect(after.intel.ami).toBe(before.intel.ami);
  });

  test("follows an earlier one, which is deployed without a build", async () => {
    expect(after.imageDigest).not.toBe(before.imageDigest);
    await configured({ release: tagOf(before.imageRef) }, async () => {
      const up = await succeed("up");
      expect(up).not.toMatch(/docker-build:index:Image hono-app (creating|updating)/);
      const back = outputs();
      expect(back.imageRef).toBe(before.imageRef);
      expect(await amiOf(back.graviton.id)).toBe(before.graviton.ami);
      for (const name of machineNames) expect(await pageOf(back[name])).not.toContain(">second ");
    });
    await configured({ release: before.imageDigest }, () => expectUnchanged("preview"));
    // Both stay in the registry, and the newer one would be deployed again without another digest.
    const preview = await releasedEdit("second", () => succeed("preview"));
    expect(preview).toMatch(new RegExp(`imageDigest *: "${before.imageDigest}" => "${after.imageDigest}"`));
    expect((await deployed()).imageRef).toBe(before.imageRef);
  });
});

test("refuses a release that is not in the registry, or lacks a platform, before anything changes", async () => {
  const before = await deployed();
  const absent = `sha256:${"0".repeat(64)}`;
  const index = await manifest(before.imageRef);
  const manifests = index.manifests?.filter(({ platform }) => platform?.architecture === "arm64");
  const imageManifestMediaType = "application/vnd.oci.image.index.v1+json";
  const imageManifest = JSON.stringify({ ...index, manifests });
  const imageTag = "content-0000000000000001";
  const imageDigest = `sha256:${createHash("sha256").update(imageManifest).digest("hex")}`;
  await ecr.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType });
  onTestFinished(async () => void (await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageDigest }] })));
  const expected = "expected an index of linux/amd64, linux/arm64; it holds linux/arm64";
  const notFound = `ImageNotFoundException: The image with imageId {imageDigest:'${absent}'`;
  await configured({ release: absent }, () => refused(local("preview"), notFound));
  await configured({ release: imageTag }, () => refused(plainUp(), `${repositoryName}@${imageDigest}: ${expected}`));
  await expectStill(before);
});

test("a volume of another size is a new machine's", async () => {
  await deployed();
  await configured({ volumeSizeGiB: "9" }, async () => {
    const preview = await succeed("preview");
    for (const name of machineNames)
      expect(preview).toMatch(new RegExp(`aws:ec2:Instance hono-app-${name}\\s+replace`));
  });
});

test("a newer AMI changes nothing by itself; with amiUpdate a preview replaces the instance with it", async () => {
  const before = await deployed();
  await edited("components/architecture.ts", newerAmi, async () => {
    await expectUnchanged("preview");
    await configured({ amiUpdate: "latest" }, async () => {
      const preview = await succeed("preview");
      expect(preview).not.toMatch(/aws:ec2:Instance hono-app-intel/);
      expect(preview).toMatch(moved(before.graviton.ami, `ami-[^"]+`));
    });
  });
});

// What is published where the token is right: test/e2e/docs.test.ts.
test("one that cannot be published since the token is wrong fails with the registry's answer", async () => {
  await deployed();
  const address = `${cloud.prefix}.0.1:5600`;
  onTestFinished(await startRegistry(address, ["owner", "token"]));
  const settings = { publishTo: `${address}/owner/hono-app`, publishVersion: "2.0.0", publishUsername: "owner" };
  await configured({ ...settings, publishToken: '""' }, async () => {
    const set = "pulumi config set --stack local --secret publishToken";
    await successful(shell(set, { input: "wrong" }));
    await refused(plainUp(), /401 Unauthorized|authorization failed/);
    expect((await getFrom(address, "owner", "token", "owner/hono-app/manifests/2.0.0")).status).toBe(404);
  });
});

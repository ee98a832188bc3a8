import { createHash } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { upServing } from "../support/fleet.ts";
import {
  configured,
  deployed,
  describeInstances,
  ec2,
  ecr,
  edited,
  editPage,
  expectServing,
  expectStill,
  expectUnchanged,
  limited,
  local,
  logOf,
  manifest,
  outputs,
  pageOf,
  refused,
  repositoryName,
  shell,
  succeed,
  summary,
  tagOf,
} from "../support/stack.ts";

/** What `npm run doctor` finds of the account's quotas. */
async function quotasByDoctor(): Promise<{ state: string; fault?: string; note?: string }> {
  const command = "node cli/doctor.ts --environment aws --stack local --json 2>/dev/null || true";
  const { output } = await shell(command);
  return JSON.parse(output).checks.find(({ id }: { id: string }) => id === "aws-quotas");
}

test("a release beyond the vCPU quota fails and changes nothing; within it, no request fails", async () => {
  const before = await deployed();
  editPage("seamless");
  await limited({ "L-1216C47A": 5, "L-F678F1CE": 2 }, async () => {
    const limit = "You have requested more vCPU capacity than your current vCPU limit of 5 allows";
    await refused(local("up"), `VcpuLimitExceeded: ${limit}`);
    await expectServing(before);
    const { state, fault } = await quotasByDoctor();
    expect({ state, fault }).toEqual({ state: "fault", fault: expect.stringContaining("4 of 5 in use, 4 by this") });
    await expect(ec2.createVpc({ CidrBlock: "10.9.0.0/16" })).rejects.toThrow(
      "The maximum number of VPCs has been reached.",
    );
  });
  expect((await quotasByDoctor()).note).toMatch(/4 of 32 in use, 4 by this stack.* VPCs: 2 of 5 in use, 1 by this/);
  const old = machineNames.map((name) => ({ url: before[name].url, id: before[name].id }));
  const answered = await upServing(
    old.map(({ url }) => url),
    /Verification hono-app-(\w+) updated[\s\S]*Verification hono-app-(?!\1)\w+ updated/,
  );
  for (const answer of answered) expect(old).toContainEqual(answer);
  expect(answered.length).toBeGreaterThan(10);
  // The old instances are gone; what they logged is not.
  const after = outputs();
  for (const name of machineNames) {
    const { id } = before[name];
    expect(after[name].id).not.toBe(id);
    const log = await logOf(before.logGroup, id);
    expect(log).toContain(`"message":"listening"`);
    expect(log).toContain(`"path":"/platform","status":200`);
  }
});

/** Another AMI of the architecture stands for a newer one; without it, the first one is the newest again. */
const newerAmi = ["al2023-ami-kernel-default-arm64", "al2023-ami-kernel-6.12-arm64"] as const;

/** What a preview shows of an instance that gets another AMI. */
const moved = (from: string, to: string) => new RegExp(`~ ami *: "${from}" => "(?!${from})${to}"`);

const amiOf = async (instance: string) => (await describeInstances(instance))[0]?.ImageId;

test("a release boots the newest AMI; an earlier release is deployed without a build", async () => {
  const first = await deployed();
  editPage("second");
  const [preview, second] = await edited("components/architecture.ts", newerAmi, async () => [
    await succeed("preview"),
    await deployed(),
  ]);
  expect(second.imageDigest).not.toBe(first.imageDigest);
  expect(preview).toMatch(moved(first.graviton.ami, second.graviton.ami));
  for (const name of machineNames) expect(await amiOf(second[name].id)).toBe(second[name].ami);
  expect(second.intel.ami).toBe(first.intel.ami);

  await configured({ release: tagOf(first.imageRef) }, async () => {
    const up = await succeed("up");
    expect(up).not.toMatch(/docker-build:index:Image hono-app (creating|updating)/);
    const back = outputs();
    expect(back.imageRef).toBe(first.imageRef);
    expect(await amiOf(back.graviton.id)).toBe(first.graviton.ami);
    for (const name of machineNames) expect(await pageOf(back[name])).not.toContain(">second ");
  });
  await configured({ release: first.imageDigest }, () => expectUnchanged("preview"));
  // Both stay in the registry, and the newer one is deployed again without another digest.
  await manifest(second.imageRef);
  expect((await deployed()).imageRef).toBe(second.imageRef);
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
  for (const [release, message] of [
    [absent, `ImageNotFoundException: The image with imageId {imageDigest:'${absent}'`],
    [imageTag, `${repositoryName}@${imageDigest}: ${expected}`],
  ] as const) {
    await configured({ release }, () => refused(local("up"), message));
    await expectStill(before);
  }
});

test("a volume of another size is a new machine's", async () => {
  await deployed();
  await configured({ volumeSizeGiB: "9" }, async () => {
    const preview = await succeed("preview");
    for (const name of machineNames)
      expect(preview).toMatch(new RegExp(`aws:ec2:Instance hono-app-${name}\\s+replace`));
  });
});

test("a newer AMI changes nothing by itself; amiUpdate replaces the instance with it", async () => {
  const before = await deployed();
  await edited("components/architecture.ts", newerAmi, async () => {
    await expectUnchanged("preview");
    await configured({ amiUpdate: "latest" }, async () => {
      const preview = await succeed("preview");
      expect(preview).not.toMatch(/aws:ec2:Instance hono-app-intel/);
      await succeed("up");
      const after = outputs();
      expect(preview).toMatch(moved(before.graviton.ami, after.graviton.ami));
      expect(await amiOf(after.graviton.id)).toBe(after.graviton.ami);
      expect(after.intel.id).toBe(before.intel.id);
    });
    // The instance stays on its AMI, now the newer one.
    await expectUnchanged("preview");
  });
});

test("production refuses destroy until the protection is removed", async () => {
  await configured({ protect: "true", forceDelete: "false", latestTag: "false" }, async () => {
    const stack = await deployed();
    await refused(
      local("destroy"),
      /hono-app:index:Repository::hono-app.*cannot be deleted|cannot be deleted[\s\S]*because it is protected/,
    );
    await expectStill(stack);
    // A release still replaces protected machines.
    editPage("protected");
    const after = await deployed();
    for (const name of machineNames) expect(after[name].id).not.toBe(stack[name].id);
  });
  await deployed();
  expect(summary(await succeed("destroy"))).toEqual({ deleted: expect.any(Number) });
});

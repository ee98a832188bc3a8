import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { EC2 } from "@aws-sdk/client-ec2";
import { ECR } from "@aws-sdk/client-ecr";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import {
  answering,
  aws,
  cloud,
  configured,
  deployed,
  edited,
  local,
  manifest,
  outputs,
  releasedEdit,
  shell,
  succeed,
  summary,
  tagOf,
  watch,
} from "../support/stack.ts";

/** Gives the account other quotas while `work` goes on. */
async function limited(quotas: Record<string, number>, work: () => Promise<void>): Promise<void> {
  const file = join(cloud.dir, "quotas.json");
  writeFileSync(file, JSON.stringify(quotas));
  try {
    await work();
  } finally {
    rmSync(file);
  }
}

/** What `npm run doctor` finds of the account's quotas. */
async function quotasByDoctor(): Promise<{ state: string; fault?: string; note?: string }> {
  const command = "node cli/doctor.ts --environment aws --json 2>/dev/null || true";
  const { output } = await shell(command, { env: { PULUMI_STACK: "local" } });
  return JSON.parse(output).checks.find(({ id }: { id: string }) => id === "aws-quotas");
}

test("a release beyond the vCPU quota leaves the old machines as they are; with more, it replaces them without one failed request", async () => {
  const before = await deployed();
  await releasedEdit("seamless", async () => {
    await limited({ "L-1216C47A": 5, "L-F678F1CE": 2 }, async () => {
      const { status, output } = await local("up");
      expect(status).toBe(1);
      expect(output).toContain(
        "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 5 allows",
      );
      for (const name of machineNames) expect(await answering(before[name].url)).toBe(before[name].id);
      const { state, fault } = await quotasByDoctor();
      expect({ state, fault }).toEqual({ state: "fault", fault: expect.stringContaining("4 of 5 in use, 4 by this") });
      await expect(new EC2(aws).createVpc({ CidrBlock: "10.9.0.0/16" })).rejects.toThrow(
        "The maximum number of VPCs has been reached.",
      );
    });
    expect((await quotasByDoctor()).note).toMatch(/4 of 32 in use, 4 by this stack.* VPCs: 2 of 5 in use, 1 by this/);
    let proven = 0;
    let asked = 0;
    const failed: string[] = [];
    const count = (output: string) => {
      proven = machineNames.filter((name) => output.includes(`Verification hono-app-${name} updated`)).length;
    };
    const up = watch(["up"], { onOutput: count });
    let running = true;
    void up.finally(() => {
      running = false;
    });
    while (running && proven < machineNames.length) {
      for (const name of machineNames) {
        const id = await answering(before[name].url).catch((error: Error) => error.message);
        // What was asked while the last proof came in may already have met the end of the old machine.
        if (proven === machineNames.length) break;
        asked++;
        if (id !== before[name].id) failed.push(`${name}: ${id}`);
      }
      await wait(20);
    }
    expect((await up).status).toBe(0);
    expect(failed).toEqual([]);
    expect(asked).toBeGreaterThan(10);
  });
});

/** Another AMI of the architecture stands for a newer one; without it, the first one is the newest again. */
const newerAmi = (text: string) => text.replace("al2023-ami-kernel-default-arm64", "al2023-ami-kernel-6.12-arm64");

/** What a preview shows of a machine that gets another AMI. */
const moved = (from: string, to: string) => new RegExp(`~ ami *: "${from}" => "(?!${from})${to}"`);

async function amiOf(InstanceId: string): Promise<string | undefined> {
  const { Reservations } = await new EC2(aws).describeInstances({ InstanceIds: [InstanceId] });
  return Reservations?.[0]?.Instances?.[0]?.ImageId;
}

test("a release boots the newest AMI; an earlier one is deployed by its tag, or digest, without a build; and the way back is as short", async () => {
  const first = await deployed();
  await releasedEdit("second", async () => {
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
      const back = await outputs();
      expect(back.imageRef).toBe(first.imageRef);
      expect(await amiOf(back.graviton.id)).toBe(first.graviton.ami);
      for (const name of machineNames) {
        const page = await fetch(back[name].url, { headers: { accept: "text/html" } });
        expect(await page.text()).not.toContain(">second ");
      }
    });
    await configured({ release: first.imageDigest }, async () => {
      const preview = await succeed("preview");
      expect(Object.keys(summary(preview))).toEqual(["unchanged"]);
    });
    // Both stay in the registry, and the newer one is deployed again without another digest.
    await manifest(second.imageRef);
    expect((await deployed()).imageRef).toBe(second.imageRef);
  });
});

test("a release that is not in the registry is refused before anything changes", async () => {
  const before = await deployed();
  await configured({ release: `sha256:${"0".repeat(64)}` }, async () => {
    const { status, output } = await local("up");
    expect(status).toBe(1);
    expect(output).toContain(`ImageNotFoundException: The image with imageId {imageDigest:'sha256:${"0".repeat(64)}'`);
  });
  expect(await outputs()).toEqual(before);
  for (const name of machineNames) expect(await answering(before[name].url)).toBe(before[name].id);
});

test("an index that lacks a platform is refused before a machine is replaced", async () => {
  const before = await deployed();
  const ecr = new ECR(aws);
  const repositoryName = "hono-app-local";
  const index = await manifest(before.imageRef);
  const manifests = index.manifests?.filter(({ platform }) => platform?.architecture === "arm64");
  const imageManifestMediaType = "application/vnd.oci.image.index.v1+json";
  const imageManifest = JSON.stringify({ ...index, manifests });
  const imageTag = "content-0000000000000001";
  const imageDigest = `sha256:${createHash("sha256").update(imageManifest).digest("hex")}`;
  await ecr.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType });
  await configured({ release: imageTag }, async () => {
    const { status, output } = await local("up");
    expect(status).toBe(1);
    expect(output).toContain(
      `${repositoryName}@${imageDigest}: expected an index of linux/amd64, linux/arm64; it holds linux/arm64`,
    );
  });
  expect(await outputs()).toEqual(before);
  for (const name of machineNames) expect(await answering(before[name].url)).toBe(before[name].id);
  await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageDigest }] });
});

test("a newer AMI moves nothing by itself; with one setting the preview shows a replacement, and up makes it", async () => {
  const before = await deployed();
  await edited("components/architecture.ts", newerAmi, async () => {
    expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
    await configured({ amiUpdate: "latest" }, async () => {
      const preview = await succeed("preview");
      expect(preview).not.toMatch(/aws:ec2:Instance hono-app-intel/);
      await succeed("up");
      const after = await outputs();
      expect(preview).toMatch(moved(before.graviton.ami, after.graviton.ami));
      expect(await amiOf(after.graviton.id)).toBe(after.graviton.ami);
      expect(after.intel.id).toBe(before.intel.id);
    });
    // It stays on the AMI that it was made with, now the newer one.
    expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
  });
});

test("production refuses destroy, and everything goes on; the way out is to take the protection back", async () => {
  await deployed();
  await configured({ protect: "true", forceDelete: "false", latestTag: "false" }, async () => {
    const stack = await deployed();
    const { status, output } = await local("destroy");
    expect(status).toBe(1);
    expect(output).toMatch(
      /hono-app:index:Repository::hono-app.*cannot be deleted|cannot be deleted[\s\S]*because it is protected/,
    );
    expect(await outputs()).toEqual(stack);
    for (const name of machineNames) expect(await answering(stack[name].url)).toBe(stack[name].id);
    // A release still replaces protected machines.
    await releasedEdit("protected", async () => {
      const after = await deployed();
      for (const name of machineNames) expect(after[name].id).not.toBe(stack[name].id);
    });
  });
  await deployed();
  expect(summary(await succeed("destroy"))).toEqual({ deleted: expect.any(Number) });
});

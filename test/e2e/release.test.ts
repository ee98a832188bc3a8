import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SSM } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { processes } from "../../tools/processes.ts";
import { upServing } from "../support/fleet.ts";
import {
  aws,
  cloud,
  configured,
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
  type Machine,
  manifest,
  type Outputs,
  outputs,
  pageOf,
  refused,
  releasedEdit,
  repositoryName,
  shell,
  stateFile,
  succeed,
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
      await refused(local("up"), `VcpuLimitExceeded: ${limit}`);
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

describe("a release", () => {
  const Name = "/hono-app/local/API_KEY";
  const secret = `it's "the app's secret" \\ 42`;
  const ssm = new SSM(aws);
  let before: Outputs;
  let preview: string;
  let load: Awaited<ReturnType<typeof upServing>>;
  let after: Outputs;
  /** The new machines, as they are right after it. */
  let machines: Awaited<ReturnType<typeof look>>[];

  async function look({ id }: Machine) {
    const host = ["--host", `unix://${cloud.run}/${id}/docker.sock`];
    const own = execFileSync("docker", [...host, "inspect", "--format", "{{.Id}}", "hono-app"])
      .toString()
      .trim();
    const app = processes().find(({ read }) => read("cgroup").includes(own));
    const userData = join(cloud.dir, "machines", id, "cloud", "instance", "scripts", "part-001");
    const files = [userData, join(cloud.dir, "console", `${id}.log`), stateFile];
    return {
      ami: await amiOf(id),
      environment: app?.read("environ").split("\0"),
      texts: files.map((file) => readFileSync(file, "utf8")),
    };
  }

  beforeAll(async () => {
    before = await deployed();
    await ssm.putParameter({ Name, Type: "SecureString", Value: secret });
    const settings = { appEnvironment: JSON.stringify(["GREETING=it's me"]), appSecrets: '["API_KEY"]' };
    await configured(settings, () =>
      edited("components/architecture.ts", newerAmi, () =>
        releasedEdit("second", async () => {
          preview = await succeed("preview");
          load = await upServing(
            machineNames.map((name) => before[name].url),
            /Verification hono-app-(\w+) updated[\s\S]*Verification hono-app-(?!\1)\w+ updated/,
          );
        }),
      ),
    );
    after = outputs();
    machines = await Promise.all(machineNames.map((name) => look(after[name])));
  });

  afterAll(() => ssm.deleteParameter({ Name }));

  test("fails no request, and the logs of the instances that it replaces stay", async () => {
    expect(load.answered).toEqual(new Set(machineNames.map((name) => `${before[name].url} ${before[name].id}`)));
    expect(load.asked).toBeGreaterThan(10);
    for (const name of machineNames) {
      const { id } = before[name];
      expect(after[name].id).not.toBe(id);
      const log = await logOf(before.logGroup, id);
      expect(log).toContain(`"message":"listening"`);
      expect(log).toContain(`"path":"/platform","status":200`);
    }
  });

  test("boots the newest AMI", () => {
    expect(preview).toMatch(moved(before.graviton.ami, after.graviton.ami));
    expect(machines.map(({ ami }) => ami)).toEqual(machineNames.map((name) => after[name].ami));
    expect(after.intel.ami).toBe(before.intel.ami);
  });

  test("gives the app its environment, and its secrets from Systems Manager, which are in its process alone", () => {
    for (const { environment, texts } of machines) {
      expect(environment).toEqual(expect.arrayContaining(["GREETING=it's me", `API_KEY=${secret}`]));
      for (const text of texts) expect(text).not.toContain("the app's secret");
    }
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
  for (const [command, release, message] of [
    ["preview", absent, `ImageNotFoundException: The image with imageId {imageDigest:'${absent}'`],
    ["up", imageTag, `${repositoryName}@${imageDigest}: ${expected}`],
  ] as const) {
    await configured({ release }, () => refused(local(command), message));
  }
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

import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { password } from "../../local/services/registry.ts";
import {
  cloud,
  configured,
  deployed,
  describeInstances,
  ec2,
  ecr,
  edited,
  editPage,
  expectServing,
  expectUnchanged,
  local,
  manifest,
  outputs,
  pageOf,
  passwordPrefix,
  platformsOf,
  refused,
  releasedEdit,
  shell,
  succeed,
  summary,
  wrongImage,
} from "../support/stack.ts";

test.each([
  ["graviton", "t4g.small", { machine: "aarch64", image: "arm64", process: "arm64" }, "arm64"],
  ["intel", "t3.small", { machine: "x86_64", image: "amd64", process: "x64" }, "amd64"],
] as const)("%s answers at its address with its own architecture", async (name, type, names, verified) => {
  const { imageDigest: digest, imageRef: ref, ...stack } = await deployed();
  const { id: instanceId, url, proof } = stack[name];
  const response = await fetch(`${url}/platform?nonce=mine`);
  expect(await response.json()).toMatchObject({
    machine: { architecture: names.machine, instanceId, instanceType: type },
    image: { architecture: names.image, digest, ref },
    process: { architecture: names.process, elf: names.machine, runtime: "bun" },
    nonce: "mine",
  });
  expect(stack[name].type).toBe(type);
  expect(proof).toMatchObject({ ...names, digest });
  expect(stack.verifiedArchitectures[name]).toBe(verified);
});

test("each instance has a zone of its own, no Local Zone, and a volume with its tags", async () => {
  const stack = await deployed();
  const instances = await describeInstances(...machineNames.map((name) => stack[name].id));
  const zones = instances.map(({ Placement }) => Placement?.AvailabilityZone ?? "");
  const { AvailabilityZones } = await ec2.describeAvailabilityZones({
    Filters: [{ Name: "zone-name", Values: zones }],
  });
  expect(AvailabilityZones?.map(({ ZoneType }) => ZoneType)).toEqual(["availability-zone", "availability-zone"]);
  for (const { Tags, BlockDeviceMappings: [root] = [] } of instances) {
    const { Volumes } = await ec2.describeVolumes({ VolumeIds: [root?.Ebs?.VolumeId ?? ""] });
    expect(Volumes?.[0]?.Tags).toEqual(expect.arrayContaining(Tags ?? []));
    expect(Tags).toContainEqual({ Key: "stack", Value: "local" });
  }
});

test("the one tag is an index of exactly the two platforms", async () => {
  const { imageRef, imageDigest, imagePlatforms, repositoryUrl } = await deployed();
  expect(imageRef).toMatch(new RegExp(`^${repositoryUrl}:content-[0-9a-f]{16}@${imageDigest}$`));
  const platforms = ["linux/amd64", "linux/arm64"];
  expect(platformsOf(await manifest(imageRef))).toEqual(platforms);
  expect(imagePlatforms.toSorted()).toEqual(platforms);
});

test("an instance's console shows what its user data did", async () => {
  const stack = await deployed();
  const log = () => readFileSync(join(cloud.dir, "console", `${stack.graviton.id}.log`), "utf8");
  expect(log()).toContain(`hono-app: machine aarch64, image arm64, digest ${stack.imageDigest}`);
  // The script looks once a second, and the machine may have proven itself before.
  await expect.poll(log, { timeout: 10_000 }).toContain("hono-app: listening on port 80");
});

test("preview, refresh and up of what is deployed change nothing, nor do other functions of the program's own resources, which the next refresh runs", async () => {
  const before = await deployed();
  const asking = "const state = props as State;";
  const noisy = [asking, `${asking} process.stdout.write("asked in other words\\n");`] as const;
  await edited("components/verification.ts", noisy, async () => {
    await expectUnchanged("preview");
    const refresh = await succeed("refresh");
    expect(Object.keys(summary(refresh))).toEqual(["unchanged"]);
    expect(refresh).toContain("asked in other words");
  });
  const up = await succeed("up");
  expect(Object.keys(summary(up))).toEqual(["unchanged"]);
  expect(up).toMatch(/│ graviton │ t4g\.small │ aarch64 .* arm64 .* arm64/);
  expect(outputs()).toEqual(before);
});

// By the plain CLI, as a pipeline that has a plan approved.
test("an edit replaces one small layer and both instances, which go after the proof; a saved plan allows that and nothing else, and holds no token", async () => {
  const before = await deployed();
  const layersOf = async (reference: string) => {
    const index = await manifest(reference);
    const repository = reference.split(/:[^/]*@/)[0];
    return Promise.all(
      (index.manifests ?? []).map(async ({ digest }) => (await manifest(`${repository}@${digest}`)).layers ?? []),
    );
  };
  const old = await layersOf(before.imageRef);

  const plan = join(cloud.dir, "plan.json");
  const pulumi = (command: string) => shell(`pulumi ${command} -s local --non-interactive`);
  let up = "";
  await shell(`docker login --username AWS --password-stdin ${cloud.registry}`, { input: await password(ecr) });
  try {
    await configured({ registryLogin: "docker" }, async () => {
      await releasedEdit("edited", async () => {
        const preview = await pulumi(`preview --save-plan=${plan}`);
        expect(preview.status, preview.output).toBe(0);
        expect(readFileSync(plan, "utf8")).toContain('"docker-build:index:Image"');
        expect(readFileSync(plan, "utf8")).not.toMatch(new RegExp(`password|${passwordPrefix}`));
      });
      // What was not planned.
      await refused(pulumi(`up --yes --plan=${plan}`), "violates plan");
      expect(outputs()).toEqual(before);
      editPage("edited");
      const planned = await pulumi(`up --yes --plan=${plan}`);
      expect(planned.status, planned.output).toBe(0);
      up = planned.output;
    });
  } finally {
    rmSync(plan, { force: true });
    await shell(`docker logout ${cloud.registry}`);
  }
  const after = outputs();
  expect(after.imageRef).not.toBe(before.imageRef);
  const replaced = await layersOf(after.imageRef);
  const known = new Set(old.flat().map(({ digest }) => digest));
  const fresh = replaced.map((layers) => layers.filter(({ digest }) => !known.has(digest)));
  expect(fresh.map((layers) => layers.length)).toEqual([1, 1]);
  expect(new Set(fresh.flat().map(({ digest }) => digest)).size).toBe(1);
  expect(fresh[0]?.[0]?.size).toBeLessThan(32 * 1024);

  for (const name of machineNames) {
    expect(after[name].id).not.toBe(before[name].id);
    const proven = up.search(new RegExp(`Verification hono-app-${name} updated`));
    const deleted = up.search(new RegExp(`aws:ec2:Instance hono-app-${name} deleting`));
    expect(proven).toBeGreaterThan(0);
    expect(deleted).toBeGreaterThan(proven);
    expect(await pageOf(after[name])).toContain(">edited ");
  }
}, 300_000);

test("a deployment that AWS refuses, and one whose arm64 image holds amd64 binaries, fail; the old instances serve", async () => {
  const before = await deployed();
  await configured({ amiUpdate: "latest" }, () =>
    edited("index.ts", ["ami: amis[machine]", "ami: amis.intel"], () =>
      refused(
        local("up"),
        /creating EC2 Instance .*: InvalidParameterValue: The architecture 'arm64' of the specified instance type/,
      ),
    ),
  );
  await expectServing(before);
  await edited(
    "app/Dockerfile",
    () => wrongImage,
    () =>
      refused(
        local("up"),
        /i-[0-9a-f]{17} at http:\/\/127\.\S+ failed verification:/,
        'process (process.arch): expected arm64, got "x64"',
        'running binary (ELF): expected aarch64, got "x86_64"',
      ),
  );
  await expectServing(before);
  // The way out is to revert the mistake.
  expect((await deployed()).imageRef).toBe(before.imageRef);
});

test.each([
  [
    "a base image of the wrong architecture",
    "app/Dockerfile",
    ["FROM oven/bun:", "FROM --platform=linux/amd64 oven/bun:"],
    "Wrong binary: /base/usr/local/bin/bun: expected aarch64 (linux/arm64), found x86_64.",
  ],
  [
    "an AMI of the wrong architecture",
    "components/architecture.ts",
    ["al2023-ami-kernel-default-arm64", "al2023-ami-kernel-default-x86_64"],
    /graviton: AMI ami-[0-9a-f]+ is of architecture x86_64; it must be arm64, so nothing was created/,
  ],
  [
    "another account than the stack's",
    "Pulumi.local.yaml",
    ["123456789012", "210987654321"],
    /error: invocation of .*AWS account ID not allowed: 123456789012, so nothing was changed\n/,
  ],
] as const)("refuses %s, already in the preview", async (_, file, change, message) => {
  await deployed();
  await edited(file, change, () => refused(local("preview"), message));
});

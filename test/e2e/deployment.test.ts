import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import {
  deployed,
  describeInstances,
  ec2,
  edited,
  expectServing,
  expectUnchanged,
  local,
  manifest,
  outputs,
  platformsOf,
  refused,
  succeed,
  summary,
  textsOf,
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
  const log = () => textsOf(stack.graviton.id).console;
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

test("a deployment whose arm64 image holds amd64 binaries fails; the old instances serve", async () => {
  const before = await deployed();
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
    "another account than the stack's",
    "Pulumi.local.yaml",
    ["123456789012", "210987654321"],
    /error: invocation of .*AWS account ID not allowed: 123456789012, so nothing was changed\n/,
  ],
] as const)("refuses %s, already in the preview", async (_, file, change, message) => {
  await deployed();
  await edited(file, change, () => refused(local("preview"), message));
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EC2 } from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { architectures, machineNames } from "../../components/architecture.ts";
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
  succeed,
  summary,
} from "../support/stack.ts";

test("both machines answer at their addresses, each as what it is", async () => {
  const stack = await deployed();
  for (const name of machineNames) {
    const expected = architectures[name];
    const response = await fetch(`${stack[name].url}/platform?nonce=mine`);
    expect(await response.json()).toMatchObject({
      machine: { architecture: expected.machine, instanceId: stack[name].id, instanceType: stack[name].type },
      image: { architecture: expected.image, digest: stack.imageDigest, ref: stack.imageRef },
      process: { architecture: expected.process, elf: expected.machine, runtime: "bun" },
      nonce: "mine",
    });
  }
  expect(stack.verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
  expect([stack.graviton.type, stack.intel.type]).toEqual(["t4g.small", "t3.small"]);
  expect(stack.graviton.proof).toMatchObject({
    machine: "aarch64",
    image: "arm64",
    process: "arm64",
    digest: stack.imageDigest,
  });
  expect(stack.intel.proof).toMatchObject({
    machine: "x86_64",
    image: "amd64",
    process: "x64",
    digest: stack.imageDigest,
  });
});

test("each machine is in an availability zone of its own, no Local Zone, and its volume is tagged as it is", async () => {
  const stack = await deployed();
  const ec2 = new EC2(aws);
  const { Reservations = [] } = await ec2.describeInstances({
    InstanceIds: machineNames.map((name) => stack[name].id),
  });
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
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
  const index = await manifest(imageRef);
  const platforms = index.manifests?.map(({ platform }) => `${platform?.os}/${platform?.architecture}`);
  expect(platforms?.sort()).toEqual(["linux/amd64", "linux/arm64"]);
  expect(imagePlatforms.toSorted()).toEqual(["linux/amd64", "linux/arm64"]);
});

test("what is deployed stays as it is: preview, up and refresh change nothing", async () => {
  const before = await deployed();
  expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
  const up = await succeed("up");
  expect(Object.keys(summary(up))).toEqual(["unchanged"]);
  expect(up).toMatch(/│ graviton │ t4g\.small │ aarch64 .* arm64 .* arm64/);
  expect(Object.keys(summary(await succeed("refresh")))).toEqual(["unchanged"]);
  expect(await outputs()).toEqual(before);
});

test("a check that the program changed gets into the state, where a refresh finds it, and touches no machine", async () => {
  await deployed();
  const change = (text: string) => text.replace('"no answer"', '"no answer yet"');
  await edited("components/proof.ts", change, async () => {
    const preview = await succeed("preview");
    expect(preview.match(/Verification hono-app-\w+ update/g)).toHaveLength(2);
    expect(summary(preview)).toEqual({ update: 2, unchanged: expect.any(Number) });
  });
});

test("an edit is a new release: one small layer, both machines replaced, the old ones deleted after the proof", async () => {
  const before = await deployed();
  const layersOf = async (reference: string) => {
    const index = await manifest(reference);
    const repository = reference.split(/:[^/]*@/)[0];
    return Promise.all(
      (index.manifests ?? []).map(async ({ digest }) => (await manifest(`${repository}@${digest}`)).layers ?? []),
    );
  };
  const old = await layersOf(before.imageRef);

  await releasedEdit("edited", async () => {
    const preview = await succeed("preview");
    expect(preview).toMatch(/~.*docker-build:index:Image hono-app update/);
    expect(await outputs()).toEqual(before);

    const up = await succeed("up");
    const after = await outputs();
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
      expect(await (await fetch(after[name].url, { headers: { accept: "text/html" } })).text()).toContain(">edited ");
    }
  });
});

const wrongImage = `FROM --platform=$BUILDPLATFORM oven/bun:1.4.5 AS bundle
WORKDIR /src
COPY . .
RUN bun install --frozen-lockfile --production --ignore-scripts && bun build src/main.ts --target=bun --outdir=/bundle/app
FROM --platform=linux/amd64 oven/bun:1.4.5-distroless AS amd64
FROM scratch
COPY --from=amd64 / /
COPY --from=bundle /bundle /
ENTRYPOINT ["/usr/local/bin/bun"]
CMD ["/app/main.js"]
`;

test("an image whose arm64 entry holds amd64 binaries fails the deployment, and the old machines go on", async () => {
  const before = await deployed();
  await edited(
    "app/Dockerfile",
    () => wrongImage,
    async () => {
      const { status, output } = await local("up");
      expect(status).toBe(1);
      expect(output).toMatch(/i-[0-9a-f]{17} at http:\/\/127\.\S+ is not what it must be:/);
      expect(output).toContain('process (process.arch): expected arm64, came "x64"');
      expect(output).toContain('running binary (ELF): expected aarch64, came "x86_64"');
    },
  );
  for (const name of machineNames) {
    expect(await answering(before[name].url)).toBe(before[name].id);
  }
  // The way out is to take the mistake back.
  expect((await deployed()).imageRef).toBe(before.imageRef);
});

test("a base of the wrong architecture stops the build, in the preview already", async () => {
  await deployed();
  const change = (text: string) => text.replace("FROM oven/bun:", "FROM --platform=linux/amd64 oven/bun:");
  await edited("app/Dockerfile", change, async () => {
    const { status, output } = await local("preview");
    expect(status).toBe(1);
    expect(output).toContain("Wrong binary: /base/usr/local/bin/bun: expected aarch64 (linux/arm64), found x86_64.");
  });
});

test("an AMI of the wrong architecture is refused before anything is created", async () => {
  const before = await deployed();
  const change = (text: string) => text.replace("al2023-ami-kernel-default-arm64", "al2023-ami-kernel-default-x86_64");
  await edited("components/architecture.ts", change, async () => {
    const { status, output } = await local("up");
    expect(status).toBe(1);
    expect(output).toMatch(
      /graviton: AMI ami-[0-9a-f]+ is of architecture x86_64; it must be arm64, so nothing was created/,
    );
  });
  expect(await outputs()).toEqual(before);
});

test("AWS itself refuses an AMI of the wrong architecture, in its own words, and the old machines go on", async () => {
  const before = await deployed();
  await configured({ amiUpdate: "latest" }, () =>
    edited(
      "index.ts",
      (text) => text.replace("found.amis[machine]", "found.amis.intel"),
      async () => {
        const { status, output } = await local("up");
        expect(status).toBe(1);
        expect(output).toMatch(
          /creating EC2 Instance .*: InvalidParameterValue: The architecture 'arm64' of the specified instance type/,
        );
      },
    ),
  );
  expect(await answering(before.graviton.url)).toBe(before.graviton.id);
});

test("a wrong configuration value is refused with what is allowed", async () => {
  await configured({ port: "22" }, async () => {
    const { status, output } = await local("preview");
    expect(status).toBe(1);
    expect(output).toContain(
      'hono-app:port is "22"; allowed: a whole number from 1 to 65535, but not 22 (no SSH here)',
    );
  });
});

test("another account than the stack's is refused", async () => {
  const other = (text: string) => text.replace("123456789012", "210987654321");
  await edited("Pulumi.local.yaml", other, async () => {
    const { status, output } = await local("preview");
    expect(status).toBe(1);
    expect(output).toContain("AWS account ID not allowed: 123456789012");
  });
});

test("the console of a machine tells what its user data did", async () => {
  const stack = await deployed();
  const log = readFileSync(join(cloud.dir, "console", `${stack.graviton.id}.log`), "utf8");
  expect(log).toContain(`hono-app: machine aarch64, image arm64, digest ${stack.imageDigest}`);
  expect(log).toContain("hono-app: listening on port 80");
});

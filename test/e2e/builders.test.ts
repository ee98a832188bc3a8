import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ECR } from "@aws-sdk/client-ecr";
import { afterAll, beforeAll, expect, test } from "vitest";
import { machineNames, platforms } from "../../components/architecture.ts";
import { type Daemon, startDaemon, stopDaemon } from "../../local/daemon.ts";
import { builder, buildkitd } from "../../local/services/buildkitd.ts";
import { run } from "../../tools/process.ts";
import { killed, withLargeLayer } from "../support/faults.ts";
import { startRegistry } from "../support/other-registry.ts";
import {
  aws,
  cloud,
  configured,
  deployed,
  expectUnchanged,
  manifest,
  manifestTypes,
  type Outputs,
  outputs,
  pageOf,
  pulumiStack,
  type Resource,
  registry,
  releasedEdit,
  repositoryName,
  state,
  succeed,
  summary,
  tagOf,
  untagged,
} from "../support/stack.ts";

const ecr = new ECR(aws);

/** A builder whose base images differ, so that it builds other bytes from the same content. */
const another = { builder: "another" };
const folder = join(cloud.run, "another");
let daemon: Daemon;
let stopMirror: () => Promise<void>;

beforeAll(async () => {
  const mirror = `${cloud.prefix}.0.1:5602`;
  stopMirror = await startRegistry(mirror);
  const dockerfile = readFileSync(join(cloud.project, "app", "Dockerfile"), "utf8");
  const version = /^ARG BUN_VERSION=(.*)$/m.exec(dockerfile)?.[1];
  for (const image of [`oven/bun:${version}`, `oven/bun:${version}-distroless`]) {
    const options = ["--builder", builder, "--platform", platforms.join(), "--provenance=false"];
    const output = `type=image,push=true,name=${mirror}/${image}`;
    await run(["docker-buildx", "build", ...options, "--output", output, "-"], {
      env: cloud.env,
      input: `FROM ${image}\nLABEL day=another\n`,
    });
  }
  daemon = buildkitd({ ...cloud, mirror }, true, { dir: join(cloud.dir, "another"), run: folder });
  await startDaemon(daemon);
  const node = ["--driver", "remote", `unix://${folder}/buildkitd.sock`];
  await run(["docker-buildx", "create", "--name", another.builder, ...node], { env: cloud.env });
});

afterAll(async () => {
  await run(["docker-buildx", "rm", "--force", another.builder], { env: cloud.env });
  await stopDaemon(daemon);
  await stopMirror();
  for (const each of [folder, join(cloud.dir, "another")]) rmSync(each, { recursive: true, force: true });
});

const kept = ({ imageRef, imageDigest }: Outputs) =>
  `${repositoryName}:${tagOf(imageRef)} names ${imageDigest} already, another build of the same content: it is kept and deployed`;

/** The digest that the other builder built, as `up` prints it. */
const built = (up: string) => /(sha256:[0-9a-f]{64}), built now, stays without a tag/.exec(up)?.[1] as string;

test("another builder's image of the same content is pushed, but the release is kept", async () => {
  const before = await deployed();
  await configured(another, async () => {
    const preview = await succeed("preview");
    expect(preview).toMatch(/docker-build:index:Image hono-app update/);
    expect(preview).not.toMatch(/aws:ec2:Instance/);
    const up = await succeed("up");
    expect(up).toContain(kept(before));
    expect(Object.keys(summary(up)).sort()).toEqual(["unchanged", "updated"]);
    expect(outputs()).toEqual(before);
    // The bytes differ.
    expect(built(up)).not.toBe(before.imageDigest);
    expect(await untagged()).toContain(built(up));
    await expectUnchanged("preview", "refresh");
  });
  const back = await succeed("up");
  expect(back).not.toMatch(/aws:ec2:Instance/);
  expect(outputs()).toEqual(before);
});

test("a release that is set, and removed on another builder, replaces no instance", async () => {
  const before = await deployed();
  // With it the build is removed from the state.
  await configured({ release: tagOf(before.imageRef) }, () => succeed("up"));
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(outputs()).toEqual(before);
    await expectUnchanged("preview");
  });
});

test("a state without the image: an up on another builder keeps the release", async () => {
  const before = await deployed();
  const exported = JSON.parse(pulumiStack(["export"]));
  interface Entry extends Resource {
    dependencies?: string[];
    propertyDependencies?: Record<string, string[] | null>;
  }
  const resources = exported.deployment.resources as Entry[];
  const isLost = (urn = "") => /::(hono-app:index:Image|.*(docker-build:index:Image|ImageIndex))::hono-app$/.test(urn);
  expect(resources.filter(({ urn }) => isLost(urn))).toHaveLength(3);
  exported.deployment.resources = resources.filter(({ urn }) => !isLost(urn));
  for (const entry of exported.deployment.resources as Entry[]) {
    entry.dependencies = entry.dependencies?.filter((urn) => !isLost(urn));
    for (const list of Object.values(entry.propertyDependencies ?? {})) {
      list?.splice(0, list.length, ...list.filter((urn) => !isLost(urn)));
    }
  }
  pulumiStack(["import"], JSON.stringify(exported));
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(outputs()).toEqual(before);
  });
});

test("latest names an image while another builder finishes a release that was killed in its push", async () => {
  const before = await deployed();
  await releasedEdit("half", () =>
    withLargeLayer(async () => {
      await killed("engine", /pushing layers/, "up");
      const named = new Set<string>();
      await configured(another, async () => {
        let running = true;
        const up = succeed("up").finally(() => {
          running = false;
        });
        while (running) {
          const { status, body } = await registry(`/v2/${repositoryName}/manifests/latest`, manifestTypes);
          named.add(status === 200 ? JSON.stringify(JSON.parse(body).manifests) : `${status} ${body}`);
          await wait(5);
        }
        await up;
        const after = outputs();
        expect(after.imageDigest).not.toBe(before.imageDigest);
        for (const name of machineNames) expect(await pageOf(after[name])).toContain(">half ");
        const latest = await Promise.all(
          [before, after].map(async ({ imageRef }) => (await manifest(imageRef)).manifests),
        );
        expect([...named]).toEqual(latest.map((each) => JSON.stringify(each)));
        await expectUnchanged("preview");
      });
    }),
  );
  // The edit reverted there is the first release again.
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(outputs().imageRef).toBe(before.imageRef);
  });
});

test("two ups at once with two builds of one content deploy the same", async () => {
  const { imageDigest } = await deployed();
  const other = await configured(another, async () => built(await succeed("up")));
  const { inputs } = state().resources.find(({ type }) => type.endsWith(":ImageIndex")) as Required<Resource>;
  // The functions in the state, as the engine's provider runs them.
  const file = join(cloud.project, "provider.cjs");
  writeFileSync(file, inputs.__provider as string);
  const environment = { ...process.env };
  Object.assign(process.env, cloud.env);
  const tag = "content-00000000000000aa";
  try {
    const provider = createRequire(file)(file).handler();
    const ups = [imageDigest, other].map(async (built) => {
      // For both, `check` found that the tag names nothing.
      const { outs } = await provider.create({ ...inputs, tags: [tag], built, digest: built });
      return outs;
    });
    const [first, second] = await Promise.all(ups);
    expect([imageDigest, other]).toContain(first.digest);
    expect(second.digest).toBe(first.digest);
    const { images: [image] = [] } = await ecr.batchGetImage({ repositoryName, imageIds: [{ imageTag: tag }] });
    expect(image?.imageId?.imageDigest).toBe(first.digest);
  } finally {
    process.env = environment;
    rmSync(file);
    await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: tag }] });
  }
});

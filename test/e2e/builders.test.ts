import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { ECR } from "@aws-sdk/client-ecr";
import { afterAll, beforeAll, expect, test } from "vitest";
import { machineNames, platforms } from "../../components/architecture.ts";
import { type Daemon, startDaemon, stopDaemon } from "../../local/daemon.ts";
import { builder, buildkitd } from "../../local/services/buildkitd.ts";
import { run } from "../../tools/process.ts";
import { killed } from "../support/faults.ts";
import { startRegistry } from "../support/other-registry.ts";
import {
  aws,
  cloud,
  configured,
  deployed,
  manifest,
  type Outputs,
  outputs,
  registry,
  releasedEdit,
  succeed,
  summary,
  tagOf,
} from "../support/stack.ts";

const ecr = new ECR(aws);
const repositoryName = "hono-app-local";

/** Of the builder that has base images of another day, and so gives the same content other bytes. */
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
  mkdirSync(folder, { recursive: true });
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

async function untagged(): Promise<(string | undefined)[]> {
  const { imageIds = [] } = await ecr.listImages({ repositoryName, filter: { tagStatus: "UNTAGGED" } });
  return imageIds.map(({ imageDigest }) => imageDigest);
}

const kept = ({ imageRef, imageDigest }: Outputs) =>
  `${repositoryName}:${tagOf(imageRef)} names ${imageDigest} already, another build of the same content: it is kept and deployed`;

/** What the other builder made, by what `up` says. */
const built = (up: string) => /(sha256:[0-9a-f]{64}), built now, stays without a tag/.exec(up)?.[1] as string;

test("what another builder makes of the same content is pushed and not deployed: the release's index is kept, and said", async () => {
  const before = await deployed();
  await configured(another, async () => {
    const preview = await succeed("preview");
    expect(preview).toMatch(/docker-build:index:Image hono-app update/);
    expect(preview).not.toMatch(/aws:ec2:Instance/);
    const up = await succeed("up");
    expect(up).toContain(kept(before));
    expect(Object.keys(summary(up)).sort()).toEqual(["unchanged", "updated"]);
    expect(await outputs()).toEqual(before);
    // Other bytes they were.
    expect(built(up)).not.toBe(before.imageDigest);
    expect(await untagged()).toContain(built(up));
    for (const command of ["preview", "refresh"]) {
      expect(Object.keys(summary(await succeed(command))), command).toEqual(["unchanged"]);
    }
  });
  const back = await succeed("up");
  expect(back).not.toMatch(/aws:ec2:Instance/);
  expect(await outputs()).toEqual(before);
});

test("a release that was set and is taken back, by somebody with another builder: no machine is replaced", async () => {
  const before = await deployed();
  // The build leaves the state with it.
  await configured({ release: tagOf(before.imageRef) }, () => succeed("up"));
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(await outputs()).toEqual(before);
    expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
  });
});

test("a state that has lost the image: the next up, on another builder, finds the release and replaces no machine", async () => {
  const before = await deployed();
  const pulumi = (args: string[], input?: string) =>
    execFileSync("pulumi", ["stack", ...args, "--stack", "local"], {
      cwd: cloud.project,
      env: cloud.env,
      input,
      encoding: "utf8",
      maxBuffer: 2 ** 26,
    });
  const state = JSON.parse(pulumi(["export"]));
  interface Entry {
    readonly urn: string;
    readonly type: string;
    dependencies?: string[];
    propertyDependencies?: Record<string, string[] | null>;
  }
  const resources = state.deployment.resources as Entry[];
  const isLost = (urn = "") => /::(hono-app:index:Image|.*(docker-build:index:Image|ImageIndex))::hono-app$/.test(urn);
  expect(resources.filter(({ urn }) => isLost(urn))).toHaveLength(3);
  state.deployment.resources = resources.filter(({ urn }) => !isLost(urn));
  for (const entry of state.deployment.resources as Entry[]) {
    entry.dependencies = entry.dependencies?.filter((urn) => !isLost(urn));
    for (const list of Object.values(entry.propertyDependencies ?? {})) {
      list?.splice(0, list.length, ...list.filter((urn) => !isLost(urn)));
    }
  }
  pulumi(["import"], JSON.stringify(state));
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(await outputs()).toEqual(before);
  });
});

test("an up that is killed while it pushes, and the same release from another builder; latest names an image at every moment; the edit reverted there is the first release again", async () => {
  const before = await deployed();
  await releasedEdit("half", async () => {
    await killed("engine", /Image hono-app updating/, "up");
    const named = new Set<string>();
    await configured(another, async () => {
      let running = true;
      const up = succeed("up").finally(() => {
        running = false;
      });
      while (running) {
        const { status, body } = await registry(
          `/v2/${repositoryName}/manifests/latest`,
          "application/vnd.oci.image.index.v1+json",
        );
        named.add(status === 200 ? JSON.stringify(JSON.parse(body).manifests) : `${status} ${body}`);
        await wait(5);
      }
      await up;
      const after = await outputs();
      expect(after.imageDigest).not.toBe(before.imageDigest);
      for (const name of machineNames) {
        const page = await fetch(after[name].url, { headers: { accept: "text/html" } });
        expect(await page.text()).toContain(">half ");
      }
      const latest = await Promise.all(
        [before, after].map(async ({ imageRef }) => (await manifest(imageRef)).manifests),
      );
      expect([...named]).toEqual(latest.map((each) => JSON.stringify(each)));
      expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
    });
  });
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect((await outputs()).imageRef).toBe(before.imageRef);
  });
});

test("two ups at once with two builds of one content deploy the same", async () => {
  const { imageDigest } = await deployed();
  const other = await configured(another, async () => built(await succeed("up")));
  const state = join(cloud.dir, "state", ".pulumi", "stacks", "hono-app", "local.json");
  const { resources } = JSON.parse(readFileSync(state, "utf8")).checkpoint.latest;
  const { inputs } = resources.find(({ type }: { type: string }) => type.endsWith(":ImageIndex"));
  // The functions in the state, as the engine's provider runs them.
  const file = join(cloud.project, "provider.cjs");
  writeFileSync(file, inputs.__provider);
  const environment = { ...process.env };
  Object.assign(process.env, cloud.env);
  const tag = "content-00000000000000aa";
  try {
    const provider = createRequire(file)(file).handler();
    const ups = [imageDigest, other].map(async (built) => {
      // Both were told by `check` that the tag names nothing.
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

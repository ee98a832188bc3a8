import { expect, test } from "vitest";
import { provider } from "../../components/image-index.ts";
import type { StateResource } from "../../local/stack.ts";
import { another, kept, useAnotherBuilder } from "../support/another-builder.ts";
import {
  cloud,
  configured,
  deployed,
  ecr,
  expectUnchanged,
  outputs,
  pulumiStack,
  repositoryName,
  state,
  succeed,
  summary,
  tagOf,
  untagged,
} from "../support/stack.ts";

useAnotherBuilder();

/** The digest that the other builder built, as `up` prints it. */
const built = (up: string) => /the build just made, (sha256:[0-9a-f]{64}), gets no tag/.exec(up)?.[1] as string;
let other: string | undefined;

/** Takes the image out of the state, and out of what the other resources say that they depend on. */
function loseImage(): void {
  const exported = JSON.parse(pulumiStack(["export"]));
  interface Entry extends Omit<StateResource, "propertyDependencies"> {
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
}

test("another builder's image of the same content is pushed, but the release is kept; also where a release was set, or the state has lost the image", async () => {
  const before = await deployed();
  const expectKept = async () => {
    const up = await succeed("up");
    expect(up).toContain(kept(before));
    expect(outputs()).toEqual(before);
    return up;
  };
  await configured(another, async () => {
    const preview = await succeed("preview");
    expect(preview).toMatch(/docker-build:index:Image hono-app update/);
    expect(preview).not.toMatch(/aws:ec2:Instance/);
    const up = await expectKept();
    expect(Object.keys(summary(up)).sort()).toEqual(["unchanged", "updated"]);
    other = built(up);
    // The bytes differ.
    expect(other).not.toBe(before.imageDigest);
    expect(await untagged()).toContain(other);
    await expectUnchanged("preview", "refresh");
  });
  // With it the build is removed from the state.
  await configured({ release: tagOf(before.imageRef) }, () => succeed("up"));
  await configured(another, async () => {
    await expectKept();
    await expectUnchanged("preview");
    loseImage();
    await expectKept();
  });
  const back = await succeed("up");
  expect(back).not.toMatch(/aws:ec2:Instance/);
  expect(outputs()).toEqual(before);
}, 300_000);

test("two ups at once with two builds of one content deploy the same", async () => {
  const { imageDigest } = await deployed();
  other ??= await configured(another, async () => built(await succeed("up")));
  const { inputs } = state().resources.find(({ type }) => type.endsWith(":ImageIndex")) as Required<StateResource>;
  const index = inputs as unknown as Parameters<typeof provider.create>[0];
  const environment = { ...process.env };
  Object.assign(process.env, cloud.env);
  const tag = "content-00000000000000aa";
  try {
    const ups = [imageDigest, other].map(async (built) => {
      // For both, `check` found that the tag names nothing.
      const { outs } = await provider.create({ ...index, tags: [tag], built, digest: built });
      return outs;
    });
    const [first, second] = await Promise.all(ups);
    expect([imageDigest, other]).toContain(first?.digest);
    expect(second?.digest).toBe(first?.digest);
    const { images: [image] = [] } = await ecr.batchGetImage({ repositoryName, imageIds: [{ imageTag: tag }] });
    expect(image?.imageId?.imageDigest).toBe(first?.digest);
  } finally {
    process.env = environment;
    await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: tag }] });
  }
});

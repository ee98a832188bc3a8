import { createHash } from "node:crypto";
import { type BatchGetImageRequest, ECRClient, type ImageIdentifier, type PutImageRequest } from "@aws-sdk/client-ecr";
import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test, vi } from "vitest";
import { ImageIndex } from "../../../components/image-index.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { answering, awsError } from "../../support/sdk.ts";

const mediaType = "application/vnd.oci.image.index.v1+json";

/** What each call of ECR may ask. */
type Question = Partial<BatchGetImageRequest & PutImageRequest>;

/** ECR's one repository: each manifest by its digest, and the digest that each tag names. Of the tags `latest` alone may move. */
let manifests: Map<string, string>;
let tags: Record<string, string>;
/** Each call, with the names in it. */
let asked: string[];
/** What AWS answers instead, by the call; or what somebody else does just before it. */
let instead: Record<string, () => object | undefined>;
const refusing = (name: string, message?: string) => () => {
  throw awsError(name, message);
};

const digestOf = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;

function hold(content: object): string {
  const text = JSON.stringify(content);
  manifests.set(digestOf(text), text);
  return digestOf(text);
}

/** Has ECR hold an index of these architectures; one without a name has no platform. @returns Its digest. */
function holdIndex(architectures: readonly string[], more: object = {}): string {
  const images = architectures.map((architecture) => ({
    digest: hold({ config: { digest: `sha256:${architecture}` } }),
    platform: architecture === "" ? undefined : { os: "linux", architecture },
  }));
  return hold({ manifests: images, ...more });
}

function answer(call: string, question: Question): object {
  const { imageIds = [], imageTag = "", imageManifest = "" } = question;
  const find = (name: ImageIdentifier) => name.imageDigest ?? tags[name.imageTag ?? ""] ?? "";
  const [name = {}] = imageIds;
  if (call === "BatchGetImage") {
    const [there, gone] = [true, false].map((is) => imageIds.filter((each) => manifests.has(find(each)) === is));
    return {
      images: there?.map((each) => ({ imageManifest: manifests.get(find(each)), imageManifestMediaType: mediaType })),
      failures: gone?.map((imageId) => ({ imageId, failureCode: "ImageNotFound" })),
    };
  }
  if (call === "PutImage") {
    if (question.imageManifestMediaType !== mediaType) throw awsError("InvalidParameterException");
    const digest = hold(JSON.parse(imageManifest));
    if (tags[imageTag] === digest) throw awsError("ImageAlreadyExistsException");
    if (tags[imageTag] && imageTag !== "latest") throw awsError("ImageTagAlreadyExistsException");
    tags[imageTag] = digest;
    return {};
  }
  const imageTags = Object.keys(tags).filter((tag) => tags[tag] === find(name));
  if (call === "DescribeImages") return { imageDetails: [imageTags.length > 0 ? { imageTags } : {}] };
  // BatchDeleteImage: an image goes with its last tag.
  if (imageTags.length === 0) return { failures: [{ imageId: name, failureCode: "ImageNotFound" }] };
  if (imageTags.length === 1) manifests.delete(find(name));
  delete tags[name.imageTag ?? ""];
  return {};
}

const args = { region: "ap-northeast-2", platforms: ["linux/arm64", "linux/amd64"] };
let provider: ReturnType<typeof providerOf>;
let registered: Record<string, unknown>;
let index: ImageIndex;
/** Digests of what was built, of the same content by another builder, and of half of it. */
let built: string;
let other: string;
let half: string;
/** What the engine hands to the provider. */
let inputs: Record<string, unknown>;

beforeEach(async () => {
  [manifests, tags, asked, instead] = [new Map(), {}, [], {}];
  built = holdIndex(["arm64", "amd64"]);
  other = holdIndex(["arm64", "amd64"], { by: "another builder" });
  half = holdIndex(["arm64"]);

  await mock();
  await register();
  registered = only("pulumi-nodejs:dynamic/hono-app:ImageIndex").inputs;
  const { __provider, ...handed } = registered;
  inputs = { ...handed, digest: built };
  provider = providerOf(registered);

  answering([ECRClient], (call, question: Question) => {
    const names = question.imageIds ?? [{ imageTag: question.imageTag }];
    asked.push(`${call} ${names.map(({ imageTag, imageDigest }) => imageTag ?? imageDigest)}`);
    if (question.repositoryName !== "app-dev") throw awsError("AccessDeniedException");
    return instead[call]?.() ?? answer(call, question);
  });
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
});

async function register() {
  const tags = pulumi.output(["content-1", "latest"]);
  const image = { registry: "registry", repositoryName: "app-dev", digest: pulumi.output(built), tags };
  index = new ImageIndex("app", { ...args, image });
  return (await settle(index.reference))[0];
}

/** What was shown to the person who deploys. */
const shown = () => vi.mocked(process.stdout.write).mock.calls.map(([line]) => String(line).trimEnd());
const kept = (digest: string) => `replaced-${digest.slice(7, 23)}`;
const create = () => provider.create(inputs);
const both = (digest: string) => ({ "content-1": digest, latest: digest });
/** What is in the state of an index to which both tags belong. */
const state = (digest = built) => ({
  ...inputs,
  digest,
  tagged: both(digest),
  configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
});

test("what was built, where it is, and its tags are handed on; machines pull the release's tag", async () => {
  const image = { repositoryName: "app-dev", built, tags: ["content-1", "latest"] };
  expect(registered).toEqual({ ...args, ...image, __provider: expect.any(String) });
  const [reference] = await settle(index.reference);
  const where = { registry: "registry", repository: "app-dev", tag: "content-1" };
  expect(reference).toEqual({ ...where, digest: expect.any(String) });
  expect(index.configs).toBeInstanceOf(pulumi.Output);
});

test("an index that --target or --exclude leaves as it is keeps its tag", async () => {
  const type = "pulumi-nodejs:dynamic/hono-app:ImageIndex";
  await mock({ [type]: () => ({ digest: other, tags: ["content-0", "latest"] }) });
  expect(await register()).toMatchObject({ tag: "content-0", digest: other });
});

test.each<[string, () => void, () => string, number]>([
  ["nothing", () => {}, () => built, 1],
  ["what was built", () => Object.assign(tags, both(built)), () => built, 1],
  ["an earlier build of the same content", () => Object.assign(tags, both(other)), () => other, 3],
  ["half of the content", () => Object.assign(tags, both(half)), () => built, 2],
  [
    "nothing, for there is no repository yet",
    () => (instead.BatchGetImage = refusing("RepositoryNotFoundException")),
    () => built,
    1,
  ],
])(
  "where the release's tag names %s, the digest to deploy is known before an up",
  async (_, given, digest, questions) => {
    given();
    expect(await provider.check({}, inputs)).toEqual({ inputs: { ...inputs, digest: digest() } });
    expect(asked).toHaveLength(questions);
    expect(asked[0]).toBe("BatchGetImage content-1");
  },
);

test("until something else is built the digest to deploy stays, and nothing is asked of ECR", async () => {
  const olds = { ...inputs, digest: "sha256:kept" };
  expect(await provider.check(olds, { ...inputs, tags: ["content-1"] })).toMatchObject({
    inputs: { digest: "sha256:kept" },
  });
  expect(asked).toEqual([]);
  expect(await provider.check(olds, { ...inputs, built: other })).toMatchObject({ inputs: { digest: other } });
});

test("a tag that was moved is a change; the same is none", async () => {
  const [news, olds] = [inputs, state()];
  expect(await provider.diff("id", olds, news)).toEqual({ changes: false });
  for (const tagged of [{ ...both(built), latest: other }, { "content-1": built }]) {
    expect(await provider.diff("id", { ...olds, tagged }, news)).toEqual({ changes: true });
  }
  const others = {
    built: "sha256:other",
    repositoryName: "other",
    platforms: ["linux/arm64"],
    tags: ["content-2"],
    region: "us-west-2",
    profile: "other",
  };
  for (const [key, other] of Object.entries(others)) {
    expect(await provider.diff("id", olds, { ...news, [key]: other }), key).toEqual({ changes: true });
  }
});

test("a new release gets its tags; those that are free or may move are set in one step, and nothing is said", async () => {
  tags = { latest: other };
  expect(await create()).toEqual({ id: `app-dev@${built}`, outs: state() });
  expect(tags).toEqual(both(built));
  expect(asked.filter((call) => !call.startsWith("BatchGetImage"))).toEqual(["PutImage content-1", "PutImage latest"]);
  expect(shown()).toEqual([]);
});

test("an earlier build of the same content that the release's tag names already is deployed instead, which is said", async () => {
  tags = { "content-1": other };
  expect(await create()).toEqual({ id: `app-dev@${built}`, outs: state(other) });
  expect(tags).toEqual(both(other));
  expect(asked).not.toContain("PutImage content-1");
  expect(shown()).toEqual([
    `app-dev:content-1 already names ${other}, an earlier build of the same content, which is deployed; the build just made, ${built}, gets no tag`,
  ]);
});

test("an immutable tag on something else is taken from it, which is kept under a tag of its own", async () => {
  tags = both(half);
  delete tags.latest;
  expect(await create()).toMatchObject({ outs: state() });
  expect(tags).toEqual({ ...both(built), [kept(half)]: half });
  expect(shown()).toEqual([
    `app-dev:content-1 names ${half}; it is put back to ${built}`,
    `app-dev@${half} had no other tag; it is kept as ${kept(half)}`,
  ]);
});

test("what has another tag needs none to be kept", async () => {
  tags = { "content-1": half, "content-0": half };
  await create();
  expect(tags).toEqual({ ...both(built), "content-0": half });
  expect(shown()).toEqual([`app-dev:content-1 names ${half}; it is put back to ${built}`]);
});

test("tags that were moved or deleted by hand are put back to what is deployed, whatever they name", async () => {
  tags = { latest: other };
  expect(await provider.update("id", state(), inputs)).toEqual({ outs: state() });
  expect(tags).toEqual(both(built));
  expect(shown()).toEqual([
    `app-dev:content-1 names nothing; it is put back to ${built}`,
    `app-dev:latest names ${other}; it is put back to ${built}`,
  ]);
  tags["content-1"] = other;
  expect(await provider.update("id", state(), inputs)).toEqual({ outs: state() });
  expect(tags).toEqual({ ...both(built), [kept(other)]: other });
});

test("an update to another release is as its creation", async () => {
  tags = { "content-0": half, latest: half };
  const olds = { ...state(half), built: half, tags: ["content-0", "latest"] };
  expect(await provider.update("id", olds, inputs)).toEqual({ outs: state() });
  expect(tags).toEqual({ ...both(built), "content-0": half });
  expect(shown()).toEqual([]);
});

/** What somebody else does just before a call, once. */
function meanwhile(call: string, act: () => void): void {
  instead[call] = () => {
    delete instead[call];
    act();
    return undefined;
  };
}

test("a tag that another up sets meanwhile stays with that one's build", async () => {
  meanwhile("PutImage", () => Object.assign(tags, both(other)));
  expect(await create()).toMatchObject({ outs: state(other) });
  expect(tags).toEqual(both(other));
  expect(shown()).toEqual([expect.stringContaining("an earlier build of the same content, which is deployed")]);
  meanwhile("PutImage", () => Object.assign(tags, both(built)));
  tags = {};
  expect(await create()).toMatchObject({ outs: state() });
});

test("a tag that somebody takes from its image meanwhile, or with its image, is set all the same", async () => {
  tags = { "content-1": half };
  meanwhile("DescribeImages", () => delete tags["content-1"]);
  await create();
  expect(tags).toEqual({ ...both(built), [kept(half)]: half });
  tags = { "content-1": half };
  instead.DescribeImages = () => {
    delete tags["content-1"];
    manifests.delete(half);
    return { imageDetails: [{ imageTags: ["content-1"] }] };
  };
  await create();
  expect(tags).toEqual(both(built));
  expect(shown().at(-1)).toBe(`app-dev:content-1 names ${half}; it is put back to ${built}`);
});

const imageOf = (architecture: string) => digestOf(JSON.stringify({ config: { digest: `sha256:${architecture}` } }));
/** What was built, when ECR has lost images of it. */
function losing(...architectures: string[]): string {
  for (const architecture of architectures) manifests.delete(imageOf(architecture));
  return built;
}

test.each<[string, () => string, string]>([
  ["holds one platform", () => half, "expected an index of linux/amd64, linux/arm64; it holds linux/arm64"],
  ["holds something of no platform", () => holdIndex(["arm64", "amd64", ""]), "linux/arm64, undefined/undefined"],
  ["is an image", () => hold({ config: {} }), "it is a single image, not an index"],
  ["is gone", () => "sha256:gone", "app-dev@sha256:gone is not in the registry"],
  ["has lost an image", () => losing("amd64"), `not in the registry: its image for linux/amd64 (${imageOf("amd64")})`],
  [
    "has lost both images",
    () => losing("amd64", "arm64"),
    `its image for linux/arm64 (${imageOf("arm64")}), linux/amd64 (${imageOf("amd64")})`,
  ],
])("what %s is not deployed, and leaves the state", async (_, make, problem) => {
  const digest = make();
  await expect(provider.create({ ...inputs, built: digest, digest })).rejects.toThrow(problem);
  expect(tags).toEqual({});
  expect(await provider.read("id", state(digest))).toEqual({});
  expect(shown()).toEqual([expect.stringMatching(/^no longer complete: app-dev@sha256:/)]);
  expect(shown()[0]).toContain(problem);
});

test("indexes and images are asked for in OCI's form and in Docker's, in the region and by the profile", async () => {
  await provider.read("id", { ...state(), region: "eu-west-1", profile: "dev" });
  const { calls, contexts } = vi.mocked(ECRClient.prototype.send).mock;
  const [{ config }] = contexts as [ECRClient];
  expect([await config.region(), config.profile]).toEqual(["eu-west-1", "dev"]);
  const acceptedMediaTypes = [
    ...["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
    ...["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"],
  ];
  expect(calls[0]?.[0].input).toMatchObject({ acceptedMediaTypes });
});

test("a refresh finds what each tag names", async () => {
  tags = { "content-1": other };
  expect(await provider.read("id", state())).toStrictEqual({
    id: "id",
    props: { ...state(), tagged: { "content-1": other } },
  });
});

test("what ECR could not read is no image that is gone", async () => {
  const failing = (imageId: ImageIdentifier) => () => ({
    failures: [{ imageId, failureCode: "KmsError", failureReason: "a reason" }],
  });
  instead.BatchGetImage = failing({ imageDigest: built });
  await expect(provider.read("id", state())).rejects.toThrow(`reading ${built} in app-dev: KmsError: a reason`);
  instead.BatchGetImage = failing({ imageTag: "content-1", imageDigest: built });
  await expect(provider.check({}, inputs)).rejects.toThrow("reading content-1 in app-dev: KmsError: a reason");
  instead.BatchGetImage = refusing("AccessDeniedException", "not you");
  await expect(provider.check({}, inputs)).rejects.toThrow("not you");
});

test("a tag that cannot be set or taken fails the up", async () => {
  instead.PutImage = refusing("LayersNotFoundException", "a layer is gone");
  await expect(create()).rejects.toThrow("a layer is gone");
  delete instead.PutImage;
  tags = both(half);
  instead.BatchDeleteImage = () => ({ failures: [{ failureCode: "KmsError", failureReason: "a reason" }] });
  await expect(create()).rejects.toThrow("untagging app-dev:content-1: KmsError: a reason");
});

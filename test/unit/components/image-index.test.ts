import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test, vi } from "vitest";
import { ImageIndex } from "../../../components/image-index.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { listening } from "../../support/process.ts";

const args = { region: "ap-northeast-2", platforms: ["linux/arm64", "linux/amd64"] };
const image = {
  registry: "registry",
  repositoryName: "app-dev",
  digest: pulumi.output(`sha256:${"b".repeat(64)}`),
  tags: ["content-1", "latest"],
};
/** What the engine hands to the provider. */
const inputs = { ...args, repositoryName: "app-dev", built: `sha256:${"b".repeat(64)}`, tags: image.tags };

let provider: ReturnType<typeof providerOf>;
let code: unknown;
/** What ECR was asked, and what it answers to a call. */
let asked: Question[] = [];
let answer: (call: string, question: Question) => object;

interface Question {
  readonly imageIds?: readonly { readonly imageTag?: string; readonly imageDigest?: string }[];
}

beforeEach(async () => {
  await mock();
  const index = new ImageIndex("app", { ...args, image });
  await settle(index.reference);
  const registered = only("pulumi-nodejs:dynamic/hono-app:ImageIndex").inputs;
  code = registered.__provider;
  provider = providerOf(registered);
  const host = await listening(async (request, response) => {
    const question = JSON.parse((await Array.fromAsync(request)).join(""));
    asked.push(question);
    const answered = answer(String(request.headers["x-amz-target"]).split(".")[1] ?? "", question);
    response.statusCode = "__type" in answered ? 400 : 200;
    response.setHeader("content-type", "application/x-amz-json-1.1").end(JSON.stringify(answered));
  });
  vi.stubEnv("AWS_ENDPOINT_URL", `http://${host}`);
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  asked = [];
  answer = () => ({ images: [], failures: [] });
});

test("the digest to deploy is asked for once, and then stays: nothing is asked of ECR in an up that changes nothing", async () => {
  const first = await provider.check({}, inputs);
  expect(first.inputs.digest).toBe(inputs.built);
  expect(asked).toHaveLength(1);
  const later = await provider.check({ ...first.inputs, digest: "sha256:kept" }, { ...inputs, tags: ["content-1"] });
  expect(later.inputs.digest).toBe("sha256:kept");
  expect(asked).toHaveLength(1);
});

test("each call asks for one image by one name", async () => {
  await provider.check({}, inputs);
  expect(asked).toEqual([expect.objectContaining({ imageIds: [{ imageTag: "content-1" }] })]);
});

test("other code is a change, and so is a tag that was moved; the same is none", async () => {
  const digest = inputs.built;
  const news = { ...inputs, digest, __provider: code };
  const olds = { ...news, tagged: { "content-1": digest, latest: digest } };
  expect(await provider.diff("id", olds, news)).toEqual({ changes: false });
  expect(await provider.diff("id", { ...olds, __provider: `${code} ` }, news)).toEqual({ changes: true });
  const moved = { "content-1": digest, latest: "sha256:another" };
  expect(await provider.diff("id", { ...olds, tagged: moved }, news)).toEqual({ changes: true });
  const { latest: _, ...lost } = olds.tagged;
  expect(await provider.diff("id", { ...olds, tagged: lost }, news)).toEqual({ changes: true });
  const others = { built: "sha256:other", repositoryName: "other", platforms: ["linux/arm64"], tags: ["content-2"] };
  for (const [key, other] of Object.entries(others)) {
    expect(await provider.diff("id", olds, { ...news, [key]: other }), key).toEqual({ changes: true });
  }
});

test("what ECR could not read is no image that is gone", async () => {
  const failing = (failureCode: string) => () => ({
    images: [],
    failures: [{ imageId: {}, failureCode, failureReason: "a reason" }],
  });
  answer = failing("KmsError");
  const read = provider.read("id", { ...inputs, digest: inputs.built, tagged: {}, configs: {} });
  await expect(read).rejects.toThrow(/in app-dev: KmsError: a reason/);
  answer = failing("ImageNotFound");
  expect(await provider.read("id", { ...inputs, digest: inputs.built, tagged: {}, configs: {} })).toEqual({});
});

/** Has ECR hold an index of these architectures, of which some images may be lost. @returns Its digest. */
function holdIndex(architectures: readonly string[], lost: readonly string[] = []): string {
  const manifests = new Map<string, object>();
  const put = (content: object) => {
    const imageManifest = JSON.stringify(content);
    const imageDigest = `sha256:${createHash("sha256").update(imageManifest).digest("hex")}`;
    manifests.set(imageDigest, { imageId: { imageDigest }, imageManifest });
    return imageDigest;
  };
  const images = architectures.map((architecture) => ({
    digest: put({ config: { digest: `sha256:${architecture}` } }),
    platform: { os: "linux", architecture },
  }));
  for (const { digest, platform } of images) if (lost.includes(platform.architecture)) manifests.delete(digest);
  const index = put({ manifests: images });
  answer = (call, { imageIds = [] }) =>
    call === "PutImage"
      ? { __type: "ImageAlreadyExistsException", message: "it is there" }
      : { images: imageIds.flatMap(({ imageDigest = "" }) => manifests.get(imageDigest) ?? []), failures: [] };
  return index;
}

test.each([
  [["arm64"], [], "expected an index of linux/amd64, linux/arm64; it holds linux/arm64"],
  [["arm64", "amd64", "s390x"], [], "it holds linux/amd64, linux/arm64, linux/s390x"],
  [[], [], "it holds one image and no index"],
  [["arm64", "amd64"], ["amd64"], "not in the registry: its image for linux/amd64 (sha256:"],
])("fails on an index of %j that has lost %j", async (architectures, lost, problem) => {
  const built = holdIndex(architectures, lost);
  await expect(provider.create({ ...inputs, built, digest: built })).rejects.toThrow(problem);
  expect(await provider.read("id", { ...inputs, digest: built, tagged: {}, configs: {} })).toEqual({});
});

test("a tag that is set already, though ECR did not tell it at first, is no error", async () => {
  const built = holdIndex(["arm64", "amd64"]);
  const { outs } = await provider.create({ ...inputs, built, digest: built });
  expect(outs).toMatchObject({
    digest: built,
    configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
    tagged: { "content-1": built, latest: built },
  });
});

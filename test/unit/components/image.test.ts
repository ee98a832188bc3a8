import { writeFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { platforms } from "../../../components/architecture.ts";
import { contentTag, readContext } from "../../../components/build-context.ts";
import { Image } from "../../../components/image.ts";
import { digest, find, mock, only, registryHost, settle } from "../../support/mocks.ts";
import { temporaryFolder } from "../../support/process.ts";

const project = process.cwd();
beforeEach(async () => {
  await mock();
  process.chdir(temporaryFolder(onTestFinished));
  writeFileSync("Dockerfile", "FROM scratch\n");
});
afterEach(() => process.chdir(project));

const args = {
  context: ".",
  platforms,
  registry: { address: registryHost, login: { username: "AWS", password: pulumi.secret("token") } },
  repositoryName: "app-dev",
  builder: "multiplatform",
};

test("one build of both platforms, pushed by its digest, that a preview makes and only an up pushes", async () => {
  const tag = contentTag(readContext("."), { platforms });
  const image = new Image("app", args);
  const [reference] = await settle(image.reference);
  expect(only("docker-build:index:Image").inputs).toMatchObject({
    context: { location: `.build/${tag}` },
    platforms: ["linux/arm64", "linux/amd64"],
    builder: { name: "multiplatform" },
    buildOnPreview: true,
    push: false,
    exports: [{ image: { push: true, ociMediaTypes: true, pushByDigest: true } }],
    tags: [`${registryHost}/app-dev`],
    buildArgs: { SOURCE_DATE_EPOCH: "0" },
  });
  expect(reference).toEqual({ registry: registryHost, repository: "app-dev", tag, digest });
  const inputs = { registry: registryHost, repositoryName: "app-dev", builder: "multiplatform" };
  expect(only("hono-app:index:Image").inputs).toMatchObject(inputs);
});

test("with Docker's own login there is none in the state", async () => {
  await settle(new Image("app", { ...args, registry: { address: registryHost } }).reference);
  expect(only("docker-build:index:Image").inputs).not.toHaveProperty("registries");
});

test("an image that --target or --exclude leaves as it is keeps the tag of its content", async () => {
  await mock({ "docker-build:index:Image": () => ({ context: { location: ".build/content-before" } }) });
  const [reference] = await settle(new Image("app", args).reference);
  expect(reference).toMatchObject({ tag: "content-before", digest });
});

test("an earlier release is deployed without a build or a push", async () => {
  const image = new Image("app", {
    ...args,
    context: "nowhere",
    release: { tag: "content-old", digest: "sha256:old" },
  });
  const [reference, tags] = await settle(image.reference, image.tags);
  expect(find("docker-build:index:Image")).toEqual([]);
  expect(reference).toMatchObject({ tag: "content-old", digest: "sha256:old" });
  expect(tags).toEqual(["content-old"]);
});

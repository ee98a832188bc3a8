import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";
import { architectures } from "../../../components/architecture.ts";
import { Verification } from "../../../components/verification.ts";
import { mock, only, settle } from "../../support/mocks.ts";

const type = "pulumi-nodejs:dynamic/hono-app:Verification";
const args = {
  url: "http://203.0.113.7",
  instanceId: "i-1",
  digest: "sha256:index",
  configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
  architecture: architectures.graviton,
  region: "ap-northeast-2",
  timeout: 600,
};

beforeEach(async () => {
  await mock();
  await settle(pulumi.output(new Verification("app-graviton", args).id));
});

test("what a machine must be comes from the architecture's table, the deployed digest and the machine's id", () => {
  const { __provider, ...inputs } = only(type).inputs;
  expect(inputs).toEqual({
    url: "http://203.0.113.7",
    region: "ap-northeast-2",
    timeout: 600,
    expected: {
      machine: "aarch64",
      image: "arm64",
      process: "arm64",
      digest: "sha256:index",
      imageId: "sha256:arm64",
      instanceId: "i-1",
    },
  });
});

test("what goes into the state has no path of the machine it was made on", () => {
  const provider = only(type).inputs.__provider as string;
  expect(provider).toContain("process.arch");
  expect(provider).not.toContain(process.cwd());
  expect(provider).not.toContain("file://");
});

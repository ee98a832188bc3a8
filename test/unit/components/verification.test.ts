import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";
import { architectures } from "../../../components/architecture.ts";
import { tailCommand } from "../../../components/machine-logs.ts";
import { Verification } from "../../../components/verification.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";

const type = "pulumi-nodejs:dynamic/hono-app:Verification";
const args = {
  url: "http://203.0.113.7",
  instanceId: "i-1",
  digest: "sha256:index",
  configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
  architecture: architectures.graviton,
  logGroup: "app-machines-1",
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
    logGroup: "app-machines-1",
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

test("another address, machine, digest or architecture is verified again, and so is what other code verified; a time-out is not", async () => {
  const { inputs } = only(type);
  const provider = providerOf(inputs);
  const changes = (news: object) => provider.diff("id", { ...inputs, proof: {} }, { ...inputs, ...news });
  const expected = inputs.expected as object;
  expect(await changes({})).toEqual({ changes: false });
  expect(await changes({ timeout: 30, profile: "other", logGroup: "other" })).toEqual({ changes: false });
  expect(await changes({ expected: Object.fromEntries(Object.entries(expected).reverse()) })).toEqual({
    changes: false,
  });
  expect(await changes({ url: "http://203.0.113.8" })).toEqual({ changes: true });
  for (const key of Object.keys(expected)) {
    expect(await changes({ expected: { ...expected, [key]: "other" } }), key).toEqual({ changes: true });
  }
  expect(await changes({ __provider: "other" })).toEqual({ changes: true });
});

test("the command that prints a machine's log names its group, its stream and, where there is one, the profile", () => {
  const stream = { logGroup: "app-machines-1", instanceId: "i-1", region: "ap-northeast-2" };
  const command = "aws logs tail app-machines-1 --log-stream-names i-1 --since 1d --region ap-northeast-2";
  expect(tailCommand(stream)).toBe(command);
  expect(tailCommand({ ...stream, profile: "dev" })).toBe(`${command} --profile dev`);
});

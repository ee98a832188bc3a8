import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { architectures } from "../../../components/architecture.ts";
import { tailCommand } from "../../../components/machine-logs.ts";
import type { Expectation } from "../../../components/proof.ts";
import { Verification } from "../../../components/verification.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { listening } from "../../support/process.ts";
import { reportOf } from "../../support/report.ts";
import { stubEndpoint } from "../../support/sdk.ts";

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
afterEach(() => vi.useRealTimers());

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

test("another address, machine, digest or architecture is verified again; another time-out is not", async () => {
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
});

/** Runs the machine's app, and EC2's API for its console. @returns What the engine hands to the provider, and the provider. */
async function running(answer: (truth: object) => object | undefined) {
  const { __provider, ...registered } = only(type).inputs;
  const expected = registered.expected as Expectation;
  const host = await listening((request, response) => {
    const { pathname, searchParams } = new URL(request.url as string, "http://app");
    if (pathname !== "/platform") {
      const output = Buffer.from("booted\n").toString("base64");
      return response.end(`<GetConsoleOutputResponse><output>${output}</output></GetConsoleOutputResponse>`);
    }
    const answered = answer(reportOf(expected, expected.instanceId, searchParams.get("nonce")));
    response.writeHead(answered ? 200 : 503).end(JSON.stringify(answered));
  });
  stubEndpoint(host);
  const inputs = { ...registered, expected, url: `http://${host}`, timeout: 20 };
  return { provider: providerOf({ __provider }), inputs };
}

test("a machine that proves itself is in the state under its id; a refresh keeps when that was", async () => {
  const { provider, inputs } = await running((truth) => truth);
  const proof = { ...inputs.expected, verifiedAt: expect.stringMatching(/^\d{4}-/) };
  const outs = { ...inputs, proof };
  expect(await provider.create(inputs)).toEqual({ id: "i-1", outs });
  expect(await provider.update("i-1", {}, inputs)).toEqual({ outs });
  const verifiedAt = "2026-01-01T00:00:00.000Z";
  expect(await provider.read("i-1", { ...inputs, proof: { verifiedAt } })).toEqual({
    id: "i-1",
    props: { ...inputs, proof: { ...inputs.expected, verifiedAt } },
  });
});

test("a machine that does not prove itself fails the up with its console, and leaves the state in a refresh, which waits 10 s", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "Date"] }).setTimerTickMode("nextTimerAsync");
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const { provider, inputs } = await running(() => undefined);
  const log = "its log, which outlives the machine: aws logs tail app-machines-1 --log-stream-names i-1 ";
  const failure = `i-1 at ${inputs.url} failed verification: time-out after`;
  const problem = "/platform: answered 503\nthe last lines of its console:\n  | booted\n";
  await expect(provider.create(inputs)).rejects.toThrow(`${failure} 20 s; ${problem}${log}`);
  write.mockClear();
  expect(await provider.read("i-1", { ...inputs, proof: {} })).toEqual({});
  const line = expect.stringContaining(`no longer verified: ${failure} 10 s; /platform: answered 503`);
  expect(write).toHaveBeenCalledExactlyOnceWith(line, expect.any(Function));
});

test("the command that prints a machine's log names its group, its stream and, where there is one, the profile", () => {
  const stream = { logGroup: "app-machines-1", instanceId: "i-1", region: "ap-northeast-2" };
  const command = "aws logs tail app-machines-1 --log-stream-names i-1 --since 1d --region ap-northeast-2";
  expect(tailCommand(stream)).toBe(command);
  expect(tailCommand({ ...stream, profile: "dev" })).toBe(`${command} --profile dev`);
});

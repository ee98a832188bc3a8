import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Verification } from "../../../components/verification.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { listening } from "../../support/process.ts";
import { expected, image, reportOf } from "../../support/report.ts";
import { stubEndpoint } from "../../support/sdk.ts";

const type = "pulumi-nodejs:dynamic/hono-app:Verification";
const args = { url: "http://203.0.113.7", logGroup: "app-machines-1", region: "ap-northeast-2", timeout: 600 };
const ofMachine = { ...expected, instanceId: "i-1" };

beforeEach(async () => {
  await mock();
  await settle(pulumi.output(new Verification("app-graviton", { ...args, ...image, instanceId: "i-1" }).id));
});
afterEach(() => vi.useRealTimers());

test("what a machine must be comes from the architecture's table, the deployed digest and the machine's id", () => {
  const { __provider, ...inputs } = only(type).inputs;
  expect(inputs).toEqual({ ...args, expected: ofMachine });
});

test("another address, machine, digest or architecture is verified again; another time-out is not", async () => {
  const { inputs } = only(type);
  const provider = providerOf(inputs);
  const changes = (news: object) => provider.diff("id", { ...inputs, proof: {} }, { ...inputs, ...news });
  expect(await changes({})).toEqual({ changes: false });
  expect(await changes({ timeout: 30, logGroup: "other" })).toEqual({ changes: false });
  const reversed = Object.fromEntries(Object.entries(ofMachine).reverse());
  expect(await changes({ expected: reversed })).toEqual({ changes: false });
  // A refresh would read with the profile of the state.
  expect(await changes({ profile: "other" })).toEqual({ changes: true });
  expect(await changes({ url: "http://203.0.113.8" })).toEqual({ changes: true });
  for (const key of Object.keys(ofMachine)) {
    expect(await changes({ expected: { ...ofMachine, [key]: "other" } }), key).toEqual({ changes: true });
  }
});

/** Runs the machine's app, and EC2's API for its console. @returns What the engine hands to the provider, and the provider. */
async function running(answer: (truth: object) => object | undefined) {
  const { __provider, ...registered } = only(type).inputs;
  const host = await listening((request, response) => {
    const { pathname, searchParams } = new URL(request.url as string, "http://app");
    if (pathname !== "/platform") {
      const output = Buffer.from("booted\n").toString("base64");
      return response.end(`<GetConsoleOutputResponse><output>${output}</output></GetConsoleOutputResponse>`);
    }
    const answered = answer(reportOf("i-1", searchParams.get("nonce")));
    response.writeHead(answered ? 200 : 503).end(JSON.stringify(answered));
  });
  stubEndpoint(host);
  const inputs = { ...registered, url: `http://${host}`, timeout: 20 };
  return { provider: providerOf({ __provider }), inputs };
}

test("a machine that proves itself is in the state under its id; a refresh keeps when that was", async () => {
  const { provider, inputs } = await running((truth) => truth);
  const proof = { ...ofMachine, verifiedAt: expect.stringMatching(/^\d{4}-/) };
  const outs = { ...inputs, proof };
  expect(await provider.create(inputs)).toEqual({ id: "i-1", outs });
  expect(await provider.update("i-1", {}, inputs)).toEqual({ outs });
  const verifiedAt = "2026-01-01T00:00:00.000Z";
  expect(await provider.read("i-1", { ...inputs, proof: { verifiedAt } })).toEqual({
    id: "i-1",
    props: { ...inputs, proof: { ...ofMachine, verifiedAt } },
  });
});

test("a machine that does not prove itself fails the up with its console, and leaves the state in a refresh, which waits 10 s", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "Date"] }).setTimerTickMode("nextTimerAsync");
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const { provider, inputs } = await running(() => undefined);
  const command = "aws logs tail app-machines-1 --log-stream-names i-1 --since 1d --region ap-northeast-2";
  const log = `its log, which outlives the machine: ${command}\nWhat to do: `;
  const failure = `i-1 at ${inputs.url} failed verification: time-out after`;
  const problem = "/platform: answered 503\nthe last lines of its console:\n  | booted\n";
  await expect(provider.create(inputs)).rejects.toThrow(`${failure} 20 s; ${problem}${log}`);
  write.mockClear();
  expect(await provider.read("i-1", { ...inputs, proof: {} })).toEqual({});
  const line = expect.stringContaining(`no longer verified: ${failure} 10 s; /platform: answered 503`);
  expect(write).toHaveBeenCalledExactlyOnceWith(line, expect.any(Function));
});

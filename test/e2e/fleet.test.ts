import { readFileSync } from "node:fs";
import { SSM } from "@aws-sdk/client-ssm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectFleetServing, fleetDeployed, fleetOutputs, idsOf, underLoad, withFleet } from "../support/fleet.ts";
import { run } from "../support/github.ts";
import { onStack } from "../support/scripts/runner.ts";
import {
  aws,
  containerOf,
  editPage,
  expectUnchanged,
  state,
  stateFile,
  succeed,
  successful,
  summary,
  textsOf,
} from "../support/stack.ts";

// A sample; npm run test:fleet has the rest.

const secret = `it's "the app's secret" \\ 42`;
const Name = "/hono-app/local/API_KEY";
const ssm = new SSM(aws);
beforeAll(() => ssm.putParameter({ Name, Type: "SecureString", Value: secret }));
afterAll(() => ssm.deleteParameter({ Name }));

const settings = { appEnvironment: JSON.stringify(["GREETING=it's me"]), appSecrets: '["API_KEY"]' };
const deploying = (work: () => Promise<void>) => withFleet(work, settings);

test("both architectures answer at one address, each machine proven through it; a second up changes nothing", () =>
  deploying(async () => {
    const fleet = await fleetDeployed();
    expect(fleet.verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    for (const [name, machine] of [
      ["graviton", "aarch64"],
      ["intel", "x86_64"],
    ] as const) {
      expect(fleet[name].machines).toHaveLength(1);
      const [{ id, proof } = {}] = fleet[name].machines;
      expect(proof).toMatchObject({ instanceId: id, machine, digest: fleet.imageDigest });
    }
    await expectFleetServing(fleet);
    await expectUnchanged("up");
    expect(fleetOutputs()).toEqual(fleet);
  }));

test("the app gets its environment, and its secrets from Systems Manager, which are in its process alone", () =>
  deploying(async () => {
    for (const id of idsOf(await fleetDeployed())) {
      const environment = containerOf(id).proc("environ").split("\0");
      expect(environment).toEqual(expect.arrayContaining(["GREETING=it's me", `API_KEY=${secret}`]));
      const { userData, console } = textsOf(id);
      for (const text of [userData, console, readFileSync(stateFile, "utf8")])
        expect(text).not.toContain("the app's secret");
    }
  }));

test(
  "a release replaces every machine, and no request fails",
  () =>
    deploying(async () => {
      const before = await fleetDeployed();
      editPage("fleet");
      const { result: after, load } = await underLoad(before.url, fleetDeployed);
      expect(load.asked).toBeGreaterThan(100);
      expect(load.digests).toEqual(new Set([before.imageDigest, after.imageDigest]));
      expect(after.url).toBe(before.url);
      expect(idsOf(after).filter((id) => idsOf(before).includes(id))).toEqual([]);
      await expectFleetServing(after);
    }),
  300_000,
);

// Other tests begin with a pair, and the way from a fleet to a pair is a test of its own.
test("the workflow that destroys a stack deletes all of it, and leaves the next npm run local nothing to recover", async () => {
  const { text } = await successful(run("destroy.yml destroy: pulumi destroy", onStack));
  expect(Object.keys(summary(text))).toEqual(["deleted"]);
  expect(state().resources).toEqual([]);
  expect(await succeed("refresh")).not.toContain("was interrupted or failed");
});

import { afterAll, expect, test } from "vitest";
import { expectFleetServing, fleetDeployed, fleetOutputs, idsOf, underLoad, withFleet } from "../support/fleet.ts";
import { editPage, expectUnchanged, succeed } from "../support/stack.ts";

// A sample; npm run test:fleet has the rest.

// Other tests begin with a pair, and the way from a fleet to a pair is a test of its own.
afterAll(() => succeed("destroy"));

test("both architectures answer at one address, each machine proven through it; a second up changes nothing", () =>
  withFleet(async () => {
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
    await expectUnchanged("preview", "up");
    expect(fleetOutputs()).toEqual(fleet);
  }));

test(
  "a release replaces every machine, and no request fails",
  () =>
    withFleet(async () => {
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

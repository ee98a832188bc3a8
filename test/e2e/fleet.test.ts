import { afterAll, expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import {
  answeringAt,
  expectFleetServing,
  fleetDeployed,
  fleetOutputs,
  idsOf,
  underLoad,
  versionsOf,
  withFleet,
} from "../support/fleet.ts";
import { edited, editPage, expectUnchanged, local, refused, succeed } from "../support/stack.ts";

// A sample; npm run test:fleet has the rest. Each test begins with an `up`, which is quick where the fleet is deployed.

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

test("a release that does not start fails with the machine's own words and the old one serves; the next good one replaces every machine; no request fails", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const versions = () => Promise.all(machineNames.map((name) => versionsOf(before[name].group)));
    const old = await versions();
    await edited("app/src/main.ts", [/^try \{/m, 'throw new Error("it was a bad day");\ntry {'], async () => {
      const { load } = await underLoad(before.url, () =>
        refused(
          local("up"),
          /the release failed: the user data of i-[0-9a-f]+ failed; the refresh is RollbackSuccessful/,
          "it was a bad day",
          /aws logs tail \S+ --log-stream-names i-/,
        ),
      );
      expect(load.failed).toEqual([]);
      expect(load.digests).toEqual(new Set([before.imageDigest]));
    });
    expect(await versions()).toEqual(old);
    expect(await answeringAt(before.url)).toEqual({ ids: idsOf(before), architectures: ["aarch64", "x86_64"] });
    // The edit taken back.
    const { result: back, load: meanwhile } = await underLoad(before.url, fleetDeployed);
    expect(meanwhile.failed).toEqual([]);
    expect(back.imageDigest).toBe(before.imageDigest);
    for (const { group, machines } of await versions()) expect(machines).toEqual([group]);
    editPage("fleet");
    const { result: after, load } = await underLoad(before.url, fleetDeployed);
    expect(load.failed).toEqual([]);
    expect(load.asked).toBeGreaterThan(100);
    expect(load.digests).toEqual(new Set([before.imageDigest, after.imageDigest]));
    expect(after.url).toBe(before.url);
    expect(idsOf(after).filter((id) => idsOf(back).includes(id))).toEqual([]);
    await expectFleetServing(after);
  }));

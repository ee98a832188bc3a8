import { expect, test } from "vitest";
import { toLocalAddress } from "../../local/address.ts";
import { killUntilSeen } from "../support/faults.ts";
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
import { ask, cloud, describeInstances, expectUnchanged, succeed } from "../support/stack.ts";

test("a machine that dies is replaced; once that is seen, no request fails; a refresh proves the new one, and an up changes nothing", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const [{ id: victim } = { id: "" }] = before.graviton.machines;
    await underLoad(before.url, async (load) => {
      await killUntilSeen(before, [victim]);
      load.failed = [];
      await expect
        .poll(async () => (await answeringAt(before.url)).architectures, { timeout: 180_000, interval: 2000 })
        .toEqual(["aarch64", "x86_64"]);
    });
    await expectUnchanged("preview", "up");
    await succeed("refresh");
    await expectUnchanged("preview");
    await succeed("up");
    const after = fleetOutputs();
    expect(idsOf(after)).not.toContain(victim);
    expect(after.graviton.machines).toHaveLength(1);
    expect(after.intel.machines).toEqual(before.intel.machines);
    await expectFleetServing(after);
  }));

test("when every machine of one architecture is gone, the other answers", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const gone = before.intel.machines.map(({ id }) => id);
    await killUntilSeen(before, gone);
    await underLoad(before.url, async (load) => {
      await expect.poll(() => load.asked, { timeout: 30_000 }).toBeGreaterThan(50);
    });
    await expect.poll(async () => (await versionsOf(before.intel.group)).machines.length, { timeout: 180_000 }).toBe(1);
    await succeed("refresh");
    await succeed("up");
    await expectFleetServing(fleetOutputs());
  }));

test("nobody but the load balancer reaches a machine", () =>
  withFleet(async () => {
    const fleet = await fleetDeployed();
    const instances = await describeInstances(...idsOf(fleet));
    expect(instances.map(({ PublicIpAddress }) => PublicIpAddress)).toEqual(instances.map(() => undefined));
    for (const { PrivateIpAddress = "" } of instances) {
      // A refusal would come from an address on which nothing listens.
      await expect(ask(`http://${toLocalAddress(PrivateIpAddress, cloud.prefix)}`)).rejects.toThrow(/abort|ETIMEDOUT/);
    }
  }));

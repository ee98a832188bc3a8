import { expect, test, vi } from "vitest";
import { toLocalAddress } from "../../local/address.ts";
import { killMachine } from "../support/faults.ts";
import {
  answeringAt,
  expectFleetServing,
  fleetDeployed,
  fleetOutputs,
  idsOf,
  underLoad,
  withFleet,
} from "../support/fleet.ts";
import { ask, cloud, describeInstances, expectUnchanged, succeed } from "../support/stack.ts";

test("a machine that dies, the only one of its architecture, is replaced; once that is seen, the other answers every request; a refresh proves the new one, and an up changes nothing", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const [{ id: victim } = { id: "" }] = before.graviton.machines;
    await underLoad(before.url, async (load) => {
      await killMachine(victim);
      const expectSeen = async () => expect((await answeringAt(before.url)).ids).not.toContain(victim);
      await vi.waitFor(expectSeen, { timeout: 60_000 });
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

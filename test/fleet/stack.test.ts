import type { Subnet } from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { every } from "../../local/lists.ts";
import { expectConsistent, expectDestroyConverges } from "../support/faults.ts";
import {
  expectFleetServing,
  type FleetOutputs,
  fleetDeployed,
  fleetOutputs,
  underLoad,
  upServing,
  withFleet,
} from "../support/fleet.ts";
import {
  configured,
  deployed,
  ec2,
  edited,
  expectServing,
  expectUnchanged,
  local,
  outputs,
  refused,
  releasedEdit,
  succeed,
  summary,
} from "../support/stack.ts";

test("from a pair to a fleet and back: what is in use serves until what follows is proven", async () => {
  const pair = await deployed();
  const { url } = await withFleet(async () => {
    await upServing(
      machineNames.map((name) => pair[name].url),
      /GroupVerification hono-app-\w+ created[\s\S]*GroupVerification hono-app-\w+ created/,
    );
    const fleet = fleetOutputs();
    await expectFleetServing(fleet);
    return fleet;
  });
  await upServing([url], /::?\bVerification hono-app-\w+ created[\s\S]*\bVerification hono-app-\w+ created/);
  const again = await deployed();
  await expectServing(again);
  await expectConsistent();
});

test("machines with no way out run by endpoints; without one of them, the error says why", () =>
  withFleet(
    async () => {
      const fleet = await fleetDeployed();
      await expectFleetServing(fleet);
      const without = ['["ecr.api", "ecr.dkr", "logs", "s3"]', '["ecr.api", "logs", "s3"]'] as const;
      await edited("components/endpoints.ts", without, async () => {
        // The endpoint goes after everything else of an `up`; those who run need it no more.
        await succeed("up");
        await releasedEdit("cut off", async () => {
          const failed = refused(
            local("up"),
            /the user data of i-[0-9a-f]+ failed/,
            /still failing after about 3 minutes: login_and_pull: /,
          );
          await underLoad(fleet.url, () => failed);
        });
      });
      await succeed("up");
      await expectFleetServing(fleetOutputs());
    },
    { egress: "endpoints" },
  ));

const zones = (...letters: string[]) => JSON.stringify(letters.map((letter) => `ap-northeast-2${letter}`));
/** The name and the zone's letter of each subnet that the stack has. */
async function subnets(): Promise<(string | undefined)[]> {
  const pages = ec2.paginateDescribeSubnets({ Filters: [{ Name: "tag:stack", Values: ["local"] }] });
  const found = await every(pages, (page) => page.Subnets);
  const nameOf = ({ Tags = [] }: Subnet) => Tags.find(({ Key }) => Key === "Name")?.Value;
  return found.map((each) => `${nameOf(each)} ${each.AvailabilityZone?.at(-1)}`).sort();
}

test("a pair in other zones: what stays keeps its subnet, and its block", async () => {
  await configured({ availabilityZones: zones("a", "c") }, async () => {
    const before = await deployed();
    await configured({ availabilityZones: zones("b", "c") }, async () => {
      expect(summary(await succeed("up"))).toMatchObject({ created: 2, deleted: 2, replaced: 1 });
      expect(await subnets()).toEqual(["hono-app-public-b b", "hono-app-public-c c"]);
      const after = outputs();
      expect(after.intel.id).toBe(before.intel.id);
      await expectServing(after);
      await expectUnchanged("preview");
    });
  });
  await succeed("up");
});

test("a fleet in other zones, two machines of each architecture in two: they move before their subnets go, and no request fails where each zone has one", () =>
  withFleet(
    async () => {
      const before = await fleetDeployed();
      for (const { machines } of [before.graviton, before.intel]) {
        expect(new Set(machines.map(({ zone }) => zone)).size).toBe(2);
      }
      await expectFleetServing(before);
      await configured({ availabilityZones: zones("b", "c") }, async () => {
        await underLoad(before.url, () => succeed("up"));
        const after = fleetOutputs();
        for (const name of machineNames) {
          const inZone = (fleet: FleetOutputs, letter: string) =>
            fleet[name].machines.filter(({ zone }) => zone.endsWith(letter)).map(({ id }) => id);
          expect([inZone(after, "a"), inZone(after, "c")]).toEqual([[], inZone(before, "c")]);
          expect([inZone(after, "b").length, inZone(after, "c").length], name).toEqual([1, 1]);
        }
        const names = ["private", "public"].flatMap((kind) =>
          ["b", "c"].map((zone) => `hono-app-${kind}-${zone} ${zone}`),
        );
        expect(await subnets()).toEqual(names);
        expect(after.url).toBe(before.url);
        await expectFleetServing(after);
        await expectUnchanged("preview");
      });
    },
    { availabilityZones: zones("a", "c"), machinesMin: "2", machinesMax: "4" },
  ));

test("a fleet in another network serves in the first one until it is verified there; destroy leaves nothing", async () => {
  const { url } = await withFleet(fleetDeployed);
  const vpcCidr = "10.1.0.0/16";
  await withFleet(
    async () => {
      const updated = /GroupVerification hono-app-\w+ updated/.source;
      await upServing([url], new RegExp(`${updated}[\\s\\S]*${updated}`));
      await expectFleetServing(fleetOutputs());
      const { Vpcs } = await ec2.describeVpcs({ Filters: [{ Name: "tag:stack", Values: ["local"] }] });
      expect(Vpcs?.map(({ CidrBlock }) => CidrBlock)).toEqual([vpcCidr]);
      await expectUnchanged("preview");
      // The state then has what AWS has added: which NAT gateway has an address.
      await succeed("refresh");
      await expectDestroyConverges();
    },
    { vpcCidr },
  );
});

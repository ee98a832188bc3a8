import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { every } from "../../local/lists.ts";
import { killed } from "../support/faults.ts";
import {
  answeringAt,
  expectFleetServing,
  type FleetOutputs,
  fleetDeployed,
  fleetOutputs,
  idsOf,
  scaling,
  underLoad,
  versionsOf,
  withFleet,
} from "../support/fleet.ts";
import {
  edited,
  editPage,
  expectUnchanged,
  limited,
  local,
  node,
  refused,
  succeed,
  tagOf,
  wrongImage,
} from "../support/stack.ts";

/** How many refreshes a group has had. */
async function refreshesOf(AutoScalingGroupName: string): Promise<number> {
  const pages = scaling.paginateDescribeInstanceRefreshes({ AutoScalingGroupName });
  return (await every(pages, ({ InstanceRefreshes }) => InstanceRefreshes)).length;
}

/** Of each group, what it launches and what it has in service. */
const versionsIn = (fleet: FleetOutputs) => Promise.all(machineNames.map((name) => versionsOf(fleet[name].group)));

test.each(["dynamic", "engine"] as const)("%s killed in the middle of a release: the next up goes on with it", (who) =>
  withFleet(async () => {
    const before = await fleetDeployed();
    editPage(`killed-${who}`);
    const count = await refreshesOf(before.intel.group);
    await underLoad(before.url, async () => {
      // By then there is the refresh.
      const underWay = /hono-app-intel-\w+ to lt-\w+:\d+: (?:Pending|InProgress), /;
      const { status } = await killed(who, underWay, "up");
      expect(status).not.toBe(0);
      await succeed("up");
    });
    const after = await fleetDeployed();
    // The one that the killed run began, and no second one.
    expect((await refreshesOf(before.intel.group)) - count).toBe(1);
    expect(idsOf(after).filter((id) => idsOf(before).includes(id))).toEqual([]);
    await expectFleetServing(after);
    await expectUnchanged("up");
  }),
);

test("a release that does not start fails with the machine's own words and the old one serves; with the edit taken back, up succeeds", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const old = await versionsIn(before);
    await edited("app/src/main.ts", [/^try \{/m, 'throw new Error("it was a bad day");\ntry {'], async () => {
      const { load } = await underLoad(before.url, () =>
        refused(
          local("up"),
          /the release failed: the user data of i-[0-9a-f]+ failed; the refresh is RollbackSuccessful/,
          "it was a bad day",
          /aws logs tail \S+ --log-stream-names i-/,
        ),
      );
      expect(load.digests).toEqual(new Set([before.imageDigest]));
    });
    expect(await versionsIn(before)).toEqual(old);
    expect(await answeringAt(before.url)).toEqual({ ids: idsOf(before), architectures: ["aarch64", "x86_64"] });
    // The edit taken back.
    const { result: back } = await underLoad(before.url, fleetDeployed);
    expect(back.imageDigest).toBe(before.imageDigest);
    for (const { group, machines } of await versionsIn(before)) expect(machines).toEqual([group]);
  }));

test("launches that AWS refuses, and takes when Auto Scaling tries again, end no release", () =>
  withFleet(async () => {
    await fleetDeployed();
    editPage("refused at first");
    await limited({ "L-1216C47A": 0 }, async (lift) => {
      const refusal = "vCPU limit of 0 allows";
      const onOutput = (output: string) => void (output.includes(refusal) && lift());
      const { status, output } = await node("cli/local.ts", ["up"], { onOutput });
      expect(status, output).toBe(0);
      expect(output).toContain(refusal);
    });
    await expectFleetServing(fleetOutputs());
  }));

test("a fleet that has never worked: the next release does not wait for a rollback, and the one after that succeeds", () =>
  withFleet(async () => {
    await succeed("destroy");
    const broken = (why: string) =>
      edited("app/src/main.ts", [/^try \{/m, `throw new Error("${why}");\ntry {`], () =>
        refused(local("up"), why, /the user data of i-[0-9a-f]+ failed/),
      );
    await broken("never worked");
    expect(await broken("nor did this")).toMatch(/cancelling, since no machine of lt-\w+:1 is healthy either/);
    await succeed("up");
    await expectFleetServing(fleetOutputs());
  }));

test("a release whose machines are healthy but of the wrong architecture is rolled back, and no request fails", () =>
  withFleet(async () => {
    const before = await fleetDeployed();
    const [graviton] = await versionsIn(before);
    await edited(
      "app/Dockerfile",
      () => wrongImage,
      async () => {
        await underLoad(before.url, () =>
          refused(
            local("up"),
            /the release failed: a machine did not prove itself; the refresh is RollbackSuccessful/,
            'process (process.arch): expected arm64, got "x64"',
          ),
        );
      },
    );
    expect((await versionsIn(before))[0]).toEqual(graviton);
    const after = await fleetDeployed();
    expect(after.imageDigest).toBe(before.imageDigest);
    await expectFleetServing(after);
  }));

test("an earlier release is deployed without a build", () =>
  withFleet(async () => {
    const first = await fleetDeployed();
    editPage("second");
    const second = await fleetDeployed();
    expect(second.imageDigest).not.toBe(first.imageDigest);
    await withFleet(
      async () => {
        const { result: up } = await underLoad(first.url, () => succeed("up"));
        expect(up).not.toMatch(/docker-build:index:Image hono-app (creating|updating)/);
        const back = fleetOutputs();
        expect(back.imageRef).toBe(first.imageRef);
        await expectFleetServing(back);
      },
      { release: tagOf(first.imageRef) },
    );
  }));

test("a group that scales stays as it is scaled; without that it has as many machines as the setting says, and room for a release", () =>
  withFleet(async () => {
    const { group: AutoScalingGroupName } = (await fleetDeployed()).graviton;
    const production = { protect: "true", forceDelete: "false", latestTag: "false" };
    const expectMachines = (count: number) =>
      expect
        .poll(async () => (await versionsOf(AutoScalingGroupName)).machines.length, { timeout: 120_000 })
        .toBe(count);
    await withFleet(
      async () => {
        await succeed("up");
        await scaling.setDesiredCapacity({ AutoScalingGroupName, DesiredCapacity: 2 });
        await expectMachines(2);
        await expectUnchanged("up");
        await expectMachines(2);
      },
      { cpuTarget: "60", ...production },
    );
    // The policy goes, though the group is protected.
    await withFleet(() => succeed("up"), production);
    expect((await scaling.describePolicies({ AutoScalingGroupName })).ScalingPolicies).toEqual([]);
    // At its largest size; back at one machine, a release has room for another.
    editPage("scaled");
    await succeed("up");
    await expectMachines(1);
    await expectFleetServing(fleetOutputs());
  }));

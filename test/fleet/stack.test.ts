import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { expectConsistent, inventory } from "../support/faults.ts";
import { expectFleetServing, fleetDeployed, fleetOutputs, underLoad, upServing, withFleet } from "../support/fleet.ts";
import { deployed, edited, expectServing, local, refused, succeed } from "../support/stack.ts";

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
        await edited("app/src/page.ts", [/<h1([^>]*)>/, "<h1$1>cut off "], async () => {
          const failed = refused(local("up"), /the user data of i-[0-9a-f]+ failed/);
          const { load } = await underLoad(fleet.url, () => failed);
          expect(load.failed).toEqual([]);
        });
      });
      await succeed("up");
      await expectFleetServing(fleetOutputs());
    },
    { egress: "endpoints" },
  ));

test("destroy leaves nothing", async () => {
  await withFleet(async () => {
    await fleetDeployed();
    // The state then has what AWS has added: which NAT gateway has an address.
    await succeed("refresh");
    await succeed("destroy");
  });
  expect(await inventory()).toEqual({});
  await expectConsistent();
});

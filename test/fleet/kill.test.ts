import { afterAll, describe, test } from "vitest";
import { ensureDestroyed, expectDestroyConverges, expectUpConverges } from "../support/faults.ts";
import { withFleet } from "../support/fleet.ts";
import { casesOf, killAtCreate, killAtDestroy, madeByProviders, victims } from "../support/kill.ts";
import { succeed } from "../support/stack.ts";

// The resources that a fleet has and a pair has not: those of a pair are the sweep's of `npm run test:faults`.
const made = async () => {
  await succeed("up");
  return madeByProviders();
};
const pair = await made();
const resources = (await withFleet(made)).filter((resource) => !pair.includes(resource));

afterAll(ensureDestroyed);

describe.each(victims)("%s killed", (who) => {
  test.each(casesOf(who, resources, async () => void (await expectUpConverges())))(
    "in an up that creates %s: nothing is lost or duplicated",
    (resource, victim, next) => withFleet(() => killAtCreate(victim, resource, next)),
  );

  test.each(casesOf(who, resources.toReversed(), expectDestroyConverges))(
    "in a destroy that deletes %s: nothing is lost or duplicated",
    (resource, victim, next) => withFleet(() => killAtDestroy(victim, resource, next)),
  );
});

import { describe, test } from "vitest";
import { expectDestroyConverges } from "../support/faults.ts";
import { casesOf, killAtDestroy, madeByProviders, victims } from "../support/kill.ts";

const resources = (await madeByProviders()).toReversed();

describe.each(victims)("%s killed in a destroy that deletes a resource: nothing is lost or duplicated", (who) => {
  test.each(casesOf(who, resources, expectDestroyConverges))("%s", (resource, victim, next) =>
    killAtDestroy(victim, resource, next),
  );
});

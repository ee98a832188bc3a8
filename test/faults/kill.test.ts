import { describe, test } from "vitest";
import { ensureDestroyed, expectDestroyConverges, expectUpConverges } from "../support/faults.ts";
import {
  casesOf,
  killAtCreate,
  killAtDestroy,
  killAtUpdate,
  madeByProviders,
  shareOf,
  updates,
  victimOf,
  victims,
} from "../support/kill.ts";

// Each case starts from what the one before it left; in any other order they are only slower.

const resources = await madeByProviders();
const steps = await updates();

describe.each(victims)("%s killed", (who) => {
  const turn = victims.indexOf(who);
  const made = shareOf(resources, turn);

  describe("in an up that creates a resource: nothing is lost or duplicated", () => {
    const all = casesOf(who, made, async () => void (await expectUpConverges()));
    test.each(all)("%s", (resource, victim, next) => killAtCreate(victim, resource, next));
  });

  describe("in an up that replaces the instances: the old ones serve, the next up converges", () => {
    test.each(shareOf(steps, turn))("%s", (step) => killAtUpdate(victimOf(who, step), step));
  });

  describe("in a destroy that deletes a resource: nothing is lost or duplicated", () => {
    const all = casesOf(who, made.toReversed(), expectDestroyConverges);
    test.each(all)("%s", (resource, victim, next) => killAtDestroy(victim, resource, next));
  });
});

test("awsx killed at the VPC's component: nothing is lost or duplicated", () =>
  killAtCreate("awsx", "awsx:ec2:Vpc hono-app"));

// Recovery is the same before every command; here with no refresh in between.
describe("killed in an up, the next destroy leaves nothing", () => {
  test.each([
    ["engine", "aws:ec2:Instance hono-app-graviton"],
    ["program", "docker-build:index:Image hono-app"],
    ["aws", "aws:ecr:Repository hono-app"],
    ["docker-build", "docker-build:index:Image hono-app"],
  ] as const)("%s at %s", async (victim, resource) => {
    await ensureDestroyed();
    await killAtCreate(victim, resource, expectDestroyConverges);
  });
});

import { describe, test } from "vitest";
import { expectDestroyConverges, expectUpConverges, nothing } from "../support/faults.ts";
import {
  expectRecovered,
  killAtCreate,
  killAtDestroy,
  killAtUpdate,
  madeByProviders,
  shareOf,
  updates,
  victimOf,
  victims,
} from "../support/kill.ts";

// Each case begins with what the one before it has left, as far as it can; in any other order it is only slower.

const resources = await madeByProviders();
const steps = await updates();

describe.each(victims)("%s killed", (who) => {
  const turn = victims.indexOf(who);
  /** With what comes after the kill: a refresh, which shows what there is; after the last one the next command itself. */
  const cases = (names: readonly string[], last: () => Promise<void>) =>
    names.map((name, index) => [name, victimOf(who, name), index < names.length - 1 ? expectRecovered : last] as const);
  const made = shareOf(resources, turn);

  describe("in an up that makes a resource: nothing is lost or doubled", () => {
    const all = cases(made, async () => void (await expectUpConverges()));
    test.each(all)("%s", (resource, victim, next) => killAtCreate(victim, resource, next));
  });

  describe("in an up that replaces the machines: the old ones serve, and the next up converges", () => {
    test.each(shareOf(steps, turn))("%s", (step) => killAtUpdate(victimOf(who, step), step));
  });

  describe("in a destroy that deletes a resource: nothing is lost or doubled", () => {
    const all = cases(made.toReversed(), expectDestroyConverges);
    test.each(all)("%s", (resource, victim, next) => killAtDestroy(victim, resource, next));
  });
});

test("awsx killed at the VPC's component: nothing is lost or doubled", () =>
  killAtCreate("awsx", "awsx:ec2:Vpc hono-app"));

// What puts things right is the same before every command; here with no refresh in between.
describe("killed in an up, the next destroy leaves nothing", () => {
  test.each([
    ["engine", "aws:ec2:Instance hono-app-graviton"],
    ["program", "docker-build:index:Image hono-app"],
    ["aws", "aws:ecr:Repository hono-app"],
    ["docker-build", "docker-build:index:Image hono-app"],
  ] as const)("%s at %s", async (victim, resource) => {
    await nothing();
    await killAtCreate(victim, resource, expectDestroyConverges);
  });
});

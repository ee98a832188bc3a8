import { describe, expect, test } from "vitest";
import { succeed } from "../e2e/stack.ts";
import { nothing } from "./faults.ts";
import { killAtCreate, killAtDestroy, killAtUpdate, resources, updates, victimsOf } from "./kill.ts";

// In this order each case begins where the one before it ends, which saves it a command; in any other one it is only slower.

describe("the engine is killed, the next command converges", () => {
  describe.each(resources)("%s", (resource) => {
    test("in an up that makes it", () => killAtCreate("engine", resource));
    test("in a destroy that deletes it", () => killAtDestroy("engine", resource));
  });
});

const others = resources.flatMap((resource) => {
  const victims = victimsOf(resource).filter((victim) => victim !== "engine");
  return victims.map((victim) => [victim, resource] as const);
});

describe("killed in an up that makes the stack, the next destroy leaves nothing", () => {
  test.each(others)("%s at %s", (victim, resource) => killAtCreate(victim, resource));
  test("awsx at the VPC's component", () => killAtCreate("awsx", "awsx:ec2:Vpc hono-app"));
});

test("the sweep knows every resource of the stack", async () => {
  await nothing();
  const made = [...(await succeed("up")).matchAll(/^ \+ {2}(\S+ \S+) created \(/gm)].map(([, step]) => step);
  const notSwept = /^(?:awsx|pulumi):/; // components, which only the program makes
  expect(new Set(made.filter((step = "") => !notSwept.test(step)))).toEqual(new Set(resources));
});

describe("killed in a destroy, the next up makes what is gone anew", () => {
  test.each(others)("%s at %s", (victim, resource) => killAtDestroy(victim, resource));
});

describe("killed in an up that replaces the machines, the old ones serve and the next up converges", () => {
  const cases = updates.flatMap((step) => victimsOf(step).map((victim) => [victim, step] as const));
  test.each(cases)("%s at %s", (victim, step) => killAtUpdate(victim, step));
});

import { describe, expect, test } from "vitest";
import { succeed } from "../e2e/stack.ts";
import { killAtCreate, killAtDestroy, killAtUpdate, resources, updates, victimsOf } from "./kill.ts";

const cases = (steps: readonly string[]) =>
  steps.flatMap((step) => victimsOf(step).map((victim) => [victim, step] as const));

describe("killed in an up that makes the stack, the next command converges", () => {
  test.each(cases(resources))("%s at %s", (victim, step) => killAtCreate(victim, step));
  test("awsx at the VPC's component", () => killAtCreate("awsx", "awsx:ec2:Vpc hono-app"));
});

describe("killed in an up that replaces the machines, the old ones serve and the next up converges", () => {
  test.each(cases(updates))("%s at %s", (victim, step) => killAtUpdate(victim, step));
});

describe("killed in a destroy, the next command converges", () => {
  test.each(cases(resources))("%s at %s", (victim, step) => killAtDestroy(victim, step));
});

test("the sweep knows every resource of the stack", async () => {
  await succeed("destroy");
  const made = [...(await succeed("up")).matchAll(/^ \+ {2}(\S+ \S+) created \(/gm)].map(([, step]) => step);
  const notSwept = /^(?:awsx|pulumi):/; // components, which only the program makes
  expect(new Set(made.filter((step = "") => !notSwept.test(step)))).toEqual(new Set(resources));
});

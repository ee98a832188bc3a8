import { describe, expect, test } from "vitest";
import { succeed } from "../e2e/stack.ts";
import { expectDestroyConverges, expectUpConverges, nothing, standing } from "./faults.ts";
import { killAtCreate, killAtDestroy, killAtUpdate, resources, updates, victimsOf } from "./kill.ts";

// Each case begins with what the one before it has left, as far as it can; in any other order it is only slower.

const cases = (steps: readonly string[]) =>
  steps.flatMap((step) => victimsOf(step).map((victim) => [victim, step] as const));

describe("killed in an up that makes a resource, nothing is lost or doubled", () => {
  test.each(cases(resources))("%s at %s", (victim, resource) => killAtCreate(victim, resource));
  test("the next up makes the rest", async () => void (await expectUpConverges()));
  test("awsx at the VPC's component", () => killAtCreate("awsx", "awsx:ec2:Vpc hono-app"));
});

describe("killed in a destroy that deletes a resource, nothing is lost or doubled", () => {
  const backwards = ["engine", "program", "provider"].flatMap((who, index) =>
    resources.toReversed().map((resource) => [who, resource, victimsOf(resource)[index] ?? "engine"] as const),
  );
  test.each(backwards)("%s at %s", (_, resource, victim) => killAtDestroy(victim, resource));
  test("the next destroy deletes the rest", expectDestroyConverges);
});

// What puts things right is the same before every command; here with no refresh in between.
describe("killed, the next up converges", () => {
  test.each([
    ["engine", "docker-build:index:Image hono-app"],
    ["program", "aws:ec2:Subnet hono-app-public-2"],
    ["aws", "aws:ec2:Instance hono-app-intel"],
    ["dynamic", "pulumi-nodejs:dynamic/hono-app:Verification hono-app-graviton"],
  ] as const)("%s at %s creating", async (victim, resource) => {
    await nothing();
    await killAtCreate(victim, resource, async () => void (await expectUpConverges()));
  });
  test.each([
    ["engine", "aws:iam:InstanceProfile hono-app"],
    ["program", "aws:ec2:Instance hono-app-graviton"],
    ["aws", "aws:ec2:Vpc hono-app"],
  ] as const)("%s at %s deleting", async (victim, resource) => {
    await standing();
    await killAtDestroy(victim, resource, async () => void (await expectUpConverges()));
  });
});

describe("killed, the next destroy leaves nothing", () => {
  test.each([
    ["engine", "aws:ec2:Instance hono-app-graviton"],
    ["program", "docker-build:index:Image hono-app"],
    ["aws", "aws:ecr:Repository hono-app"],
    ["docker-build", "docker-build:index:Image hono-app"],
  ] as const)("%s at %s creating", async (victim, resource) => {
    await nothing();
    await killAtCreate(victim, resource, expectDestroyConverges);
  });
  test.each([
    ["engine", "aws:ec2:FlowLog hono-app"],
    ["program", "aws:iam:Role hono-app"],
    ["aws", "aws:ec2:Subnet hono-app-public-1"],
  ] as const)("%s at %s deleting", async (victim, resource) => {
    await standing();
    await killAtDestroy(victim, resource, expectDestroyConverges);
  });
});

test("the sweep knows every resource of the stack", async () => {
  await nothing();
  const made = [...(await succeed("up")).matchAll(/^ \+ {2}(\S+ \S+) created \(/gm)].map(([, step]) => step);
  const notSwept = /^(?:awsx|pulumi):/; // components, which only the program makes
  expect(new Set(made.filter((step = "") => !notSwept.test(step)))).toEqual(new Set(resources));
});

describe("killed in an up that replaces the machines, the old ones serve and the next up converges", () => {
  test.each(cases(updates))("%s at %s", (victim, step) => killAtUpdate(victim, step));
});

import { test } from "vitest";
import { expectDestroyConverges, expectUpConverges } from "../faults/faults.ts";
import { killAtCreate, killAtDestroy, killAtUpdate } from "../faults/kill.ts";

// Three of the steps that `npm run test:faults` goes through one by one; each leaves something that only the machinery for it puts right.

test("the provider killed while it makes subnets: the next command leaves none that the state does not know", () =>
  killAtCreate("aws", "aws:ec2:Subnet hono-app-public-1", expectDestroyConverges));

test("the engine killed while it replaces a machine: the old ones serve, the next up leaves no third", () =>
  killAtUpdate("engine", "aws:ec2:Instance hono-app-intel creating replacement"));

test("the program killed in a destroy: the next up makes what is gone anew", () =>
  killAtDestroy("program", "aws:ec2:SecurityGroup hono-app", async () => void (await expectUpConverges())));

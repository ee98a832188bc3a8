import { describe, test } from "vitest";
import { ensureDestroyed, expectDestroyConverges, expectUpConverges } from "../support/faults.ts";
import { casesOf, killAtCreate, madeByProviders, victims } from "../support/kill.ts";

const resources = await madeByProviders();

describe.each(victims)("%s killed in an up that creates a resource: nothing is lost or duplicated", (who) => {
  test.each(casesOf(who, resources, async () => void (await expectUpConverges())))("%s", (resource, victim, next) =>
    killAtCreate(victim, resource, next),
  );
});

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

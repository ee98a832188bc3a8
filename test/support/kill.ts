import { expect } from "vitest";
import type { StateResource } from "../../local/stack.ts";
import {
  commandLines,
  engineProcesses,
  ensureDeployed,
  ensureRecovered,
  expectConsistent,
  expectUpConverges,
  killed,
  type Victim,
  withNewRelease,
} from "./faults.ts";
import { expectServing, type Result, state, succeed } from "./stack.ts";

/** How the engine's output names a resource: it leaves out the file of a type, as in aws:ec2/vpc:Vpc. */
function nameOf({ type, urn }: StateResource): string {
  const short = type.replace(/\/(\w+):(\w+)$/, (all, file, noun) =>
    file.toLowerCase() === noun.toLowerCase() ? `:${noun}` : all,
  );
  return `${short} ${urn.split("::").at(-1)}`;
}

/** The resources that a provider makes, in the order in which they are made: read from the state, so that none is forgotten. */
export async function madeByProviders(): Promise<string[]> {
  await ensureDeployed();
  return state()
    .resources.filter(({ custom, type }) => custom && !type.startsWith("pulumi:"))
    .map(nameOf);
}

/** What an `up` after an edit of the app does to them: read from a preview of one. */
export async function updates(): Promise<string[]> {
  await ensureDeployed();
  const preview = await withNewRelease(() => succeed("preview"));
  const verbs = {
    update: "updating",
    "create replacement": "creating replacement",
    "delete original": "deleting original",
  };
  const lines = preview.matchAll(/^ (?:~ |\+\+|--) +(\S+ \S+) (update|create replacement|delete original)\b/gm);
  return [...new Set([...lines].map(([, resource, verb]) => `${resource} ${verbs[verb as keyof typeof verbs]}`))];
}

/** The provider is the resource's own; the program is the command that started the engine. */
export const victims = ["engine", "provider", "program"] as const;

/**
 * The steps at which one of them is killed. Steps that differ in the resource's name alone are one to the code that takes them: the engine
 * and the provider take turns. The program has no part in a step, and its engine goes on: one step of each provider is enough.
 */
export function shareOf(steps: readonly string[], who: (typeof victims)[number]): string[] {
  const alike = Object.groupBy(steps, (step) => step.replace(who === "program" ? /:.*/ : / \S+/, ""));
  return Object.values(alike).flatMap((group = []) => {
    // In the middle: something is done before, and something is left.
    if (who === "program") return group.slice(group.length / 2).slice(0, 1);
    const share = group.filter((_, index) => index % 2 === victims.indexOf(who));
    return share.length > 0 ? share : group.slice(0, 1);
  });
}

export function victimOf(who: (typeof victims)[number], step: string): Victim {
  if (who !== "provider") return who;
  return step.startsWith("aws:") ? "aws" : step.startsWith("docker-build:") ? "docker-build" : "dynamic";
}

const at = (step: string) => new RegExp(`${step} `);

/** A command whose program was killed can say nothing any more; any other says who ended, and how. */
async function expectFailure(victim: Victim, step: string, { status, output }: Result): Promise<void> {
  // A provider may have done its part between the line and the kill; then nothing has failed.
  const [resource = ""] = step.split(/ (?:creating|updating|deleting)/);
  if (status === 0 && victim !== "engine" && victim !== "program") {
    expect(output).toMatch(new RegExp(`${at(resource).source}(?:created|updated|deleted)`));
    return;
  }
  expect(status).toBe(victim === "program" ? null : 1);
  if (victim === "engine") {
    expect(output).toMatch(/the engine was ended by SIGKILL.*run .* again/s);
    // Without their engine the program and the local cloud's providers end by themselves. docker-build, the real one, does not.
    const left = () => engineProcesses().filter(({ command }) => !commandLines["docker-build"].test(command));
    await expect.poll(left, { timeout: 60_000 }).toEqual([]);
  } else if (victim !== "program")
    expect(output).toMatch(/exited prematurely|error reading from server|connection error/);
}

/** After the refresh that follows a kill nothing is lost, duplicated or pending. */
async function expectRecovered(): Promise<void> {
  await succeed("refresh");
  await expectConsistent();
}

/**
 * At which resources one is killed, and what follows: a refresh; after the last one another `up` or `destroy`. Each case starts from what the
 * one before it left; in any other order they are only slower.
 */
export function casesOf(who: (typeof victims)[number], resources: readonly string[], last: () => Promise<void>) {
  const share = shareOf(resources, who);
  return share.map((name) => [name, victimOf(who, name), name === share.at(-1) ? last : expectRecovered] as const);
}

/** Killed while it makes a resource; what there was before stays. */
export async function killAtCreate(victim: Victim, resource: string, expectNext = expectRecovered): Promise<void> {
  await ensureRecovered();
  if (has(resource)) await succeed("destroy");
  const step = `${resource} creating`;
  await expectFailure(victim, step, await killed(victim, at(step), "up"));
  await expectNext();
}

/** Killed while a release replaces the machines: the old ones serve until they are deleted, and the next `up` does the rest. */
export async function killAtUpdate(
  victim: Victim,
  step: string,
  releasing: (work: () => Promise<void>) => Promise<void> = withNewRelease,
): Promise<void> {
  const before = await ensureDeployed();
  await releasing(async () => {
    await expectFailure(victim, step, await killed(victim, at(step), "up"));
    // Without the program its engine goes on, until the next command ends it: by then the new machines may have taken over.
    if (victim !== "program" && !step.endsWith("deleting original")) await expectServing(before);
    const after = await expectUpConverges();
    expect(after.imageRef).not.toBe(before.imageRef);
  });
}

export async function killAtDestroy(victim: Victim, resource: string, expectNext = expectRecovered): Promise<void> {
  await ensureRecovered();
  // The machines take the longest, and are made only where they are what is deleted.
  const machines = /:(?:Instance|Verification|Group|GroupVerification|Rollout) /;
  const first = /aws:(?:ec2:Instance|autoscaling:Group) \S+ creating/;
  if (!has(resource) && !machines.test(resource)) await killed("engine", first, "up");
  if (!has(resource)) await succeed("up");
  const step = `${resource} deleting`;
  await expectFailure(victim, step, await killed(victim, at(step), "destroy"));
  await expectNext();
}

/** Whether the state has a resource, as the engine's output names it. */
const has = (resource: string) => state().resources.some((each) => nameOf(each) === resource);

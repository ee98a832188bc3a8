import { setTimeout as wait } from "node:timers/promises";
import { AutoScaling } from "@aws-sdk/client-auto-scaling";
import { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect } from "vitest";
import { type MachineName, machineNames } from "../../components/architecture.ts";
import type { GroupProof } from "../../components/group-proof.ts";
import { ask, aws, configured, isDeployed, node, type Outputs, outputs, succeed } from "./stack.ts";

export const scaling = new AutoScaling(aws);
export const balancing = new ElasticLoadBalancingV2(aws);

/** What a stack's outputs say of the machines of one architecture. */
export interface Group {
  readonly group: string;
  readonly type: string;
  readonly machines: GroupProof["machines"];
}

export type FleetOutputs = Omit<Outputs, MachineName> & Record<MachineName, Group> & { readonly url: string };

export const fleetOutputs = (): FleetOutputs => outputs() as unknown as FleetOutputs;

/** The ids of every machine of a fleet. */
export const idsOf = (fleet: FleetOutputs): string[] =>
  machineNames.flatMap((name) => fleet[name].machines.map(({ id }) => id)).sort();

/** Does the work with `fleet` set, and with more settings. */
export const withFleet = <T>(work: () => Promise<T>, more: Readonly<Record<string, string>> = {}): Promise<T> =>
  configured({ fleet: "true", ...more }, work);

/** Deploys the fleet as the clone defines it, unless it is deployed. Only inside a {@link withFleet}. */
export async function fleetDeployed(): Promise<FleetOutputs> {
  if (!(await isDeployed())) await succeed("up");
  return fleetOutputs();
}

/** What people at an address got while something else went on. */
interface Load {
  readonly failed: string[];
  readonly digests: Set<string>;
  asked: number;
}

/** Asks at an address without a break, four requests at a time, while `work` runs. */
export async function underLoad<T>(url: string, work: (load: Load) => Promise<T>): Promise<{ result: T; load: Load }> {
  const load: Load = { failed: [], digests: new Set(), asked: 0 };
  let isOver = false;
  const person = async () => {
    while (!isOver) {
      load.asked++;
      await ask(url).then(
        ({ image }) => load.digests.add(image.digest),
        (error: Error) => load.failed.push(`${new Date().toISOString()} ${error.message}`),
      );
      await wait(20);
    }
  };
  const people = Promise.all(Array.from({ length: 4 }, person));
  try {
    const result = await work(load);
    return { result, load };
  } finally {
    isOver = true;
    await people;
  }
}

/**
 * Brings the stack up and, until its output matches, asks at every address in turn, where each request must be answered.
 * Returns who answered where.
 */
export async function upServing(urls: readonly string[], until: RegExp): Promise<{ url: string; id: string }[]> {
  const answered: { url: string; id: string }[] = [];
  const failed: string[] = [];
  let isOver = false;
  const onOutput = (output: string) => {
    isOver ||= until.test(output);
  };
  const up = node("cli/local.ts", ["up"], { onOutput }).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    for (const url of urls) {
      const answer = await ask(url).catch((error: Error) => error);
      // A request that was open while the output came to match may have met the end of what served.
      if (isOver) break;
      if (answer instanceof Error) failed.push(`${url}: ${answer.message}`);
      else answered.push({ url, id: answer.machine.instanceId });
    }
    await wait(20);
  }
  const { status, output } = await up;
  expect(status, output).toBe(0);
  expect(output).toMatch(until);
  expect(failed).toEqual([]);
  return answered;
}

/** Which machines and architectures answer at an address: of so many requests that none of a few machines is missed. */
export async function answeringAt(url: string): Promise<{ ids: string[]; architectures: string[] }> {
  const reports = await Promise.all(Array.from({ length: 60 }, () => ask(url)));
  const list = (values: string[]) => [...new Set(values)].sort();
  return {
    ids: list(reports.map(({ machine }) => machine.instanceId)),
    architectures: list(reports.map(({ machine }) => machine.architecture)),
  };
}

/** The launch template version that a group launches, and those of its machines in service. */
export async function versionsOf(group: string): Promise<{ group?: string; machines: (string | undefined)[] }> {
  const { AutoScalingGroups = [] } = await scaling.describeAutoScalingGroups({ AutoScalingGroupNames: [group] });
  const { LaunchTemplate, Instances = [] } = AutoScalingGroups[0] ?? {};
  const inService = Instances.filter(({ LifecycleState }) => LifecycleState === "InService");
  return { group: LaunchTemplate?.Version, machines: inService.map((each) => each.LaunchTemplate?.Version) };
}

/** The groups have these machines in service and no others, and they answer. */
export async function expectFleetServing(fleet: FleetOutputs): Promise<void> {
  expect(await answeringAt(fleet.url)).toEqual({ ids: idsOf(fleet), architectures: ["aarch64", "x86_64"] });
}

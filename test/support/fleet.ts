import { setTimeout as wait } from "node:timers/promises";
import { AutoScaling } from "@aws-sdk/client-auto-scaling";
import { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Unwrap } from "@pulumi/pulumi";
import { expect } from "vitest";
import { type MachineName, machineNames } from "../../components/architecture.ts";
import type { MachineGroup } from "../../components/machine-group.ts";
import type { RunOptions } from "../../tools/process.ts";
import { ask, aws, configured, isDeployed, node, type Outputs, outputs, succeed, successful } from "./stack.ts";

export const scaling = new AutoScaling(aws);
export const balancing = new ElasticLoadBalancingV2(aws);

type Group = Unwrap<MachineGroup["summary"]>;
export type FleetOutputs = Omit<Outputs, MachineName> & Record<MachineName, Group> & { readonly url: string };

export const fleetOutputs = (): FleetOutputs => outputs() as unknown as FleetOutputs;

export const idsOf = (fleet: FleetOutputs): string[] =>
  machineNames.flatMap((name) => fleet[name].machines.map(({ id }) => id)).sort();

/** Does the work with `fleet` set, and with more settings. */
export const withFleet = <T>(work: () => Promise<T>, more: Readonly<Record<string, string>> = {}): Promise<T> =>
  configured({ fleet: "true", ...more }, work);

/** Deploys the fleet as the clone defines it, unless it is deployed. Only inside a {@link withFleet}. */
export async function fleetDeployed(): Promise<FleetOutputs> {
  if (!isDeployed()) await succeed("up");
  return fleetOutputs();
}

/** What people at some addresses got while something else went on. */
interface Load {
  /** What begins after it was replaced counts there. */
  failed: string[];
  readonly digests: Set<string>;
  /** Each address with the ids of who answered there. */
  readonly answered: Set<string>;
  asked: number;
  /** Set by the work where it counts no longer. */
  isOver: boolean;
}

/** Asks at one address, or at several, without a break, four requests at a time, while `work` runs. Every request has to be answered. */
export async function underLoad<T>(
  urls: string | readonly string[],
  work: (load: Load) => Promise<T>,
): Promise<{ result: T; load: Load }> {
  const load: Load = { failed: [], digests: new Set(), answered: new Set(), asked: 0, isOver: false };
  let hasEnded = false;
  const person = async (url: string) => {
    while (!hasEnded) {
      load.asked++;
      const { failed } = load;
      const answer = await ask(url).catch((error: Error) => error);
      // A request that was open while it came to be over may have met the end of what served.
      if (load.isOver) return;
      if (answer instanceof Error) failed.push(`${new Date().toISOString()} ${url}: ${answer.message}`);
      else {
        load.digests.add(answer.image.digest);
        load.answered.add(`${url} ${answer.machine.instanceId}`);
      }
      await wait(20);
    }
  };
  const addresses = [urls].flat();
  const people = Promise.all([0, 1, 2, 3].map((each) => person(addresses[each % addresses.length] as string)));
  const result = await work(load).finally(() => {
    hasEnded = true;
  });
  await people;
  expect(load.failed).toEqual([]);
  return { result, load };
}

const localUp = (options: RunOptions) => node("cli/local.ts", ["up"], options);

/** Brings the stack up; until its output matches, each request at every address must be answered. @returns That output, too. */
export async function upServing(urls: readonly string[], until: RegExp, up = localUp) {
  const { result, load } = await underLoad(urls, (load) => {
    const onOutput = (output: string) => {
      load.isOver ||= until.test(output);
    };
    return successful(up({ onOutput }));
  });
  expect(load.isOver, result.output).toBe(true);
  return { load, output: result.output };
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

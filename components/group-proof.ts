import type * as pulumi from "@pulumi/pulumi";
import {
  connectFleet,
  describeMachines,
  describeMember,
  evidenceOf,
  type FleetApi,
  type Group,
  type Health,
  type Member,
  noLaunch,
  userDataFailure,
} from "./fleet-api.ts";
import { show, withRemedy } from "./messages.ts";
import { askForReport, askOnce, check, type Proof, type ProofArgs, timeoutHint } from "./proof.ts";

export interface GroupProofArgs extends ProofArgs {
  /** The load balancer's own name. */
  address: pulumi.Input<string>;
  /** Name that people use, which the certificate must be for. @default none: HTTP, under the load balancer's own name */
  domain?: string;
  groupName: pulumi.Input<string>;
  /** Target group that the machines are registered with. */
  targetGroupArn: pulumi.Input<string>;
  /** Launch template and version that every machine must be of, as `lt-…:3`. */
  template: pulumi.Input<string>;
}

/** What was found to be true of a group's machines. */
export interface GroupProof {
  /** Architecture of the image that every machine pulled. */
  readonly image: string;
  /** In the order of their ids. */
  readonly machines: readonly { readonly id: string; readonly zone: string; readonly proof: Proof }[];
}

/** What the engine hands to a provider that proves a group. */
type Inputs = pulumi.Unwrap<GroupProofArgs>;

export interface ProveGroupOptions extends Pick<Inputs, "expected" | "template" | "timeout"> {
  /** Asks any machine behind the load balancer for its report, over a new connection. */
  readonly ask: (nonce: string) => Promise<unknown>;
  /** Whether scaling may add machines meanwhile: one that is not healthy yet is left out, as long as enough are. @default false */
  readonly isScaling?: boolean;
}

/** Proves a group by what the engine was given. @throws As {@link proveGroup}, with the group's name and address. */
export async function prove(inputs: Inputs, timeout = inputs.timeout, isScaling = false): Promise<GroupProof> {
  const { address, domain } = inputs;
  const ask = (nonce: string) => askForReport(address, domain, nonce);
  try {
    return await proveGroup(await connectFleet(inputs), { ...inputs, ask, timeout, isScaling });
  } catch (error) {
    throw new Error(`${inputs.groupName} behind ${domain ?? address} failed verification: ${(error as Error).message}`);
  }
}

export const releaseFailed = withRemedy('docs/troubleshooting.md, "A release of a fleet failed"');

/** Requests sent at once: as many as there are machines, since the load balancer picks the one that answers, within these bounds. */
const parallel = { least: 8, most: 64 };

/**
 * Asks through the load balancer until every machine of the group has answered, each with the nonce of its question. Machines come and go
 * meanwhile: those in service at the end count, of which there must be at least the group's minimum.
 *
 * @throws Error that names every machine that did not prove itself, and why: at once when one contradicts an expectation, when its user data
 * has failed, or when a machine of no group answers; otherwise after the time-out.
 */
export async function proveGroup(api: FleetApi, options: ProveGroupOptions): Promise<GroupProof> {
  const { expected, template, timeout, isScaling } = options;
  const begun = new Date();
  const seconds = () => Math.round((Date.now() - begun.getTime()) / 1000);
  const proven = new Map<string, string>();
  let strangers: readonly string[] = [];
  let nextConsole = 15;
  let last = "";
  for (;;) {
    const [group, health] = await Promise.all([api.group(), api.health()]);
    const isHealthy = ({ id }: Member) => health[id]?.state === "healthy";
    const isNew = (member: Member) => isOf(member, group, template);
    const isProven = (member: Member) => proven.has(member.id) && isNew(member);
    // It may only have been on its way into the group when it answered, or out of it.
    const isStranger = (id: string) =>
      health[id]?.state !== "draining" && !group.members.some((member) => member.id === id);
    const stranger = strangers.find(isStranger);
    if (stranger)
      throw new Error(
        `${stranger} answers behind the load balancer, but belongs to no Auto Scaling group of this stack`,
      );

    const serving = group.members.filter((each) => each.state === "InService" && (!isScaling || isHealthy(each)));
    if (serving.length >= group.min && serving.every(isProven)) {
      const proofOf = (id: string) => ({ ...expected, instanceId: id, verifiedAt: proven.get(id) as string });
      const machines = serving.map(({ id, zone }) => ({ id, zone, proof: proofOf(id) }));
      return { image: expected.image, machines: machines.sort((a, b) => (a.id < b.id ? -1 : 1)) };
    }

    const missing = group.members.filter((member) => !isProven(member));
    const isLate = seconds() >= timeout;
    if (isLate || seconds() >= nextConsole) {
      const counted = serving.length < group.min && `${serving.length} machines in service, ${group.min} needed`;
      const states = missing.map((member) => describeMember(member, group, health, template));
      const answered = last + timeoutHint(last, ": the load balancer does not answer; ");
      const summary = [counted, ...states, answered].filter(Boolean).join("; ");
      const waiting = missing.filter((member) => isNew(member) && !isHealthy(member)).map(idOf);
      // A launch that failed in one zone may have succeeded in another.
      const isShort = waiting.length === 0 && group.members.filter(isNew).length < group.min;
      const problem = isLate
        ? `time-out after ${timeout} s`
        : ((await userDataFailure(api, waiting, seconds())) ?? (isShort ? await noLaunch(api, begun) : undefined));
      if (problem !== undefined) {
        throw new Error(`${problem}; ${summary}\n${await evidenceOf(api, missing.map(idOf), begun)}`.trimEnd());
      }
      show(`not proven after ${seconds()} s, asking until ${timeout} s: ${summary}`);
      nextConsole = seconds() + 15;
    }

    const isWorthAsking = missing.some((member) => isHealthy(member) && !proven.has(member.id));
    const found = isWorthAsking ? await askAround(api, options, group, health, proven) : undefined;
    strangers = found?.strangers ?? [];
    last = found?.last || last;
    await new Promise((resolve) => setTimeout(resolve, isWorthAsking ? 100 : 1000));
  }
}

/**
 * Asks the machines that the load balancer picks, and adds to `proven` those that have proven themselves.
 *
 * @returns `strangers` are in no group; `last` is why the last one that did not answer, or is of this group, has not proven itself.
 */
async function askAround(
  api: FleetApi,
  { ask, expected, template }: ProveGroupOptions,
  group: Group,
  health: Readonly<Record<string, Health>>,
  proven: Map<string, string>,
) {
  const strangers: string[] = [];
  let last = "";
  const length = Math.min(parallel.most, Math.max(parallel.least, Object.keys(health).length));
  for (const { report, nonce, problem } of await Promise.all(Array.from({ length }, () => askOnce(ask)))) {
    if (problem !== undefined) last = problem;
    const { instanceId: id, architecture } = machineOf(report);
    if (typeof id !== "string" || proven.has(id)) continue;
    const member = group.members.find((each) => each.id === id);
    // The other group's are of the other architecture.
    if (!member && architecture === expected.machine) strangers.push(id);
    if (!member) continue;
    const { own, problems } = check(report, { ...expected, instanceId: id }, nonce);
    if (problems.length === 0) proven.set(id, new Date().toISOString());
    else if (own && isOf(member, group, template))
      throw new Error(`${problems.join("; ")}; ${await describeMachines(api, [id])}`);
    else last = `${id}: ${problems.join("; ")}`;
  }
  return { strangers, last };
}

/** Whether a machine is of this version, and in a zone that the group launches in. */
const isOf = (member: Member, { zones }: Group, template: string) =>
  member.template === template && zones.includes(member.zone);

const idOf = ({ id }: Member) => id;

const machineOf = (report: unknown): { instanceId?: unknown; architecture?: unknown } =>
  (report as { machine?: object | null } | null)?.machine ?? {};

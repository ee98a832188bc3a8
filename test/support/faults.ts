import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { filesOf } from "../../local/cloud.ts";
import { runningPid } from "../../local/daemon.ts";
import { every, liveInstances } from "../../local/lists.ts";
import { type Listed, orGone } from "../../local/providers/aws/provider.ts";
import { resources, type Token } from "../../local/providers/aws/rows.ts";
import { isOurs } from "../../local/recovery/recover.ts";
import { pidFileOf } from "../../local/services/ec2/engine.ts";
import { processes } from "../../tools/processes.ts";
import "./as-root.ts";
import { expectFleetServing, type FleetOutputs } from "./fleet.ts";
import {
  cloud,
  describeInstances,
  ec2,
  edited,
  expectServing,
  imagesOf,
  isServing,
  node,
  type Outputs,
  outputs,
  type Result,
  releasedEdit,
  state,
  succeed,
  tagOf,
} from "./stack.ts";

/** The process that is killed. */
export type Victim = "engine" | "program" | "aws" | "docker-build" | "dynamic";

export const commandLines: Record<Exclude<Victim, "program">, RegExp> = {
  engine: /^pulumi (?:up|destroy|refresh)/,
  aws: /local\/providers\/aws\/main\.ts/,
  "docker-build": /pulumi-resource-docker-build/,
  dynamic: /cmd\/dynamic-provider/,
};

/** Processes of this cloud's engine and its providers, of every command. */
export function engineProcesses(): { pid: number; command: string }[] {
  const commands = processes()
    .filter((each) => isOurs(cloud, each))
    .map(({ pid, read }) => ({ pid, command: read("cmdline").replaceAll("\0", " ").trim() }));
  return commands.filter(({ command }) => command !== ""); // without a command line it is a zombie
}

/** Runs a command and does something once its output matches. */
export async function when(pattern: RegExp, act: (pid: number) => unknown, ...command: string[]): Promise<Result> {
  let acted: Promise<unknown> | undefined;
  const onOutput = (output: string, pid: number) => {
    if (acted || !pattern.test(output)) return;
    acted = (async () => act(pid))();
    acted.catch(() => {}); // it is awaited after the command
  };
  const result = await node("cli/local.ts", command, { onOutput });
  if (!acted) throw new Error(`${command.join(" ")} ended and never printed ${pattern}\n${result.output}`);
  await acted;
  return result;
}

/** Runs a command and kills the victim once the command's output matches. */
export function killed(victim: Victim, pattern: RegExp, ...command: string[]): Promise<Result> {
  return when(pattern, (program) => send("SIGKILL", victim === "program" ? [program] : pidsOf(victim)), ...command);
}

/** Ctrl-C: a terminal signals the program and its engine; providers are in process groups of their own. */
export function interrupt(program: number): void {
  send("SIGINT", [program, ...pidsOf("engine")]);
}

function send(signal: "SIGKILL" | "SIGINT", pids: number[]): void {
  for (const pid of pids) process.kill(pid, signal);
}

function pidsOf(victim: Exclude<Victim, "program">): number[] {
  const victims = engineProcesses().filter(({ command }) => commandLines[victim].test(command));
  if (victims.length === 0) throw new Error(`no process of ${victim} runs: there is nothing to kill`);
  return victims.map(({ pid }) => pid);
}

/** Ids of what AWS's API has beyond what every account has, by their type. */
export async function inventory(): Promise<Record<string, string[]>> {
  const tokens = Object.keys(resources) as Token[];
  const lists = await Promise.all(tokens.map(async (token) => [token, await resources[token].list()] as const));
  const found = Object.fromEntries(lists) as Record<Token, Listed[]>;
  const idsOf = (list: Listed[]) => list.map(({ id }) => id);
  const byDefault = found["aws:ec2/vpc:Vpc"].find(({ item }) => item.isDefault)?.id;
  const defaultGroups = idsOf(found[defaultGroup]);
  const isOwn = ({ item }: Listed) =>
    item.vpcId !== byDefault && !(item.securityGroupRuleId && defaultGroups.includes(item.groupId));
  const ids = Object.fromEntries(lists.map(([type, list]) => [type, idsOf(list.filter(isOwn))]));
  ids[defaultGroup] = [];
  // A group's machines, too, which belong to no resource of the state.
  ids[instance] = (await liveInstances(ec2)).map(({ InstanceId = "" }) => InstanceId);
  // An interface is listed by its instance: each has one, and none is left behind. moto, unlike AWS, keeps the interface of an instance
  // that was terminated by hand even after its subnet is gone.
  const interfaces = await every(ec2.paginateDescribeNetworkInterfaces({}), (page) => page.NetworkInterfaces);
  const subnets = idsOf(found["aws:ec2/subnet:Subnet"]);
  // Those of NAT gateways, endpoints and load balancers go with these.
  const others = [
    ...found["aws:ec2/natGateway:NatGateway"].flatMap(({ item }) => item.natGatewayAddresses ?? []),
    ...found["aws:ec2/vpcEndpoint:VpcEndpoint"].flatMap(({ item }) => item.networkInterfaceIds ?? []),
    ...found["aws:lb/loadBalancer:LoadBalancer"].map(({ id }) => id.replace(/.*:loadbalancer\//, "ELB ")),
  ].map((each) => each.networkInterfaceId ?? each);
  const within = interfaces.filter(
    ({ SubnetId = "", NetworkInterfaceId, Description }) =>
      subnets.includes(SubnetId) && !others.includes(NetworkInterfaceId) && !others.includes(Description),
  );
  return sorted({ ...ids, NetworkInterface: within.map(({ Attachment }) => Attachment?.InstanceId) });
}

/** Without the types of which there is nothing. */
function sorted(ids: Record<string, (string | undefined)[] | undefined>): Record<string, string[]> {
  const entries = Object.entries(ids).map(([type, list = []]) => [type, list.map(String).sort()] as const);
  return Object.fromEntries(entries.filter(([, list]) => list.length > 0));
}

const hasFleet = () => state().resources.some(({ type }) => type === "aws:autoscaling/group:Group");

/** Whether the last command that changed the stack succeeded, so that the state is complete. */
const isFinished = () => !existsSync(join(cloud.dir, "unfinished"));

export async function ensureRecovered(): Promise<void> {
  if (!isFinished()) await succeed("refresh");
}

/** Deploys the stack unless some release of it serves; after most tests that costs no command. */
export async function ensureDeployed(): Promise<Outputs> {
  if (!isFinished() || state().resources.length === 0 || !(await isServing(outputs()))) await succeed("up");
  return outputs();
}

export async function ensureDestroyed(): Promise<void> {
  if (!isFinished() || state().resources.length > 0) await succeed("destroy");
}

/** The machines of groups in the state. */
async function membersOf(groups: readonly string[]): Promise<string[]> {
  if (groups.length === 0) return [];
  const found = await resources["aws:autoscaling/group:Group"].list();
  const instances = found.filter(({ id }) => groups.includes(id)).flatMap(({ item }) => item.instances ?? []);
  return instances.map(({ instanceId }: { instanceId: string }) => instanceId);
}

/** The same of the state, and of what its groups launched. A type that the inventory does not know makes the two differ. */
async function recorded(): Promise<Record<string, string[]>> {
  const made = state().resources.filter(({ custom, type }) => custom && type.startsWith("aws:"));
  const known = Object.entries(Object.groupBy(made, ({ type }) => type)).map(([type, list = []]) => [
    type,
    list.map(({ id }) => id),
  ]);
  const ids: Record<string, string[]> = Object.fromEntries(known);
  const machines = [...(ids[instance] ?? []), ...(await membersOf(ids["aws:autoscaling/group:Group"] ?? []))];
  return sorted({ ...ids, [instance]: machines, [defaultGroup]: [], NetworkInterface: machines });
}

const instance = "aws:ec2/instance:Instance";
/** Left out of the comparison: every VPC has one, whether the state has it yet or not. */
const defaultGroup = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup";

/** What this host has of the cloud's machines. */
function onHost(): { folders: string[]; engines: string[]; userData: string[]; bridges: number } {
  const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  const host = ["--host", `unix://${cloud.run}/docker.sock`];
  const userData = execFileSync("docker", [...host, "ps", "--all", "--format", "{{.Names}}"], { encoding: "utf8" });
  const interfaces = JSON.parse(execFileSync("ip", ["-json", "address"]).toString()) as {
    addr_info?: { local?: string }[];
  }[];
  // A machine's bridge has an address that is made from its machine's: 240.0.0.0/4, then the cloud's own number.
  const block = 0xf00 + Number(cloud.prefix.split(".")[1]);
  const isOurs = ({ local = "" }) => {
    const [first = 0, second = 0] = local.split(".").map(Number);
    return first * 16 + (second >> 4) === block;
  };
  return {
    folders: list(join(cloud.dir, "machines")).sort(),
    engines: list(cloud.run)
      .filter((name) => name.startsWith("i-"))
      .sort(),
    userData: userData.split("\n").filter(Boolean).sort(),
    bridges: interfaces.filter(({ addr_info = [] }) => addr_info.some(isOurs)).length,
  };
}

/** AWS's API, the state and this host have the same resources, once each, and nothing is pending or still running. */
export async function expectConsistent(): Promise<void> {
  const { resources, pending } = state();
  expect(pending).toEqual([]);
  expect(resources.filter((resource) => resource.delete)).toEqual([]);
  expect(new Set(resources.map(({ urn }) => urn)).size).toBe(resources.length);
  const compare = async () => expect(await inventory()).toEqual(await recorded());
  // A group ends and replaces machines by itself.
  await (hasFleet() ? vi.waitFor(compare, { timeout: 120_000, interval: 500 }) : compare());
  const { [instance]: ids = [] } = await recorded();
  await expect
    .poll(onHost, { timeout: 120_000, interval: 250 })
    .toEqual({ folders: ids, engines: ids, userData: ids, bridges: ids.length });
  expect(engineProcesses()).toEqual([]);
}

/** An `up` without further help deploys everything. */
export async function expectUpConverges(): Promise<Outputs> {
  await succeed("up");
  await expectConsistent();
  const stack = outputs();
  await (hasFleet() ? expectFleetServing(stack as unknown as FleetOutputs) : expectServing(stack));
  expect(await tags()).toContain(tagOf(stack.imageRef));
  return stack;
}

/** `destroy` leaves nothing. */
export async function expectDestroyConverges(): Promise<void> {
  await succeed("destroy");
  await expectConsistent();
  expect(state().resources).toEqual([]);
  expect(await tags()).toEqual([]);
}

async function tags(): Promise<string[]> {
  const found = (await orGone(imagesOf("TAGGED"))) ?? [];
  return found.map(({ imageTag = "" }) => imageTag);
}

let edits = 0;

/** Runs the work with another release of the app: an edit that no test has made before. */
export function withNewRelease<T>(work: () => Promise<T>): Promise<T> {
  edits += 1;
  return releasedEdit(`${process.pid}.${edits}`, work);
}

/** Runs the work with a layer so large that its push takes a while, and that is neither built nor pushed yet. */
export function withLargeLayer<T>(work: () => Promise<T>): Promise<T> {
  const folder = "mkdir -p /bundle/own/app";
  edits += 1;
  const file = `/bundle/own/app/ballast-${process.pid}.${edits}`;
  const change = [folder, `${folder} && head -c 100M /dev/urandom >${file}`] as const;
  return edited("app/Dockerfile", change, work);
}

/** Kills one of the local cloud's daemons, or stops it until it is continued. */
export function signalDaemon(
  name: "registry" | "buildkitd" | "moto" | "ec2",
  signal: "SIGKILL" | "SIGSTOP" | "SIGCONT",
): void {
  process.kill(runningPid(filesOf(cloud, name)) as number, signal);
}

/** Ends a machine as a failing host does, and waits until AWS's API reports it. */
export async function killMachine(id: string): Promise<void> {
  process.kill(runningPid({ pidFile: pidFileOf({ run: join(cloud.run, id) }) }) as number, "SIGKILL");
  const stateNow = async () => (await describeInstances(id))[0]?.State?.Name;
  await expect.poll(stateNow, { timeout: 60_000 }).toBe("terminated");
}

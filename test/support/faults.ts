import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { EC2 } from "@aws-sdk/client-ec2";
import { ECR, paginateListImages } from "@aws-sdk/client-ecr";
import { IAM } from "@aws-sdk/client-iam";
import { expect } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { every } from "../../local/providers/aws/clients.ts";
import { answering, aws, cloud, edited, type Outputs, type Result, succeed, tagOf } from "./stack.ts";

export const ec2 = new EC2(aws);
export const ecr = new ECR(aws);
export const iam = new IAM(aws);
export const logs = new CloudWatchLogs(aws);

/** Who is killed. */
export type Victim = "engine" | "program" | "aws" | "awsx" | "docker-build" | "dynamic";

const commandLines: Record<Exclude<Victim, "program">, RegExp> = {
  engine: /^pulumi (?:up|destroy|refresh)/,
  aws: /local\/providers\/aws\/main\.ts/,
  awsx: /local\/providers\/awsx\/main\.ts/,
  "docker-build": /pulumi-resource-docker-build/,
  dynamic: /cmd\/dynamic-provider/,
};

/** Processes of this cloud's engine and its providers, of whichever command. */
export function engineProcesses(): { pid: number; command: string }[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
        if (!variables.includes(`LOCAL_CLOUD_DIR=${cloud.dir}`)) return [];
        if (!variables.includes("PULUMI_AUTOMATION_API=true")) return [];
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command === "" ? [] : [{ pid: Number(pid), command }]; // without a command line it is a zombie
      } catch {
        return [];
      }
    });
}

/** Runs a command and does something once its output matches. */
export function when(pattern: RegExp, act: (pid: number) => unknown, ...command: string[]): Promise<Result> {
  const env = { ...process.env, LOCAL_CLOUD_DIR: cloud.dir };
  return new Promise((resolve, reject) => {
    const child = spawn("node", ["cli/local.ts", ...command], { cwd: cloud.project, env });
    let output = "";
    let acted: Promise<unknown> | undefined;
    const read = (data: Buffer) => {
      output += data;
      if (acted || !pattern.test(output)) return;
      acted = (async () => act(child.pid as number))();
      acted.catch(reject);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("close", (status) => {
      if (acted) resolve({ status, output });
      else reject(new Error(`${command.join(" ")} ended with ${status} and never printed ${pattern}\n${output}`));
    });
  });
}

/** Runs a command and kills the victim once the command's output matches. */
export function killed(victim: Victim, pattern: RegExp, ...command: string[]): Promise<Result> {
  return when(pattern, (program) => send("SIGKILL", victim === "program" ? [program] : pidsOf(victim)), ...command);
}

/** Ctrl-C: a terminal tells the program and its engine; providers are in groups of their own. */
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

/** Ids of what AWS's API has beyond what every account has, by the noun of their type. */
export async function inventory(): Promise<Record<string, string[]>> {
  const live = { Name: "instance-state-name", Values: ["pending", "running", "shutting-down", "stopping", "stopped"] };
  const [vpcs, gateways, subnets, tables, groups, rules, reservations, interfaces, flowLogs] = await Promise.all([
    every(ec2.paginateDescribeVpcs({}), (page) => page.Vpcs),
    every(ec2.paginateDescribeInternetGateways({}), (page) => page.InternetGateways),
    every(ec2.paginateDescribeSubnets({}), (page) => page.Subnets),
    every(ec2.paginateDescribeRouteTables({}), (page) => page.RouteTables),
    every(ec2.paginateDescribeSecurityGroups({}), (page) => page.SecurityGroups),
    every(ec2.paginateDescribeSecurityGroupRules({}), (page) => page.SecurityGroupRules),
    every(ec2.paginateDescribeInstances({ Filters: [live] }), (page) => page.Reservations),
    every(ec2.paginateDescribeNetworkInterfaces({}), (page) => page.NetworkInterfaces),
    every(ec2.paginateDescribeFlowLogs({}), (page) => page.FlowLogs),
  ]);
  const [roles, profiles, logGroups, names] = await Promise.all([
    every(iam.paginateListRoles({}), (page) => page.Roles?.map(({ RoleName = "" }) => RoleName)),
    every(iam.paginateListInstanceProfiles({}), (page) => page.InstanceProfiles),
    every(logs.paginateDescribeLogGroups({}), (page) => page.logGroups),
    every(ecr.paginateDescribeRepositories({}), (page) =>
      page.repositories?.map(({ repositoryName = "" }) => repositoryName),
    ),
  ]);
  const byDefault = vpcs.find(({ IsDefault }) => IsDefault)?.VpcId;
  const ownGroups = groups.filter(({ VpcId }) => VpcId !== byDefault);
  const named = (isDefault: boolean) => ownGroups.filter(({ GroupName }) => (GroupName === "default") === isDefault);
  const ruled = (egress: boolean) =>
    rules.filter(
      ({ GroupId, IsEgress }) => IsEgress === egress && named(false).some((group) => group.GroupId === GroupId),
    );
  const ownTables = tables.filter(({ Associations }) => !Associations?.some(({ Main }) => Main));
  const policies = roles.map(async (RoleName) => {
    const inline = await every(iam.paginateListRolePolicies({ RoleName }), (page) => page.PolicyNames);
    const attached = await every(iam.paginateListAttachedRolePolicies({ RoleName }), (page) => page.AttachedPolicies);
    return [
      inline.map((name) => `${RoleName}:${name}`),
      attached.map(({ PolicyArn }) => `${RoleName}/${PolicyArn}`),
    ] as const;
  });
  const policiesOf = await Promise.all(policies);
  const having = async (ask: (repository: { repositoryName: string }) => Promise<unknown>) => {
    const answers = await Promise.allSettled(names.map((repositoryName) => ask({ repositoryName })));
    return names.filter((_, index) => answers[index]?.status === "fulfilled");
  };
  const found: Record<string, (string | undefined)[] | undefined> = {
    Vpc: vpcs.map(({ VpcId }) => VpcId).filter((id) => id !== byDefault),
    InternetGateway: gateways.map(({ InternetGatewayId }) => InternetGatewayId),
    Subnet: subnets.filter(({ VpcId }) => VpcId !== byDefault).map(({ SubnetId }) => SubnetId),
    RouteTable: ownTables.map(({ RouteTableId }) => RouteTableId),
    Route: ownTables.flatMap(({ Routes = [], RouteTableId }) =>
      Routes.filter(({ GatewayId }) => GatewayId !== "local").map(() => RouteTableId),
    ),
    RouteTableAssociation: ownTables.flatMap(({ Associations = [] }) =>
      Associations.map(({ RouteTableAssociationId: id }) => id),
    ),
    SecurityGroup: named(false).map(({ GroupId }) => GroupId),
    DefaultSecurityGroup: named(true).map(({ GroupId }) => GroupId),
    SecurityGroupIngressRule: ruled(false)?.map(({ SecurityGroupRuleId }) => SecurityGroupRuleId),
    SecurityGroupEgressRule: ruled(true)?.map(({ SecurityGroupRuleId }) => SecurityGroupRuleId),
    Instance: reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId)),
    // Interfaces are told by their instance: each has one, and none is left behind. moto keeps that of a machine that was terminated by
    // hand even after its subnet is gone, which AWS does not.
    NetworkInterface: interfaces
      .filter(({ SubnetId }) => subnets.some((subnet) => subnet.SubnetId === SubnetId))
      .map(({ Attachment }) => Attachment?.InstanceId),
    FlowLog: flowLogs.map(({ FlowLogId }) => FlowLogId),
    LogGroup: logGroups.map(({ logGroupName }) => logGroupName),
    Role: roles,
    RolePolicy: policiesOf.flatMap(([inline]) => inline),
    RolePolicyAttachment: policiesOf.flatMap(([, attached]) => attached),
    InstanceProfile: profiles.map(({ InstanceProfileName }) => InstanceProfileName),
    Repository: names,
    LifecyclePolicy: await having((repository) => ecr.getLifecyclePolicy(repository)),
    RepositoryPolicy: await having((repository) => ecr.getRepositoryPolicy(repository)),
  };
  return sorted(found);
}

/** Without the nouns of which there is nothing. */
function sorted(ids: Record<string, (string | undefined)[] | undefined>): Record<string, string[]> {
  const entries = Object.entries(ids).map(([noun, list = []]) => [noun, list.map(String).sort()] as const);
  return Object.fromEntries(entries.filter(([, list]) => list.length > 0));
}

export interface Resource {
  readonly type: string;
  readonly urn: string;
  readonly id?: string;
  readonly custom: boolean;
  readonly delete?: boolean;
  readonly outputs?: object;
}

/** What the stack's state has. */
export function state(): { resources: Resource[]; pending: unknown[] } {
  const file = join(cloud.dir, "state", ".pulumi", "stacks", "hono-app", "local.json");
  const latest = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).checkpoint.latest : undefined;
  return { resources: latest?.resources ?? [], pending: latest?.pending_operations ?? [] };
}

/** The stack's outputs, read where `output` reads them: a command takes a second. */
function outputs(): Outputs {
  return state().resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs as Outputs;
}

/** Whether the last command that changed the stack ended well; then the state says what there is. */
const isFinished = () => !existsSync(join(cloud.dir, "unfinished"));

/** What a test that failed left half done is put right. */
export async function finished(): Promise<void> {
  if (!isFinished()) await succeed("refresh");
}

/** A stack that serves, of whichever release. Where the test before has left that, it costs no command. */
export async function standing(): Promise<Outputs> {
  const serving = async () => {
    for (const name of machineNames) if ((await answering(outputs()[name].url)) !== outputs()[name].id) return false;
    return true;
  };
  if (!isFinished() || state().resources.length === 0 || !(await serving().catch(() => false))) await succeed("up");
  return outputs();
}

/** No stack. Where the test before has left that, it costs no command. */
export async function nothing(): Promise<void> {
  if (!isFinished() || state().resources.length > 0) await succeed("destroy");
}

/** The same of the state. A type that the inventory does not know makes the two differ. */
function recorded(): Record<string, string[]> {
  const known: Record<string, string[]> = {};
  for (const { type, id = "" } of state().resources.filter(({ custom, type }) => custom && type.startsWith("aws:"))) {
    const noun = type.slice(type.lastIndexOf(":") + 1);
    // A route has no id on AWS; the provider's begins with its table's.
    known[noun] = [...(known[noun] ?? []), noun === "Route" ? id.replace(/^r-(rtb-[0-9a-f]{17})\d+$/, "$1") : id];
  }
  return sorted({ ...known, NetworkInterface: known.Instance });
}

/** What this host has of the cloud's machines. */
function onHost(): { folders: string[]; engines: string[]; userData: string[]; bridges: number } {
  const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  const host = ["--host", `unix://${cloud.run}/docker.sock`];
  const userData = execFileSync("docker", [...host, "ps", "--all", "--format", "{{.Names}}"], { encoding: "utf8" });
  const interfaces = JSON.parse(execFileSync("ip", ["-json", "address"]).toString()) as { addr_info: Address[] }[];
  // A machine's bridge has an address that is made from its machine's: 240.0.0.0/4, then the cloud's own number.
  const block = 0xf00 + Number(cloud.prefix.split(".")[1]);
  const isOurs = ({ local = "" }: Address) => {
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

interface Address {
  readonly local?: string;
}

/** No orphan and no duplicate: AWS's API, the state and this host tell of the same things, and nothing is pending or left running. */
export async function expectConsistent(): Promise<void> {
  const { resources, pending } = state();
  expect(pending).toEqual([]);
  expect(resources.filter((resource) => resource.delete)).toEqual([]);
  expect(new Set(resources.map(({ urn }) => urn)).size).toBe(resources.length);
  expect(await inventory()).toEqual(recorded());
  const { Instance: ids = [] } = recorded();
  await expect
    .poll(onHost, { timeout: 120_000, interval: 250 })
    .toEqual({ folders: ids, engines: ids, userData: ids, bridges: ids.length });
  expect(engineProcesses()).toEqual([]);
}

/** `up` brings everything to where it should be, unattended. */
export async function expectUpConverges(): Promise<Outputs> {
  await succeed("up");
  await expectConsistent();
  const stack = outputs();
  for (const name of machineNames) expect(await answering(stack[name].url)).toBe(stack[name].id);
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

/** What was deployed before still serves. */
export async function expectServing(before: Outputs): Promise<void> {
  for (const name of machineNames) expect(await answering(before[name].url)).toBe(before[name].id);
}

async function tags(): Promise<string[]> {
  const found: string[] = [];
  const pages = paginateListImages(
    { client: ecr },
    { repositoryName: "hono-app-local", filter: { tagStatus: "TAGGED" } },
  );
  try {
    for await (const { imageIds = [] } of pages) found.push(...imageIds.map(({ imageTag = "" }) => imageTag));
  } catch (error) {
    if ((error as Error).name !== "RepositoryNotFoundException") throw error;
  }
  return found;
}

/** Runs a command that must fail, and gives what it printed. */
export async function failing(run: Promise<Result>): Promise<string> {
  const { status, output } = await run;
  if (process.env.FAULTS_LOG)
    appendFileSync(process.env.FAULTS_LOG, `=== ${expect.getState().currentTestName}\n${output}\n`);
  expect(status).toBe(1);
  return output;
}

let edits = 0;

/** Does the work with the app changed, so that a new image is built and both machines are replaced. */
export function withNewRelease<T>(work: () => Promise<T>): Promise<T> {
  edits += 1;
  return edited("app/src/page.ts", (text) => text.replace(/<h1([^>]*)>/, `<h1$1>${process.pid}.${edits} `), work);
}

/** Does the work with a setting of the stack changed. */
export function withSetting<T>(key: string, value: string | number, work: () => Promise<T>): Promise<T> {
  return edited("Pulumi.local.yaml", (text) => text.replace("config:", `config:\n  hono-app:${key}: ${value}`), work);
}

/** Kills one of the local cloud's own processes, or stops it: then it hangs until it is told to continue. */
export function signalDaemon(name: "registry" | "buildkitd" | "moto", signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
  process.kill(Number(readFileSync(join(cloud.run, `${name}.pid`), "utf8").split(" ")[0]), signal);
}

/** Ends a machine as a failing host does, and waits until AWS's API says so. */
export async function killMachine(id: string): Promise<void> {
  process.kill(Number(readFileSync(join(cloud.run, id, "engine.pid"), "utf8")), "SIGKILL");
  const stateOf = async () => {
    const { Reservations } = await ec2.describeInstances({ InstanceIds: [id] });
    return Reservations?.[0]?.Instances?.[0]?.State?.Name;
  };
  await expect.poll(stateOf, { timeout: 60_000 }).toBe("terminated");
}

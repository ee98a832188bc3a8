import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EC2, type Instance } from "@aws-sdk/client-ec2";
import { ARCHITECTURES, type Architecture } from "../../../app/src/architecture.ts";
import { localAddressOf } from "../../address.ts";
import { credentialsOf } from "./credentials.ts";
import { firewallOf } from "./firewall.ts";
import { fleetOf } from "./fleet.ts";
import { groupOf, type MachineCloud, machineOf } from "./machine.ts";
import { describeNetwork, type Network, openingsOf, reachOf } from "./network.ts";

// EC2's data plane: watches the API's instances, and runs a machine for each.

const cloud: MachineCloud = {
  dir: need("LOCAL_CLOUD_DIR"),
  run: need("LOCAL_CLOUD_RUN"),
  machineImage: need("LOCAL_CLOUD_MACHINE_IMAGE"),
  endpoint: need("AWS_ENDPOINT_URL"),
};
const ec2 = new EC2({ maxAttempts: 1 });
const fleet = fleetOf(cloud);
const firewall = firewallOf(basename(cloud.run), need("LOCAL_CLOUD_PREFIX"));
type Machine = ReturnType<typeof machineOf> & {
  /** What is being done with it. */
  task?: Promise<void>;
  address?: string;
  /** Whether this agent has started or adopted it, and therefore follows its user data. */
  isFollowed?: boolean;
};
const machines = new Map<string, Machine>();
/** The instances that the API has, as of its last change. */
let wanted = new Map<string, Instance>();
let seen: number | undefined;
let stopping = false;
let reachable = true;

for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void shutDown());
// Machines of an earlier agent are adopted or removed, as the API says.
for (const id of await readdir(`${cloud.dir}/machines`).catch(() => [])) machines.set(id, machineOf(id, cloud));
log("follows the instances");
for (; !stopping; await sleep(250)) {
  try {
    await reconcile();
    await fleet.follow(wanted, seen);
    if (!reachable) log("the API answers again");
    reachable = true;
  } catch (error) {
    if (reachable) log(`cannot follow the instances: ${error}`);
    reachable = false;
  }
}

/** Asks the API only after it has touched a file, which it does with every change: a question costs it more than all else here. */
async function reconcile(): Promise<void> {
  const { mtimeMs } = await stat(`${cloud.dir}/changed`);
  if (mtimeMs !== seen) {
    const network = await describeNetwork(ec2);
    await guard(network);
    wanted = new Map(network.instances.map((instance) => [instance.InstanceId as string, instance]));
    seen = mtimeMs;
  }
  for (const id of wanted.keys()) if (!machines.has(id)) machines.set(id, machineOf(id, cloud));
  for (const machine of machines.values()) {
    const step = nextStep(machine, wanted.get(machine.id));
    if (step && !stopping) machine.task ??= perform(machine, step);
  }
}

/** The next step that makes the machine match its instance. */
function nextStep(machine: Machine, instance: Instance | undefined): (() => Promise<void>) | undefined {
  const state = machine.state();
  if (!instance) return () => remove(machine);
  if (state === "dead") return () => terminate(machine.id, "its engine has ended");
  if (state === "running" && machine.isFollowed) return undefined;
  const address = localAddressOf(instance);
  // A machine that is being removed may have had the same address.
  const isTaken = [...machines.values()].some((other) => other !== machine && other.address === address);
  return isTaken ? undefined : () => start(machine, instance, address);
}

async function perform(machine: Machine, step: () => Promise<void>): Promise<void> {
  const { id } = machine;
  try {
    await step();
  } catch (error) {
    log(`${id}: ${error}`);
    // On a full disk this fails too.
    await machine.report(`the machine failed: ${error}`).catch(() => {});
    if (!stopping) await terminate(id, "its machine cannot be kept").catch((failure) => log(`${id}: ${failure}`));
  } finally {
    machine.task = undefined;
  }
}

async function start(machine: Machine, instance: Instance, address: string): Promise<void> {
  const begin = Date.now();
  machine.address = address;
  await machine.start({
    architecture: ARCHITECTURES[instance.Architecture as Architecture],
    address,
    hostName: `ip-${instance.PrivateIpAddress?.replaceAll(".", "-")}`,
    userData: () => userDataOf(machine.id),
    credentials: () => credentialsOf(instance),
  });
  machine.isFollowed = true;
  log(`${machine.id}: ${instance.InstanceType} runs at ${address}, after ${Date.now() - begin} ms`);
}

async function remove(machine: Machine): Promise<void> {
  if (machine.state() !== "absent") {
    await machine.remove();
    log(`${machine.id}: removed`);
  }
  machines.delete(machine.id);
}

/** Terminates an instance whose machine is lost; what is left of the machine is removed in the next round. */
async function terminate(id: string, why: string): Promise<void> {
  log(`${id}: terminated, ${why}`);
  await ec2.terminateInstances({ InstanceIds: [id] });
  await writeFile(`${cloud.dir}/machine-died`, ""); // read by start.ts: the stack's state still has the instance
}

async function userDataOf(id: string): Promise<string | undefined> {
  const { UserData } = await ec2.describeInstanceAttribute({ InstanceId: id, Attribute: "userData" });
  return UserData?.Value && Buffer.from(UserData.Value, "base64").toString();
}

/** Lets pass what security groups, routes and endpoints do. */
async function guard(network: Network): Promise<void> {
  const { instances } = network;
  const senders = instances.map((each) => ({ group: groupOf(localAddressOf(each)), reach: reachOf(each, network) }));
  await firewall.apply(openingsOf(network), senders);
}

async function shutDown(): Promise<void> {
  stopping = true;
  setTimeout(() => process.exit(1), 60_000).unref(); // if something hangs: the next agent removes what is left
  await fleet.stop(); // first: it is quick, and a stop that takes too long is cut short
  await Promise.all([...machines.values()].map(({ task }) => task));
  await Promise.allSettled([...machines.values()].map((machine) => machine.remove()));
  await firewall.remove();
  for (const folder of ["machines", "console"]) await rm(`${cloud.dir}/${folder}`, { recursive: true, force: true });
  log("ended");
  process.exit(0);
}

function need(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function log(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`);
}

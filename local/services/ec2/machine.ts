import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdir, open, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Names } from "../../../app/src/architecture.ts";
import { run } from "../../../tools/process.ts";
import type { Cloud } from "../../cloud.ts";
import { afterUserData, consoleLine } from "./console.ts";
import { type Engine, isEngineAlive, pidFileOf, socketOf, startEngine, stopEngine } from "./engine.ts";

/** What a machine is made from: an instance, as EC2's API describes it. */
interface MachineArgs {
  architecture: Names;
  /** Where it is reached. */
  address: string;
  /** `ip-10-0-0-4` */
  hostName: string;
  /** Read only when the user data is about to run. */
  userData: () => Promise<string | undefined>;
  /** Of the machine's role, if it has one; fetched when its engine is started, and for its user data. */
  credentials: () => Promise<Credentials | undefined>;
}

/** Temporary credentials, as the AWS CLI's variables. */
export type Credentials = Record<"AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN", string>;

export type MachineCloud = Pick<Cloud, "dir" | "run" | "endpoint"> & {
  /** The image of a machine's root file system, without its `-arm64` or `-amd64`. */
  readonly machineImage: string;
};

// As cloud-init does: an executable file, run by root, with no HOME. A machine goes on after it, so that the last lines in a pipe
// (`exec > >(tee …)`) are still printed; a container would end at once.
const runUserData = "env -u HOME /var/lib/cloud/instance/scripts/part-001; status=$?; sleep 0.3; exit $status";

/** One EC2 instance's machine: a Docker Engine of its own, and a container in which its user data runs. */
export function machineOf(id: string, cloud: MachineCloud) {
  const dir = `${cloud.dir}/machines/${id}`;
  const bridge = `ec2-${id.slice(-11)}`; // an interface's name has at most 15 characters
  const engine: Engine = { data: `${dir}/docker`, run: `${cloud.run}/${id}`, log: `${dir}/engine.log` };
  const consoleFile = `${cloud.dir}/console/${id}.log`;
  const host = ["--host", `unix://${socketOf(cloud)}`];
  const docker = (...args: string[]) => run(["docker", ...host, ...args]);
  const removeBridge = () => run(["ip", "link", "delete", bridge]).catch(() => {}); // there is none

  /** `dead`: its engine ended without being stopped. */
  function state(): "absent" | "stopped" | "running" | "dead" {
    if (!existsSync(dir)) return "absent";
    if (!existsSync(pidFileOf(engine))) return "stopped";
    return isEngineAlive(engine) ? "running" : "dead";
  }

  /** Starts it from any state. */
  async function start(given: MachineArgs): Promise<void> {
    const { address } = given;
    const isNew = state() === "absent";
    await mkdir(dir, { recursive: true });
    if (!isEngineAlive(engine)) {
      await removeBridge();
      const commands = [
        `link add ${bridge} type bridge`,
        `address add ${gatewayFor(address)} dev ${bridge}`,
        `link set ${bridge} up`,
        // Repeats a request for a container's address after 50 ms; by default one that starts would be found a second later.
        `ntable change name arp_cache dev ${bridge} retrans 50`,
      ];
      await run(["ip", "-batch", "-"], { input: commands.join("\n") });
    }
    let asked: ReturnType<MachineArgs["credentials"]> | undefined;
    const args = { ...given, credentials: () => (asked ??= given.credentials()) };
    const network = { bridge, address };
    const started = startEngine({ ...engine, network, group: groupOf(address), credentials: args.credentials });
    // At the same time: the user data waits for the engine itself, where it starts docker.service.
    const begun = begin(isNew, args);
    await Promise.allSettled([started, begun]);
    await started;
    await begun;
  }

  /** Runs the user data, or follows the container that a killed agent started for it. */
  async function begin(isNew: boolean, args: MachineArgs): Promise<void> {
    if (isNew || !(await docker("inspect", id).catch(() => undefined))) {
      const script = await args.userData();
      if (!script) return;
      if (!script.startsWith("#!")) return report("only user data that is a script (#!) runs in the local cloud");
      await runScript(script, args);
    }
    void follow(args.hostName).catch(() => {}); // without its console the machine still runs
  }

  /** Removes everything but its console, which EC2 keeps for a while too. */
  async function remove(): Promise<void> {
    await docker("rm", "--force", id).catch(() => {}); // there is none without user data
    await stopEngine(engine);
    await removeBridge();
    for (const path of [engine.run, dir]) await rm(path, { recursive: true, force: true });
  }

  /** A line on its console. */
  async function report(line: string): Promise<void> {
    await mkdir(dirname(consoleFile), { recursive: true });
    await appendFile(consoleFile, `cloud-init: ${line}\n`);
  }

  /** Runs the user data in a container of the machine's own architecture. */
  async function runScript(script: string, { architecture, address, hostName, credentials }: MachineArgs) {
    const instance = `${dir}/cloud`;
    const settings = `${dir}/settings`;
    for (const folder of ["data", "instance/scripts"]) await mkdir(`${instance}/${folder}`, { recursive: true });
    await mkdir(settings, { recursive: true });
    await writeFile(`${instance}/data/instance-id`, `${id}\n`);
    await writeFile(`${instance}/instance/scripts/part-001`, script, { mode: 0o700 });
    const settingsOfCli = { AWS_ENDPOINT_URL: cloud.endpoint, ...(await credentials()) };
    const variables = Object.entries(settingsOfCli).map(([name, value]) => `${name}='${value}'\n`);
    await writeFile(`${settings}/aws.env`, variables.join(""), { mode: 0o600 });
    await docker(
      ...["run", "--detach", "--name", id, "--hostname", hostName, "--network", "host"],
      ...["--user", `0:${groupOf(address)}`],
      ...["--platform", architecture.platform, "--env", `DOCKER_DEFAULT_PLATFORM=${architecture.platform}`],
      ...["--volume", `${instance}:/var/lib/cloud`, "--volume", `${settings}/aws.env:/run/local-cloud/aws.env:ro`],
      // The folder, for the socket may not be there yet.
      ...["--volume", `${engine.run}:/run/local-cloud/engine:ro`],
      ...[`${cloud.machineImage}-${architecture.image}`, "sh", "-c", runUserData],
    );
  }

  /** Writes all output of the user data to the console, and what a machine prints after it. */
  async function follow(hostName: string): Promise<void> {
    await mkdir(dirname(consoleFile), { recursive: true });
    const file = await open(consoleFile, "w");
    const begun = Date.now();
    const uptime = () => (Date.now() - begun) / 1000;
    // One pipe for both outputs, in their order.
    const command = ["-c", 'exec docker "$@" 2>&1', "sh", ...host, "logs", "--follow", id];
    const logs = spawn("sh", command, { stdio: ["ignore", "pipe", "ignore"] });
    logs.once("error", () => {}); // it has no output then
    for await (const line of createInterface(logs.stdout)) await file.write(consoleLine(line, uptime()));
    await file.close();
    try {
      const status = (await docker("wait", id)).trim();
      await appendFile(consoleFile, afterUserData(status, hostName, uptime()));
    } catch {
      // The machine was stopped while its user data ran: there is no status to report.
    }
  }

  return { id, state, start, remove, report };
}

/**
 * The bridge's own address in a subnet that no other machine and no real network has: 16 addresses for each address of 127/8,
 * out of 240.0.0.0/4, which is reserved and which Linux takes as any other.
 */
export function gatewayFor(address: string): string {
  const [, second = 0, third = 0, fourth = 0] = address.split(".").map(Number);
  const bits = 0xf0000000 + second * 2 ** 20 + third * 2 ** 12 + fourth * 2 ** 4 + 1;
  return `${[24, 16, 8, 0].map((shift) => (bits / 2 ** shift) & 255).join(".")}/28`;
}

/** The group of a machine's processes, one for each address of 127/8: no other process of the host has it. */
export function groupOf(address: string): number {
  const [, second = 0, third = 0, fourth = 0] = address.split(".").map(Number);
  return 2 ** 30 + second * 2 ** 16 + third * 2 ** 8 + fourth;
}

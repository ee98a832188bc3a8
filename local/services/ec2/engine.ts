import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { readIfThere } from "../../../tools/paths.ts";
import { run } from "../../../tools/process.ts";
import { signal } from "../../../tools/processes.ts";

/** A Docker Engine with its own store, its own containerd and nothing shared with another engine of the host. */
export interface Engine {
  /** Images, containers and volumes. */
  data: string;
  /** Short-lived files: the socket (`docker.sock`), the process id. A folder below /run, for a socket's path is short. */
  run: string;
  log: string;
  /** The bridge that its containers are attached to, and the address that their ports are published on. @default no network */
  network?: { bridge: string; address: string };
  /** The group of its processes, by which the firewall tells their requests from others. @default root's */
  group?: number;
  /** As whom its awslogs driver writes; on EC2 it asks the instance metadata. @default nobody */
  credentials?: Record<string, string>;
}

// An engine has its own mount and process namespaces, so that everything in them ends with it, however it ends. The shell stays, to reap
// the processes that containerd's shims leave to it, and to restart a dockerd that has ended, as docker.service does. Three folders whose
// paths are fixed in dockerd and containerd are its own too: the host's containerd, daemon.json and key file are neither read nor written.
const enter = `for folder in /run/containerd /run/docker /etc/docker; do mkdir -p $folder && mount -t tmpfs tmpfs $folder; done
while "$@"; status=$?; [ ! -e "$0" ] && [ $status = 0 -o $status -gt 128 ]; do :; done
exit $status`;

export const socketOf = (engine: Pick<Engine, "run">): string => `${engine.run}/docker.sock`;
const pidFile = (engine: Engine): string => `${engine.run}/engine.pid`;
/** Marker file: dockerd is not to be restarted. */
const stopFile = (engine: Engine): string => `${engine.run}/engine.stop`;

/** Starts the engine, unless it runs, and waits until it answers. */
export async function startEngine(engine: Engine): Promise<void> {
  const child = isEngineAlive(engine) ? undefined : await spawnEngine(engine);
  const ended = () => (child ? child.exitCode !== null || child.signalCode !== null : !isEngineAlive(engine));
  for (const end = Date.now() + 30_000; !(await answers(engine)); await sleep(20)) {
    if (ended()) throw new Error(`dockerd ended while it started, see ${engine.log}`);
    if (Date.now() > end) throw new Error(`dockerd does not answer, see ${engine.log}`);
  }
}

async function spawnEngine(engine: Engine): Promise<ChildProcess> {
  await removeLeftovers(engine);
  await mkdir(engine.run, { recursive: true });
  const log = await open(engine.log, "a");
  const child = spawn(
    "sh",
    [
      // The process writes its own id before it does anything, so that it never runs unrecorded.
      ...["-c", 'echo $$ > "$0" && exec "$@"', pidFile(engine)],
      ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", enter],
      ...[
        stopFile(engine),
        ...(engine.group ? ["setpriv", "--regid", `${engine.group}`, "--keep-groups"] : []),
        "dockerd",
      ],
      ...["--data-root", engine.data, "--exec-root", `${engine.run}/exec`, "--pidfile", `${engine.run}/dockerd.pid`],
      ...["--host", `unix://${socketOf(engine)}`, "--group", "0", "--log-level", "warn", "--shutdown-timeout", "10"],
      ...["--cgroup-parent", cgroupOf(engine), "--exec-opt", "native.cgroupdriver=cgroupfs"],
      // Only docker-proxy publishes ports: the host's iptables and routing do not change, and no two engines race on them.
      ...["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
      ...(engine.network ? ["--bridge", engine.network.bridge, "--ip", engine.network.address] : ["--bridge", "none"]),
    ],
    { detached: true, stdio: ["ignore", log.fd, log.fd], env: { ...environment(), ...engine.credentials } },
  );
  child.unref();
  await log.close();
  return child;
}

/** Without the credentials of who starts the engine. */
const environment = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));

/** Stops the engine and its containers: by SIGTERM, as a machine that shuts down, then by SIGKILL. */
export async function stopEngine(engine: Engine): Promise<void> {
  for (const name of ["SIGTERM", "SIGKILL"] as const) {
    const pid = enginePid(engine);
    if (!pid) break;
    await writeFile(stopFile(engine), "");
    signal(-pid, name);
    for (const end = Date.now() + 15_000; isEngineAlive(engine) && Date.now() < end; ) await sleep(20);
  }
  await removeLeftovers(engine);
}

export const isEngineAlive = (engine: Engine): boolean => enginePid(engine) !== undefined;

/** Whether it was started and not stopped; together with not being alive: it died. */
export const isEngineStarted = (engine: Engine): boolean => existsSync(pidFile(engine));

function enginePid(engine: Engine): number | undefined {
  const pid = Number(readIfThere(pidFile(engine)));
  // After a reboot the number may be another process's.
  return readIfThere(`/proc/${pid}/cmdline`)?.includes(`unix://${socketOf(engine)}\0`) ? pid : undefined;
}

/** Its containers' control groups: `/run/x/y` → `/x/y`. */
const cgroupOf = (engine: Engine): string => engine.run.replace(/^\/run/, "");

async function removeLeftovers(engine: Engine): Promise<void> {
  const files = ["exec", "docker.sock", "dockerd.pid", "engine.pid", "engine.stop"];
  for (const file of files) await rm(`${engine.run}/${file}`, { recursive: true, force: true });
  const group = `/sys/fs/cgroup*${cgroupOf(engine)}`;
  const groups = ["-type", "d", "(", "-path", group, "-o", "-path", `${group}/*`, ")"];
  await run(["find", "/sys/fs/cgroup", "-depth", ...groups, "-exec", "rmdir", "{}", ";"]).catch(() => {});
}

function answers(engine: Engine): Promise<boolean> {
  return new Promise((resolve) => {
    const ping = request({ socketPath: socketOf(engine), path: "/_ping", timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping
      .once("error", () => resolve(false))
      .once("timeout", () => ping.destroy())
      .end();
  });
}

import { mkdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { get } from "../../../tools/http.ts";
import { run } from "../../../tools/process.ts";
import { type Daemon, runningPid, startDaemon, stopDaemon } from "../../daemon.ts";

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
  /** As whom its awslogs driver writes; on EC2 it asks the instance metadata. Asked where it is started. @default nobody */
  credentials?: () => Promise<Record<string, string> | undefined>;
}

// An engine has its own mount and process namespaces, so that everything in them ends with it, however it ends. The shell stays, to reap
// the processes that containerd's shims leave to it, and to restart a dockerd that has ended, as docker.service does. Three folders whose
// paths are fixed in dockerd and containerd are its own too: the host's containerd, daemon.json and key file are neither read nor written.
const enter = `for folder in /run/containerd /run/docker /etc/docker; do mkdir -p $folder && mount -t tmpfs tmpfs $folder; done
while "$@"; status=$?; [ ! -e "$0" ] && [ $status = 0 -o $status -gt 128 ]; do :; done
exit $status`;

export const socketOf = (engine: Pick<Engine, "run">): string => `${engine.run}/docker.sock`;
export const pidFileOf = (engine: Pick<Engine, "run">): string => `${engine.run}/engine.pid`;
/** Marker file: dockerd is not to be restarted. */
const stopFile = (engine: Engine): string => `${engine.run}/engine.stop`;

/** Starts the engine, unless it runs, and waits until it answers. */
export async function startEngine(engine: Engine): Promise<void> {
  const isNew = !isEngineAlive(engine);
  if (isNew) {
    await removeLeftovers(engine);
    mkdirSync(engine.run, { recursive: true });
  }
  await startDaemon(daemonOf(engine, isNew ? await engine.credentials?.() : {}));
}

const daemonOf = (engine: Engine, credentials?: Record<string, string>): Daemon => ({
  command: [
    ...["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", enter, stopFile(engine)],
    ...(engine.group ? ["setpriv", "--regid", `${engine.group}`, "--keep-groups"] : []),
    ...["dockerd", "--data-root", engine.data, "--exec-root", `${engine.run}/exec`],
    ...["--pidfile", `${engine.run}/dockerd.pid`, "--host", `unix://${socketOf(engine)}`, "--group", "0"],
    ...["--log-level", "warn", "--shutdown-timeout", "10"],
    ...["--cgroup-parent", cgroupOf(engine), "--exec-opt", "native.cgroupdriver=cgroupfs"],
    // Only docker-proxy publishes ports: the host's iptables and routing do not change, and no two engines race on them.
    ...["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
    ...(engine.network ? ["--bridge", engine.network.bridge, "--ip", engine.network.address] : ["--bridge", "none"]),
  ],
  env: { ...environment(), ...credentials },
  pidFile: pidFileOf(engine),
  logFile: engine.log,
  ready: () => answers(engine),
});

/** Without the credentials of who starts the engine. */
const environment = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));

/** Stops the engine and its containers, as a machine that shuts down. */
export async function stopEngine(engine: Engine): Promise<void> {
  if (isEngineAlive(engine)) await writeFile(stopFile(engine), "");
  await stopDaemon({ pidFile: pidFileOf(engine) }, 15_000);
  await removeLeftovers(engine);
}

export const isEngineAlive = (engine: Engine): boolean => runningPid({ pidFile: pidFileOf(engine) }) !== undefined;

/** Its containers' control groups: `/run/x/y` → `/x/y`. */
const cgroupOf = (engine: Engine): string => engine.run.replace(/^\/run/, "");

async function removeLeftovers(engine: Engine): Promise<void> {
  const files = ["exec", "docker.sock", "dockerd.pid", "engine.stop"];
  for (const file of files) await rm(`${engine.run}/${file}`, { recursive: true, force: true });
  const group = `/sys/fs/cgroup*${cgroupOf(engine)}`;
  const groups = ["-type", "d", "(", "-path", group, "-o", "-path", `${group}/*`, ")"];
  await run(["find", "/sys/fs/cgroup", "-depth", ...groups, "-exec", "rmdir", "{}", ";"]).catch(() => {});
}

const answers = (engine: Engine): Promise<boolean> =>
  get("http://docker/_ping", { socketPath: socketOf(engine), signal: AbortSignal.timeout(1000) }).then(
    ({ status }) => status === 200,
    () => false,
  );

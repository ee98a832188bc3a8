import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ARCHITECTURES, type Names } from "../app/src/architecture.ts";
import { ensureTools } from "../tools/go.ts";
import { exclusively } from "../tools/lock.ts";
import { hashOf, home } from "../tools/paths.ts";
import { run, step, succeeds } from "../tools/process.ts";
import { tidy } from "../tools/store.ts";
import { as, type Cloud, filesOf } from "./cloud.ts";
import { type Daemon, runningPid, startDaemon, stopDaemon } from "./daemon.ts";
import { fetchParts, withBaseImages } from "./parts.ts";
import { ensurePlugins } from "./providers/install.ts";
import { buildkitd, ensureBuilder, socket } from "./services/buildkitd.ts";
import { type Engine, isEngineAlive, startEngine, stopEngine } from "./services/ec2/engine.ts";
import { haproxyOf } from "./services/ec2/haproxy.ts";
import { ensureBaseImages } from "./services/hub/base-images.ts";
import { mirror, mirrorData, reachesDockerHub } from "./services/hub/mirror.ts";
import { moto } from "./services/moto/moto.ts";
import { registry } from "./services/registry.ts";

/**
 * Installs what is missing and starts what does not run.
 *
 * @returns `lost`: whether machines, or all of moto's memory, are gone without having been deleted.
 */
export async function start(cloud: Cloud): Promise<{ lost: boolean }> {
  // Other commands than `npm run local` start it too.
  return exclusively(`hono-app-start:${cloud.dir}`, async () => {
    await exclusively(`hono-app-install:${home}`, install);
    return startServices(cloud);
  });
}

async function startServices(cloud: Cloud): Promise<{ lost: boolean }> {
  const hasMirror = existsSync(filesOf(cloud, "mirror").pidFile);
  const names = ["moto", "registry", "buildkitd", "ec2", ...(hasMirror ? ["mirror"] : [])];
  if (names.every((name) => runningPid(filesOf(cloud, name)) !== undefined) && isEngineAlive(hostEngine(cloud))) {
    return { lost: isLost(cloud) };
  }
  return step("starting the local cloud", async () => {
    const api = await moto(cloud);
    const useMirror = hasMirror || !(await reachesDockerHub());
    // Awaited twice, called once: two calls would each make a certificate, and mix their keys.
    const ecr = registry(cloud);
    // Its memory is lost. The marker comes first, since this command may be killed too.
    if (runningPid(api) === undefined) writeFileSync(lostMark(cloud), "");
    await Promise.all([
      startDaemon(api),
      ecr.then(startDaemon),
      ...(useMirror ? [startDaemon(mirror(cloud))] : []),
      // After the registry, whose certificate it reads.
      ecr.then(() => startDaemon(buildkitd(cloud, useMirror))),
      startEngine(hostEngine(cloud)),
    ]);
    await ensureBuilder(cloud);
    if (useMirror) {
      const args = { mirror: cloud.mirror, buildkit: `unix://${socket(cloud)}`, cacheDir: dirname(mirrorData()) };
      await withBaseImages(() => ensureBaseImages(args));
      tidy(mirrorData());
    }
    const image = await ensureMachineImage(cloud);
    await startDaemon(agent(cloud, image));
    return { lost: isLost(cloud) };
  });
}

/** Installs what is missing. What is fetched does not wait for the compiler, which takes minutes the first time and wants the processors alone. */
async function install(): Promise<void> {
  const failed = new AbortController();
  const parts = fetchParts().catch((error) => {
    failed.abort();
    throw error;
  });
  for (const each of await Promise.allSettled([parts, ensureTools(failed.signal)])) {
    if (each.status === "rejected") throw each.reason;
  }
  ensurePlugins();
}

/** Stops everything, and frees the addresses. */
export async function stop(cloud: Cloud): Promise<void> {
  // An agent that was killed has left its machines: another one removes them. Where it cannot be started, the rest ends all the same.
  const isLeft = existsSync(join(cloud.dir, "machines")) && runningPid(filesOf(cloud, "ec2")) === undefined;
  const [started] = await Promise.allSettled([isLeft && start(cloud)]);
  // The agent first: it removes its machines, and gives itself a minute for that.
  await stopDaemon(filesOf(cloud, "ec2"), 65_000);
  await haproxyOf(cloud).stop(); // the agent ends it, unless it was killed
  await Promise.all(["moto", "registry", "mirror", "buildkitd"].map((name) => stopDaemon(filesOf(cloud, name))));
  await stopEngine(hostEngine(cloud));
  rmSync(cloud.run, { recursive: true, force: true });
  if (started.status === "rejected") throw started.reason;
}

/** The engine that runs user data's containers, and that `docker` uses in the local cloud's environment. */
function hostEngine(cloud: Cloud): Engine {
  return { data: join(cloud.dir, "engine"), run: cloud.run, log: filesOf(cloud, "engine").logFile };
}

/** EC2's data plane. */
function agent(cloud: Cloud, machineImage: string): Daemon {
  return {
    command: ["node", join(import.meta.dirname, "services", "ec2", "agent.ts")],
    env: { ...as(cloud, "root"), LOCAL_CLOUD_MACHINE_IMAGE: machineImage },
    ...filesOf(cloud, "ec2"),
    ready: async () => readFileSync(filesOf(cloud, "ec2").logFile, "utf8").includes("follows the instances"),
  };
}

/** Marker file: resources were lost. Removed after the next successful refresh. */
export const lostMark = (cloud: Cloud) => join(cloud.dir, "lost");

/** The agent writes a marker of its own when a machine dies: during a command, that counts for the next one. */
function isLost(cloud: Cloud): boolean {
  const died = join(cloud.dir, "machine-died");
  if (existsSync(died)) renameSync(died, lostMark(cloud));
  return existsSync(lostMark(cloud));
}

/** Builds the machines' root file system for each architecture into the host's engine, unless it is there. */
async function ensureMachineImage(cloud: Cloud): Promise<string> {
  const folder = join(import.meta.dirname, "services", "ec2", "machine");
  const image = `local-cloud/machine:${hashOf([], [folder])}`;
  const { env } = cloud;
  const build = async ({ image: architecture, platform }: Names) => {
    const name = `${image}-${architecture}`;
    if (await succeeds(run(["docker", "image", "inspect", name], { env }))) return;
    const options = ["--platform", platform, "--provenance=false", "--tag", name, "--load"];
    await step(`the machines' file system, ${architecture}`, () =>
      run(["docker-buildx", "build", ...options, folder], { env }),
    );
  };
  await Promise.all(Object.values(ARCHITECTURES).map(build));
  return image;
}

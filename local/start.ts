import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureTools } from "../tools/go.ts";
import { home } from "../tools/paths.ts";
import { run, say, step } from "../tools/process.ts";
import { ensureSystem } from "../tools/system.ts";
import { as, type Cloud, releaseCloud } from "./cloud.ts";
import { type Daemon, runningPid, startDaemon, stopDaemon } from "./daemon.ts";
import { ensurePlugins } from "./providers/install.ts";
import { buildkitd, ensureBuilder, socket } from "./services/buildkitd.ts";
import { type Engine, isEngineAlive, startEngine, stopEngine } from "./services/ec2/engine.ts";
import { ensureBaseImages } from "./services/hub/base-images.ts";
import { mirror, reachesDockerHub } from "./services/hub/mirror.ts";
import { ensureMoto, moto } from "./services/moto/moto.ts";
import { registry } from "./services/registry.ts";

/**
 * Sets up what is missing and starts what does not run, whatever is left of an earlier time.
 *
 * @returns `lost`: whether machines, or all that AWS's API knew, are gone without having been deleted.
 */
export async function start(cloud: Cloud): Promise<{ lost: boolean }> {
  await ensureSystem();
  await ensureTools();
  await ensureMoto();
  ensurePlugins();

  const names = ["moto", "registry", "buildkitd", "ec2"];
  if (names.every((name) => runningPid(cloud.files(name)) !== undefined) && isEngineAlive(hostEngine(cloud))) {
    return { lost: isLost(cloud) };
  }
  return step("starting the local cloud", async () => {
    const api = await moto(cloud);
    const useMirror = !(await reachesDockerHub());
    // Once: two at the same time would make a certificate each, and leave the one's key beside the other's.
    const ecr = registry(cloud);
    // Its memory is gone; noted first, for this command may be killed too.
    if (runningPid(api) === undefined) writeFileSync(lostMark(cloud), "");
    await Promise.all([
      startDaemon(api),
      ecr.then(startDaemon),
      ...(useMirror ? [startDaemon(mirror(cloud))] : []),
      // Last of its options, since it reads the registry's certificate.
      ecr.then(() => startDaemon(buildkitd(cloud, useMirror))),
      startEngine(hostEngine(cloud)),
    ]);
    await ensureBuilder(cloud);
    if (useMirror) {
      await ensureBaseImages({
        mirror: cloud.mirror,
        buildkit: `unix://${socket(cloud)}`,
        cacheDir: join(home, "cache"),
        log: say,
      });
    }
    const image = await ensureMachineImage(cloud);
    await startDaemon(agent(cloud, image));
    return { lost: isLost(cloud) };
  });
}

/** Ends all that was started, and gives the addresses back. */
export async function stop(cloud: Cloud): Promise<void> {
  // The agent first: it takes its machines down with it.
  await stopDaemon(cloud.files("ec2"));
  await Promise.all(["moto", "registry", "mirror", "buildkitd"].map((name) => stopDaemon(cloud.files(name))));
  await stopEngine(hostEngine(cloud));
  releaseCloud(cloud);
}

/** The engine on which user data's containers run, and that `docker` reaches in the local cloud's environment. */
function hostEngine(cloud: Cloud): Engine {
  return { data: join(cloud.dir, "engine"), run: cloud.run, log: join(cloud.dir, "log", "engine.log") };
}

/** EC2's data plane. */
function agent(cloud: Cloud, machineImage: string): Daemon {
  return {
    name: "ec2",
    command: ["node", join(import.meta.dirname, "services", "ec2", "agent.ts")],
    env: { ...as(cloud, "root"), LOCAL_CLOUD_MACHINE_IMAGE: machineImage },
    ...cloud.files("ec2"),
    ready: async () => true,
  };
}

/** There from when something was lost until a command has compared the state with what is left, and ended well. */
export const lostMark = (cloud: Cloud) => join(cloud.dir, "lost");

/** The agent leaves a mark of its own when a machine ends that nobody ended: one that dies while a command works counts for the next. */
function isLost(cloud: Cloud): boolean {
  const died = join(cloud.dir, "machine-died");
  if (existsSync(died)) renameSync(died, lostMark(cloud));
  return existsSync(lostMark(cloud));
}

/** Builds the machine's root file system for each architecture into the host's engine, where it is not there. */
async function ensureMachineImage(cloud: Cloud): Promise<string> {
  const folder = join(import.meta.dirname, "services", "ec2", "machine");
  const hash = createHash("sha256");
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (file.isFile()) hash.update(file.name).update(readFileSync(join(file.parentPath, file.name)));
  }
  const image = `local-cloud/machine:${hash.digest("hex").slice(0, 16)}`;
  const { env } = cloud;
  for (const architecture of ["arm64", "amd64"]) {
    const name = `${image}-${architecture}`;
    try {
      await run(["docker", "image", "inspect", name], { env });
    } catch {
      const options = ["--platform", `linux/${architecture}`, "--provenance=false", "--tag", name, "--load"];
      await step(`the machines' file system, ${architecture}`, () =>
        run(["docker-buildx", "build", ...options, folder], { env }),
      );
    }
  }
  return image;
}

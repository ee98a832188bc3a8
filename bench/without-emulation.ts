import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { buildkitd, socket } from "../local/services/buildkitd.ts";
import { reachesDockerHub } from "../local/services/hub/mirror.ts";
import { accepts } from "../tools/ready.ts";
import type { Sandbox } from "./sandbox.ts";

// Since Linux 6.7 a user namespace can have an empty binfmt_misc of its own: foreign binaries do not run in it, and the rest of the host
// goes on unchanged. https://docs.kernel.org/admin-guide/binfmt-misc.html
const script = 'echo ready; read -r _; mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && exec "$@"';

/**
 * Does the work while a second BuildKit runs, configured as the local cloud's, for which no emulation is registered.
 *
 * @param work Gets the environment in which Buildx uses it.
 */
export async function withoutEmulation<T>(sandbox: Sandbox, work: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const { cloud } = sandbox;
  const dir = join(cloud.dir, "unemulated");
  const run = join(cloud.run, "unemulated");
  const worker = ["rootless = true", "noProcessSandbox = true"];
  const [, , ...buildkit] = buildkitd(cloud, !(await reachesDockerHub()), { dir, run, worker }).command;
  const daemon = spawn("unshare", ["--user", "--mount", "sh", "-c", script, "sh", ...buildkit], { env: cloud.env });
  let log = "";
  daemon.stderr.on("data", (data) => (log += data));
  const ended = once(daemon, "exit");
  try {
    await Promise.race([once(daemon.stdout, "data"), ended]);
    // The images' users. With all users mapped, BuildKit would not notice the namespace and would try to create devices.
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${daemon.pid}/${map}`, "0 0 65536\n");
    daemon.stdin.end("\n");
    while (!(await accepts(socket({ run })))) {
      if (daemon.exitCode !== null) throw new Error(`BuildKit in a user namespace ended:\n${log.slice(-2000)}`);
      await wait(50);
    }
    const env = { BUILDX_CONFIG: join(dir, "buildx") };
    await sandbox.command(["docker-buildx", "create", "--use", "--driver", "remote", `unix://${socket({ run })}`], env);
    return await work(env);
  } finally {
    daemon.kill();
    await ended;
    for (const folder of [dir, run]) rmSync(folder, { recursive: true, force: true });
  }
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { accepts } from "../tools/ready.ts";
import type { Sandbox } from "./sandbox.ts";

// Since Linux 6.7 a user namespace can have a binfmt_misc of its own, which is empty: foreign binaries do not run in it, and the rest of
// the machine goes on as before. https://docs.kernel.org/admin-guide/binfmt-misc.html
const script = 'echo ready; read -r _; mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && exec "$@"';

/**
 * Does the work while a second BuildKit runs, configured as the local cloud's, for which no emulation is registered.
 *
 * @param work Gets the environment in which Buildx uses it.
 */
export async function withoutEmulation<T>(sandbox: Sandbox, work: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const { cloud } = sandbox;
  const folder = join(cloud.dir, "unemulated");
  mkdirSync(folder, { recursive: true });
  const socket = join(cloud.run, "unemulated.sock");
  const config = join(folder, "buildkitd.toml");
  writeFileSync(
    config,
    readFileSync(join(cloud.dir, "buildkit", "buildkitd.toml"), "utf8")
      .replace(/^root = .*$/m, `root = ${JSON.stringify(join(folder, "data"))}`)
      .replace(/^( *address = ).*$/m, `$1[${JSON.stringify(`unix://${socket}`)}]`)
      .replace("[worker.oci]\n", "[worker.oci]\n  rootless = true\n  noProcessSandbox = true\n"),
  );
  const command = ["--user", "--mount", "sh", "-c", script, "sh", "buildkitd", "--config", config];
  const daemon = spawn("unshare", command, { env: cloud.env });
  let log = "";
  daemon.stderr.on("data", (data) => {
    log += data;
  });
  const ended = once(daemon, "exit");
  try {
    await Promise.race([once(daemon.stdout, "data"), ended]);
    // The images' users. With a map of every user BuildKit would not see that it is in a namespace, and try to make devices.
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${daemon.pid}/${map}`, "0 0 65536\n");
    daemon.stdin.end("\n");
    while (!(await accepts(socket))) {
      if (daemon.exitCode !== null) {
        throw new Error(`BuildKit in a user namespace ended:\n${log.slice(-2000)}`);
      }
      await wait(50);
    }
    const env = { BUILDX_CONFIG: join(folder, "buildx") };
    await sandbox.command(["docker-buildx", "create", "--use", "--driver", "remote", `unix://${socket}`], env);
    return await work(env);
  } finally {
    daemon.kill();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

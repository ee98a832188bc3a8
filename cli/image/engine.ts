import { openCloud } from "../../local/cloud.ts";
import { start } from "../../local/start.ts";
import { run, say } from "../../tools/process.ts";

/** Docker Engine, with Buildx: the environment in which `docker` reaches it, and its own platform, such as `linux/arm64`. */
export type Engine = Awaited<ReturnType<typeof inspect>>;

/** The engine that `docker` reaches from here; where none answers, the local cloud's, which is started for it. */
export async function findEngine(): Promise<Engine> {
  let reason: string;
  try {
    return await inspect(process.env);
  } catch (error) {
    reason = (error as Error).message.trim().split("\n").slice(0, 2).join("\n");
  }
  say(`no Docker Engine with Buildx is reached from here, so the local cloud's is used (${reason}).
To reach it from this shell too: eval "$(npm run --silent local -- env)"`);
  try {
    const cloud = await openCloud();
    await start(cloud);
    return await inspect(cloud.env);
  } catch (error) {
    throw new Error(
      `there is no Docker Engine to build with.\nFrom here: ${reason}\nThe local cloud's: ${(error as Error).message}\n` +
        "Start Docker (Docker Desktop, or: systemctl start docker) and run this again",
    );
  }
}

async function inspect(env: NodeJS.ProcessEnv) {
  // An engine over a network may never answer.
  const options = { env, timeout: 10_000 };
  const [platform] = await Promise.all([
    run(["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"], options),
    run(["docker", "buildx", "version"], options),
  ]);
  return { env, platform: platform.trim() };
}

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { home } from "../../../tools/paths.ts";
import { accepts } from "../../../tools/ready.ts";
import type { Cloud } from "../../cloud.ts";
import type { Daemon } from "../../daemon.ts";

/** Stands in for Docker Hub where it cannot be reached: a registry with the base images that the project names, under their own names. */
export function mirror(cloud: Cloud): Daemon {
  const folder = join(cloud.dir, "mirror");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "config.json");
  writeFileSync(
    config,
    JSON.stringify({
      version: "0.1",
      log: { level: "warn", accesslog: { disabled: true } },
      // All local clouds of a clone have the same base images.
      storage: { filesystem: { rootdirectory: join(home, "mirror") } },
      http: { addr: cloud.mirror },
    }),
  );
  return {
    name: "mirror",
    command: ["registry", "serve", config],
    env: cloud.env,
    ...cloud.files("mirror"),
    ready: () => accepts(cloud.mirror),
  };
}

/** Whether Docker Hub answers; the official base images are used then. */
export async function reachesDockerHub(): Promise<boolean> {
  try {
    // 401 asks for a token, which is an answer.
    const response = await fetch("https://registry-1.docker.io/v2/", { signal: AbortSignal.timeout(3000) });
    return response.status === 401 || response.ok;
  } catch {
    return false;
  }
}

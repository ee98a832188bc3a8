import { join } from "node:path";
import { home } from "../../../tools/paths.ts";
import type { Cloud } from "../../cloud.ts";
import type { Daemon } from "../../daemon.ts";
import { distribution } from "../distribution.ts";

/**
 * Stands in for Docker Hub where it cannot be reached: a registry that holds the base images of the project under Docker Hub's names. All
 * local clouds of a clone share its data.
 */
export const mirror = (cloud: Cloud): Daemon =>
  distribution(cloud, "mirror", { address: cloud.mirror, data: join(home, "mirror") });

/** Whether Docker Hub answers; the official base images are used then. */
export async function reachesDockerHub(): Promise<boolean> {
  try {
    // 401 asks for a token: it answers.
    const response = await fetch("https://registry-1.docker.io/v2/", { signal: AbortSignal.timeout(3000) });
    return response.status === 401 || response.ok;
  } catch {
    return false;
  }
}

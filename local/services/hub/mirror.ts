import { storeOf } from "../../../tools/store.ts";
import type { Cloud } from "../../cloud.ts";
import type { Daemon } from "../../daemon.ts";
import { distribution } from "../distribution.ts";
import { baseImagesKey } from "./base-images.ts";

/** Where its data is, for all local clouds of the user's clones whose base images are made from the same. */
export const mirrorData = () => storeOf("mirror", baseImagesKey());

/** A registry that has the project's base images, under Docker Hub's names. BuildKit asks it where Docker Hub cannot be reached. */
export const mirror = (cloud: Cloud): Daemon =>
  distribution(cloud, "mirror", { address: cloud.mirror, data: mirrorData() });

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

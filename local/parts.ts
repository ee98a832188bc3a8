import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { toolsFolder } from "../tools/go.ts";
import { exclusively } from "../tools/lock.ts";
import { ensureVenv } from "../tools/python.ts";
import { ensureSystem } from "../tools/system.ts";
import { prepareBaseImages } from "./services/hub/base-images.ts";
import { mirrorData, reachesDockerHub } from "./services/hub/mirror.ts";

/** Does what one clone of the user does for all others. */
export const withBaseImages = (work: () => Promise<unknown>) =>
  exclusively(`hono-app-base-images:${mirrorData()}`, work);

/** Installs and fetches what the local cloud is made of and need not be compiled. */
export async function fetchParts(): Promise<void> {
  const isFirst = !existsSync(join(toolsFolder, "registry"));
  await ensureSystem();
  await ensureVenv("moto");
  // Only then: where Docker Hub is used, there is never a mirror, and every command would ask whether it answers.
  if (isFirst && !existsSync(mirrorData()) && !(await reachesDockerHub()))
    await withBaseImages(() => prepareBaseImages(dirname(mirrorData())));
}

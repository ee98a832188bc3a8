import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeClone } from "../tools/clone.ts";
import { openCloud } from "./cloud.ts";
import { endLeftovers } from "./recovery/recover.ts";
import { stop } from "./start.ts";

/** A clone of the project and a local cloud of its own, for tests and measurements. */
type Sandbox = ReturnType<typeof pathsIn>;
const pathsIn = (folder: string) => ({
  /** The clone, which may be edited. */
  project: join(folder, "project"),
  /** Data of the local cloud. */
  cloudFolder: join(folder, "cloud"),
});

/** Makes the clone, after what a run that was killed may have left is removed. */
export async function makeSandbox(folder: string): Promise<Sandbox> {
  await removeSandbox(folder);
  const made = pathsIn(folder);
  makeClone(made.project);
  return made;
}

/** Stops the local cloud and removes it with the clone. */
export async function removeSandbox(folder: string): Promise<void> {
  const { project, cloudFolder } = pathsIn(folder);
  const remove = (path: string) => rmSync(path, { recursive: true, force: true, maxRetries: 10 });
  // First, so that a test that a signal interrupted finds no command that would start the cloud again.
  remove(project);
  // Nothing has to be destroyed in it: what it has is in memory, and its machines go with it.
  if (existsSync(cloudFolder)) {
    const cloud = await openCloud(cloudFolder);
    await endLeftovers(cloud);
    await stop(cloud);
  }
  remove(cloudFolder);
}

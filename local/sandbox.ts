import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeClone } from "../tools/clone.ts";
import { run } from "../tools/process.ts";

/** A clone of the project and a local cloud of its own, for tests and measurements. */
export interface Sandbox {
  /** The clone, which may be edited. */
  readonly project: string;
  /** Data of the local cloud. */
  readonly cloudFolder: string;
}

/** Makes the clone, after what a run that was killed may have left is removed. */
export async function makeSandbox(folder: string): Promise<Sandbox> {
  await removeSandbox(folder);
  const { project, cloudFolder } = pathsIn(folder);
  makeClone(project);
  return { project, cloudFolder };
}

/** Stops the local cloud and removes it with the clone. */
export async function removeSandbox(folder: string): Promise<void> {
  const { project, cloudFolder } = pathsIn(folder);
  if (existsSync(join(project, "cli", "local.ts"))) {
    const env = { ...process.env, LOCAL_CLOUD_DIR: cloudFolder };
    await run(["node", "cli/local.ts", "down"], { cwd: project, env });
  }
  for (const path of [project, cloudFolder]) rmSync(path, { recursive: true, force: true });
}

const pathsIn = (folder: string): Sandbox => ({ project: join(folder, "project"), cloudFolder: join(folder, "cloud") });

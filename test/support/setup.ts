import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openCloud } from "../../local/cloud.ts";
import { start } from "../../local/start.ts";
import { makeClone } from "../../tools/clone.ts";
import { ensureCfnLint } from "../../tools/linters.ts";
import { home } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { lintHistory } from "./templates.ts";

/** Where the end-to-end tests deploy: a clone of the project and a local cloud, both their own. */
export interface TestCloud {
  /** The clone; tests edit it as a developer would. */
  readonly project: string;
  /** The local cloud's data. */
  readonly dir: string;
  readonly run: string;
  readonly prefix: string;
  readonly endpoint: string;
  readonly registry: string;
  readonly env: Record<string, string>;
}

declare module "vitest" {
  export interface ProvidedContext {
    cloud: TestCloud;
  }
}

const folder = join(home, "test");
const clone = join(folder, "project");
const env = { ...process.env, LOCAL_CLOUD_DIR: join(folder, "cloud") };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // An earlier run that was killed may have left its cloud running.
  await down();
  makeClone(clone);
  process.env.LOCAL_CLOUD_DIR = env.LOCAL_CLOUD_DIR;
  const cloud = await openCloud();
  await start(cloud);
  await ensureCfnLint();
  const { dir, run, prefix, endpoint, registry } = cloud;
  project.provide("cloud", {
    project: clone,
    dir,
    run,
    prefix,
    endpoint,
    registry,
    env: cloud.env as Record<string, string>,
  });
  return async () => {
    try {
      // The fault sweep deploys no other program than these tests do, but hundreds of times.
      const findings = project.name === "e2e" ? await lintHistory(dir) : [];
      if (findings.length > 0) throw new Error(`AWS would refuse what was deployed:\n${findings.join("\n")}`);
    } finally {
      await down();
    }
  };
}

async function down(): Promise<void> {
  if (existsSync(join(clone, "cli", "local.ts"))) await run(["node", "cli/local.ts", "down"], { cwd: clone, env });
  rmSync(folder, { recursive: true, force: true });
}

import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type Cloud, openCloud } from "../../local/cloud.ts";
import { makeSandbox, removeSandbox } from "../../local/sandbox.ts";
import { ensureStack } from "../../local/stack.ts";
import { start } from "../../local/start.ts";
import { ensureCfnLint } from "../../tools/linters.ts";
import { home } from "../../tools/paths.ts";
import { lintHistory } from "./templates.ts";

/** The local cloud in which the end-to-end tests deploy, and their clone of the project, which they edit as a developer would. */
export type TestCloud = Omit<Cloud, "files" | "env"> & {
  readonly project: string;
  readonly env: Record<string, string>;
};

declare module "vitest" {
  export interface ProvidedContext {
    cloud: TestCloud;
  }
}

const folder = join(home, "test");

export default async function setup(tests: TestProject): Promise<() => Promise<void>> {
  const { project, cloudFolder } = await makeSandbox(folder);
  const { files, ...cloud } = await openCloud(cloudFolder);
  await start({ ...cloud, files });
  await ensureStack({ ...cloud, files });
  await ensureCfnLint();
  tests.provide("cloud", { ...cloud, project, env: cloud.env as Record<string, string> });
  return async () => {
    try {
      // The fault sweep deploys no other program than these tests do, but hundreds of times.
      const findings = tests.name === "e2e" ? await lintHistory(cloudFolder) : [];
      if (findings.length > 0) throw new Error(`AWS would refuse what was deployed:\n${findings.join("\n")}`);
    } finally {
      await removeSandbox(folder);
    }
  };
}

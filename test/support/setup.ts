import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type Cloud, openCloud } from "../../local/cloud.ts";
import { makeSandbox, removeSandbox } from "../../local/sandbox.ts";
import { ensureStack } from "../../local/stack.ts";
import { start } from "../../local/start.ts";
import { home } from "../../tools/paths.ts";
import { say } from "../../tools/process.ts";
import { ensureVenv } from "../../tools/python.ts";
import { lintHistory } from "./templates.ts";

/** A local cloud in which end-to-end tests deploy, and its clone of the project, which they edit as a developer would. */
export type TestCloud = Omit<Cloud, "env"> & {
  readonly project: string;
  readonly env: Record<string, string>;
};

declare module "vitest" {
  export interface ProvidedContext {
    /** One for each of Vitest's workers. */
    clouds: readonly TestCloud[];
  }
}

export default async function setup(tests: TestProject): Promise<() => Promise<void>> {
  const folders = Array.from({ length: tests.config.maxWorkers }, (_, index) => join(home, `test-${index + 1}`));
  const made = folders.map(makeCloud);
  let removed: Promise<unknown> | undefined;
  // Not while one of them still starts.
  const remove = () => (removed ??= Promise.allSettled(made).then(() => Promise.all(folders.map(removeSandbox))));
  beforeSignals(remove);
  let clouds: readonly TestCloud[];
  try {
    clouds = await Promise.all(made);
    // Afterwards: it may need a system package, and apt installs for one at a time.
    await ensureVenv("cfn-lint");
    tests.provide("clouds", clouds);
  } catch (error) {
    await remove();
    throw error;
  }
  return async () => {
    // The fault sweep deploys no other program than these tests do, but hundreds of times.
    const linted = tests.name === "e2e" ? lintHistory(...clouds.map(({ dir }) => dir)) : [];
    const [findings] = await Promise.all([linted, remove()]).finally(remove);
    if (findings.length > 0) throw new Error(`AWS would refuse what was deployed:\n${findings.join("\n")}`);
  };
}

/** Tears down before a signal ends Vitest, which would exit at once. A second signal does that. */
export function beforeSignals(tearDown: () => Promise<unknown>): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    const others = process.listeners(signal);
    process.removeAllListeners(signal);
    process.once(signal, (...given) => {
      say("removing the tests' local clouds …");
      for (const other of others) process.once(signal, other);
      void tearDown().finally(() => process.emit(signal, ...given) || process.kill(process.pid, signal));
    });
  }
}

async function makeCloud(folder: string): Promise<TestCloud> {
  const { project, cloudFolder } = await makeSandbox(folder);
  const cloud = await openCloud(cloudFolder);
  await start(cloud);
  await ensureStack(cloud);
  return { ...cloud, project, env: cloud.env as Record<string, string> };
}

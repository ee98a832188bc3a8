import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import type { Cloud } from "./cloud.ts";
import { root } from "./paths.ts";

const project = "hono-app";
const stackName = "local";

/** The stack of the local cloud: the project's own program and configuration, in the local cloud's environment. */
export async function selectStack(cloud: Cloud): Promise<Stack> {
  // The program runs in this process, and reads its build context where the engine would: beside Pulumi.yaml.
  process.chdir(root);
  const stack = await LocalWorkspace.createOrSelectStack(
    { projectName: project, stackName, program: async () => ({ ...(await import("../index.ts")) }) },
    {
      workDir: root,
      envVars: Object.fromEntries(Object.entries(cloud.env).map(([name, value]) => [name, value ?? ""])),
    },
  );
  // Only one command works on this stack at a time, so a lock that is there was left by one that was killed.
  const locks = join(cloud.dir, "state", ".pulumi", "locks");
  if (existsSync(locks) && readdirSync(locks, { recursive: true }).some((file) => String(file).endsWith(".json"))) {
    await stack.cancel();
  }
  return stack;
}

/** Whether the stack's state holds any resource. */
export function hasResources(cloud: Cloud): boolean {
  const file = join(cloud.dir, "state", ".pulumi", "stacks", project, `${stackName}.json`);
  if (!existsSync(file)) return false;
  const state = JSON.parse(readFileSync(file, "utf8"));
  return (state.checkpoint?.latest?.resources ?? []).length > 0;
}

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import type { Cloud } from "./cloud.ts";
import { root } from "./paths.ts";

export const project = "hono-app";
const stackName = "local";

/** The stack of the local cloud: the project's own program and configuration, in the local cloud's environment. */
export async function selectStack(cloud: Cloud): Promise<Stack> {
  // The program runs in this process, and reads its build context where the engine would: beside Pulumi.yaml.
  process.chdir(root);
  return LocalWorkspace.createOrSelectStack(
    { projectName: project, stackName, program: async () => ({ ...(await import("../index.ts")) }) },
    {
      workDir: root,
      envVars: Object.fromEntries(Object.entries(cloud.env).map(([name, value]) => [name, value ?? ""])),
    },
  );
}

/** The stack's state on disk. */
export const stateFile = (cloud: Cloud) => join(cloud.dir, "state", ".pulumi", "stacks", project, `${stackName}.json`);

/** Whether the stack's state holds any resource. One that cannot be read holds what it held. */
export function hasResources(cloud: Cloud): boolean {
  if (!existsSync(stateFile(cloud))) return false;
  const state = readState(stateFile(cloud));
  return state === undefined || (state.checkpoint?.latest?.resources ?? []).length > 0;
}

/** A state's file, or undefined where it is damaged. */
export function readState(file: string): State | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

interface State {
  readonly checkpoint?: { readonly latest?: { readonly resources?: readonly { readonly id?: string }[] } };
}

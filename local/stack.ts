import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runtime } from "@pulumi/pulumi";
import { LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";
import program from "../program.js";
import { root } from "../tools/paths.ts";
import { projectName } from "../tools/stack-config.ts";
import { as, type Cloud } from "./cloud.ts";
import type { Identity } from "./identity.ts";

const stackName = "local";

/**
 * The stack of the local cloud: the project's own program and configuration, in the local cloud's environment.
 *
 * @param runs Whether the program will run: its modules are loaded while the CLI looks up the stack.
 * @param identity The user of AWS's API.
 */
export async function selectStack(cloud: Cloud, runs = false, identity: Identity = "deployer"): Promise<Stack> {
  // The program runs in this process; the engine would start it beside Pulumi.yaml and in this environment.
  process.chdir(root);
  const env = as(cloud, identity);
  Object.assign(process.env, env);
  const selected = LocalWorkspace.createOrSelectStack(
    { projectName, stackName, program },
    {
      workDir: root,
      envVars: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? ""])),
    },
  );
  // A module that cannot be loaded fails again, with its error, where the program imports it.
  if (runs) void preload().catch(() => {});
  return selected;
}

/** Loads the program's modules but index.ts, which creates resources; and the serializer, which inspects every loaded script once. */
async function preload(): Promise<void> {
  await runtime.serializeFunction(() => {});
  for (const file of readdirSync(join(root, "components"))) await import(`../components/${file}`);
}

/** The stack's state on disk. */
export const stateFile = (cloud: Pick<Cloud, "dir">) =>
  join(cloud.dir, "state", ".pulumi", "stacks", projectName, `${stackName}.json`);

/** Whether the stack's state has resources. A damaged state counts as having some. */
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
  readonly checkpoint?: {
    readonly latest?: { readonly resources?: readonly { readonly type: string; readonly id?: string }[] };
  };
}

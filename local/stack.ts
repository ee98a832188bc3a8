import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../tools/paths.ts";
import { run } from "../tools/process.ts";
import { projectName } from "../tools/project.ts";
import { as, type Cloud } from "./cloud.ts";
import type { Identity } from "./identity.ts";

export const stackName = "local";

/** In the environment of every engine that a command of this project starts for a local cloud, and of what that engine starts. */
export const startedHere = "LOCAL_CLOUD_COMMAND=yes";

/** The Pulumi CLI has failed; what it showed says why. */
export class PulumiError extends Error {}

/**
 * Runs the Pulumi CLI on the stack of the local cloud, and shows what it shows.
 *
 * @param args Command and options, such as `["up", "--yes"]`.
 * @param identity The user of AWS's API.
 * @throws {@link PulumiError}
 */
export async function pulumi(cloud: Cloud, args: readonly string[], identity?: Identity): Promise<void> {
  const [file = "", ...rest] = commandLine(args);
  const child = spawn(file, rest, { ...optionsOf(cloud, identity), stdio: "inherit" });
  // The terminal interrupts the CLI too, which then ends by itself, after the resources that it is at.
  const interrupted = () => {};
  const ended = () => child.kill("SIGTERM");
  process.on("SIGINT", interrupted).on("SIGTERM", ended);
  try {
    const [code, signal] = await once(child, "exit");
    if (signal) {
      throw new PulumiError(
        `failed: the engine was ended by ${signal}; run the same command again: it first repairs what is half done`,
      );
    }
    if (code !== 0) {
      throw new PulumiError("failed: the reason is above; once it is fixed, run the same command again");
    }
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", ended);
  }
}

/** The same, but what it shows is seen only in the error of one that fails. */
export async function pulumiQuietly(cloud: Cloud, args: readonly string[]): Promise<void> {
  await run(commandLine(args), optionsOf(cloud));
}

const commandLine = (args: readonly string[]) => ["pulumi", ...args, "--stack", stackName];

function optionsOf(cloud: Cloud, identity: Identity = "deployer") {
  const [name = "", value] = startedHere.split("=");
  return { cwd: root, env: { ...as(cloud, identity), [name]: value } };
}

/** Makes the stack, unless there is one. */
export async function ensureStack(cloud: Cloud): Promise<void> {
  if (existsSync(stateFile(cloud))) return;
  // By itself the CLI takes a passphrase, and says so in the stack's file.
  const { secretsProvider } = await import("../tools/stack-config.ts");
  const options = ["--no-select", "--secrets-provider", secretsProvider(stackName)];
  await run(["pulumi", "stack", "init", ...options, stackName], optionsOf(cloud));
}

/** The stack's state on disk. */
export const stateFile = (cloud: Pick<Cloud, "dir">) =>
  join(cloud.dir, "state", ".pulumi", "stacks", projectName, `${stackName}.json`);

export function resourcesOf(cloud: Pick<Cloud, "dir">): readonly StateResource[] {
  return readState(stateFile(cloud))?.checkpoint?.latest?.resources ?? [];
}

/** The stack's outputs; none of them is a secret. */
export function outputsOf(cloud: Pick<Cloud, "dir">): Readonly<Record<string, unknown>> {
  return resourcesOf(cloud).find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs ?? {};
}

/** Whether the stack's state has resources. A damaged state counts as having some. */
export function hasResources(cloud: Pick<Cloud, "dir">): boolean {
  return existsSync(stateFile(cloud)) && (readState(stateFile(cloud)) === undefined || resourcesOf(cloud).length > 0);
}

/** A state's file, or undefined where it is damaged. */
export function readState(file: string): State | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

export interface StateResource {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  /** False for a component, which is nothing but its children. */
  readonly custom?: boolean;
  /** Replaced by another one of its URN, and still to be deleted. */
  readonly delete?: boolean;
  readonly parent?: string;
  // biome-ignore lint/suspicious/noExplicitAny: each type has inputs of its own
  readonly inputs?: Record<string, any>;
  readonly outputs?: Readonly<Record<string, unknown>>;
  readonly dependencies?: readonly string[];
  readonly propertyDependencies?: Readonly<Record<string, readonly string[]>>;
}

interface State {
  readonly checkpoint?: { readonly latest?: { readonly resources?: readonly StateResource[] } };
}

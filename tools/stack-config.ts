import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "./paths.ts";
import { say } from "./process.ts";
import { projectName } from "./project.ts";

const project: {
  readonly config: Readonly<Record<string, { readonly default?: unknown; readonly value?: unknown }>>;
} = parse(readFileSync(join(root, "Pulumi.yaml"), "utf8"));

/**
 * The configuration of a stack.
 *
 * @param stack Its name. @default the values and defaults of Pulumi.yaml alone
 * @throws Error where the stack has no file.
 */
export const stackConfig = (stack?: string): Record<string, string> => readConfig(readFile(stack));

/** What encrypts a stack's secrets, as its file says. @default `default`: a passphrase or Pulumi Cloud. @throws Error where the stack has no file. */
export const secretsProvider = (stack?: string): string => parse(readFile(stack))?.secretsprovider ?? "default";

/** The KMS key in that: an ARN, an id or an alias. None where no KMS key encrypts them. @see https://gocloud.dev/howto/secrets/#aws */
export const secretsKey = (stack?: string): string | undefined =>
  /^awskms:\/\/\/?([^?]+)/.exec(secretsProvider(stack))?.[1];

function readFile(stack?: string): string {
  if (stack === undefined) return "";
  const file = join(root, `Pulumi.${stack}.yaml`);
  if (!existsSync(file)) {
    throw new Error(
      `the stack ${stack} has no configuration: Pulumi.${stack}.yaml is not there; make it, or name a stack that has one`,
    );
  }
  return readFileSync(file, "utf8");
}

/** The configuration of a stack as the engine reads it: the stack's own values, else those and the defaults of Pulumi.yaml. */
export function readConfig(stackFile: string): Record<string, string> {
  const { config: own = {}, environment } = (parse(stackFile) ?? {}) as Record<string, Record<string, unknown>>;
  if (environment !== undefined) {
    say("the stack's file names a Pulumi ESC environment; what that sets is not known here, and not counted");
  }
  const defaults = Object.entries(project.config).map(([key, declared]) => [key, declared.value ?? declared.default]);
  const values = Object.entries({ ...Object.fromEntries(defaults), ...own }).filter(([, value]) => value !== undefined);
  const fullKey = (key: string) => (key.includes(":") ? key : `${projectName}:${key}`);
  const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  return Object.fromEntries(values.map(([key, value]) => [fullKey(key), textOf(value)]));
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { domainOf } from "../components/names.ts";

/**
 * What AWS takes in a managed policy, and without a raised quota in a role's trust, spaces and line breaks not counted.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
 */
const managed = { limit: 6144, remedy: "choose a shorter name, stack or bucket" };
const ofRole = { limit: 2048, remedy: "name fewer environments, and make a role for the others" };

export interface Values {
  /** 12 digits. */
  readonly account: string;
  readonly region: string;
  /** The app's name. */
  readonly name: string;
  /** @default every stack */
  readonly stack?: string | undefined;
  /** ARN of the boundary that every role must have. @default none is asked for */
  readonly boundary?: string | undefined;
  /** Path of the app's secrets that the stack's configuration has, such as `/hono-app/shared`. @default only the stack's own path is allowed */
  readonly secretsPath?: string | undefined;
  /** @default the state is kept elsewhere */
  readonly stateBucket?: string | undefined;
  /** ARN of the KMS key that encrypts the state's secrets. @default a passphrase or Pulumi Cloud does */
  readonly stateKey?: string | undefined;
  /** Whom GitHub's tokens may name. */
  readonly subjects?: readonly string[] | undefined;
}

/** A statement of policies/policies.yaml. */
export interface Entry {
  readonly sid: string;
  /** The value without which it is left out. */
  readonly when?: keyof Values;
  /** Why AWS needs its actions, where the local cloud is not asked for them. */
  readonly why?: string;
  readonly principal?: Record<string, string>;
  readonly resource?: readonly string[];
  readonly condition?: Record<string, Record<string, string | readonly string[]>>;
  /** Each with its own why. */
  readonly actions: Readonly<Record<string, string | null>>;
}

export type Policy = ReturnType<typeof policy>;

export const policyNames = ["preview", "deploy", "fleet", "on-call", "boundary", "trust"] as const;
export type PolicyName = (typeof policyNames)[number];
export const isPolicyName = (name: string): name is PolicyName => (policyNames as readonly string[]).includes(name);

/** AWS refuses a policy whose ARNs are another partition's: https://github.com/aws/copilot-cli/issues/2563 */
const partitionOf = (region: string) =>
  /^cn-/.test(region) ? "aws-cn" : /^us-gov-/.test(region) ? "aws-us-gov" : "aws";

/** The statements of each policy. */
export const entries: Readonly<Record<PolicyName, readonly Entry[]>> = parse(
  readFileSync(join(import.meta.dirname, "policies.yaml"), "utf8"),
);

/** @throws Error where AWS would not take it, since it is too long. */
export function policy(name: PolicyName, values: Values) {
  const { name: app, stack, region } = values;
  const repository = stack === undefined ? `${app}-*` : `${app}-${stack.toLowerCase()}`;
  const path = stack === undefined ? app : `${app}/${stack}`;
  const filled = { ...values, repository, path, partition: partitionOf(region), domain: domainOf(region) };
  const Statement = entries[name]
    .filter(({ when }) => when === undefined || values[when] !== undefined)
    .map(({ sid, principal, resource, condition = {}, actions }) => {
      const holding = fill(condition, filled);
      return {
        Sid: sid,
        Effect: "Allow" as const,
        ...(principal && { Principal: fill(principal, filled) }),
        Action: one(Object.keys(actions)),
        ...(resource && { Resource: one(fill(resource, filled) as string[]) }),
        ...(holding !== undefined && { Condition: holding }),
      };
    });
  const result = { Version: "2012-10-17" as const, Statement };
  const { length } = JSON.stringify(result);
  const { limit, remedy } = name === "trust" ? ofRole : managed;
  if (length > limit) throw new Error(`the policy has ${length} characters; AWS takes ${limit} in one: ${remedy}`);
  return result;
}

/** Shorter, which counts: AWS takes the item of a list of one for the list. */
const one = (list: readonly string[]) => (list.length === 1 ? (list[0] as string) : list);

/** What may be left out of a condition or a list. Without any other value a policy would allow more than it should. */
const optional = ["stack", "boundary", "secretsPath"];

/** Fills in the values. A string with an optional value that is not given becomes undefined, and what holds it is left out. */
function fill(data: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (typeof data === "string") {
    const names = [...data.matchAll(/\$\{(\w+)\}/g)].map(([, name = ""]) => name);
    const missing = names.filter((name) => values[name] === undefined);
    if (missing.some((name) => !optional.includes(name)))
      throw new Error(`no value is given for ${missing.join(", ")}`);
    if (missing.length > 0) return undefined;
    const [first = ""] = names;
    if (data === `\${${first}}`) return values[first];
    return data.replaceAll(/\$\{(\w+)\}/g, (_, name) => String(values[name]));
  }
  if (Array.isArray(data)) return data.map((item) => fill(item, values)).filter((item) => item !== undefined);
  const entries = Object.entries(data as object).map(([key, value]) => [key, fill(value, values)]);
  const given = entries.filter(([, value]) => value !== undefined);
  return given.length > 0 ? Object.fromEntries(given) : undefined;
}

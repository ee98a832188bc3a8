import type { AnySchemaObject } from "ajv";
import { propertySchema } from "./schemas.ts";
import { toTags } from "./tags.ts";
import { type Inputs, isObject, leaves, type Props, unwrap } from "./values.ts";

/** What CloudFormation calls a resource and its properties: AWS's schemas are written in its words. */
export interface CloudFormation {
  /** Such as `AWS::EC2::SecurityGroup`. */
  readonly type: string;
  /**
   * The names of those inputs, by their paths, that are not just the input's with a capital, such as `BlockDeviceMappings[].Ebs.VolumeSize`.
   * null where CloudFormation has no such property.
   */
  readonly names?: Readonly<Record<string, string | null>>;
  /** What CloudFormation wants beside the inputs, where there is the object that it belongs to. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** Values that mean to the provider that there is none. */
  readonly none?: Readonly<Record<string, unknown>>;
  /** Whether this is a part of another resource there, which has what is required. */
  readonly isPart?: boolean;
  /** What AWS refuses although its schema does not say so: a JSON schema of the properties. */
  readonly rules?: AnySchemaObject;
}

/** What a resource type says of its inputs. */
export interface Described {
  readonly inputs: Inputs;
  readonly cloudFormation: CloudFormation;
}

export interface Translation {
  readonly properties: Props;
  /** The input that a property was made from, by the property's JSON pointer. */
  readonly sources: ReadonlyMap<string, string>;
  /** Tags of what CloudFormation cannot tag, by their inputs. */
  readonly tags: ReadonlyMap<string, Props>;
}

const stepsOf = (path: string) => path.split(/[.[\]]+/).filter(Boolean);
const capital = (step: string) => (step[0] ?? "").toUpperCase() + step.slice(1);

/** The steps to an input's property, such as `BlockDeviceMappings`, `0`, `Ebs`; undefined where there is none. */
export function target({ names = {} }: CloudFormation, path: string, at = path): string[] | undefined {
  const name = names[path];
  if (name === null) return undefined;
  if (name === undefined) return stepsOf(at).map(capital);
  const indices = at.match(/(?<=\[)\d+/g) ?? [];
  return stepsOf(name.replaceAll("[]", () => `[${indices.shift() ?? 0}]`));
}

/** The inputs of a resource as CloudFormation has them. */
export function translate({ inputs: known, cloudFormation }: Described, inputs: Props): Translation {
  const { type, fixed = {}, none = {} } = cloudFormation;
  const properties: Props = {};
  const sources = new Map<string, string>();
  const tags = new Map<string, Props>();
  for (const [at, { path, value }] of leaves(known, unwrap(inputs)).found) {
    // An object that is not known yet, or an input of no meaning to AWS.
    if (known[path] === undefined || value === undefined || value === none[path]) continue;
    const steps = target(cloudFormation, path, at);
    if (steps !== undefined) {
      set(properties, steps, convert(value, propertySchema(type, steps)));
      sources.set(`/${steps.join("/")}`, at);
    } else if (isObject(value)) tags.set(at, value);
  }
  for (const [path, value] of Object.entries(fixed)) set(properties, stepsOf(path), value, false);
  return { properties, sources, tags };
}

/** A map of tags is a list there, and a policy may be the document itself. */
function convert(value: unknown, schema?: AnySchemaObject): unknown {
  const types = [schema?.type].flat();
  if (isObject(value) && types.includes("array")) return toTags(value);
  if (typeof value !== "string" || !types.includes("object")) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** @param make Whether the objects on the way are made, or nothing is set where they are missing. */
function set(properties: Props, steps: readonly string[], value: unknown, make = true): void {
  let at = properties;
  for (const [index, step] of steps.slice(0, -1).entries()) {
    if (at[step] === undefined && !make) return;
    at[step] ??= /^\d+$/.test(steps[index + 1] ?? "") ? [] : {};
    at = at[step];
  }
  at[steps.at(-1) ?? ""] = value;
}

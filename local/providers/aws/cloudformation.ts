import type { AnySchemaObject } from "ajv";
import { propertySchema, schemaOf } from "./schemas.ts";
import { toTags } from "./tags.ts";
import { capital, type Flag, type Inputs, isObject, leaves, lower, type Props, unwrap } from "./values.ts";

/** A resource type in AWS's own terms: its schema is CloudFormation's, and so are the names in it. */
export interface CloudFormation {
  /** Such as `AWS::EC2::SecurityGroup`. */
  readonly type: string;
  /**
   * The names of those inputs, by their paths, that are not just the input's with a capital, such as `BlockDeviceMappings[].Ebs.VolumeSize`.
   * null where CloudFormation has no such property. After it those that operations use.
   */
  readonly names?: Readonly<Record<string, string | null | readonly (string | null)[]>>;
  /** The property of the schema whose members the inputs are, such as `LaunchTemplateData`. @default the schema's own properties */
  readonly within?: string;
  /** The properties beside those with names of their own that are inputs; all of the schema's unless given. */
  readonly only?: readonly string[];
  /** Properties of the schema that the local cloud does nothing with: as inputs they are unknown. */
  readonly without?: readonly string[];
  /** Inputs that the provider requires or replaces although the schema does not say so, or changes in place although it does. */
  readonly required?: readonly string[];
  readonly replace?: readonly string[];
  readonly inPlace?: readonly string[];
  /** Lists whose order means nothing. */
  readonly sets?: readonly string[];
  /** Properties that are always the same, where there is the object that they belong to. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** Inputs that are attributes: AWS keeps those apart from the properties, as texts, by these keys; and what they are unless given. */
  readonly attributes?: Readonly<Record<string, readonly [key: string, absent: string | number | boolean]>>;
  /** AWS's value for each of an input's, where it has others. */
  readonly spelled?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What the provider has where AWS has nothing. The order is that in which AWS takes them. */
  readonly absent?: Props;
  /** Whether this is a part of another resource there, which has what is required. */
  readonly isPart?: boolean;
  /** What AWS refuses although its schema does not say so: a JSON schema of the properties, and of the attributes by AWS's keys. */
  readonly rules?: AnySchemaObject;
}

/** What a resource type says of its inputs; AWS's own rules of them are written for what CloudFormation calls it. */
export interface Described {
  readonly inputs: Inputs;
  readonly cloudFormation: CloudFormation;
}

export const stepsOf = (path: string) => path.split(/[.[\]]+/).filter(Boolean);

/** The steps to an input's property, such as `BlockDeviceMappings`, `0`, `Ebs`; undefined where there is none. */
export function target(row: CloudFormation, path: string, at = path): string[] | undefined {
  const [name] = [row.names?.[path]].flat();
  if (name === null || row.attributes?.[path]) return undefined;
  if (name === undefined) return [...stepsOf(row.within ?? ""), ...stepsOf(at).map(capital)];
  const indices = at.match(/(?<=\[)\d+/g) ?? [];
  return stepsOf(name.replaceAll("[]", () => `[${indices.shift() ?? 0}]`));
}

/** The inputs that AWS's schema gives a type, and what it says of each: its own names where the row has none. */
export function inputsOf(row: CloudFormation): Inputs {
  const { type, names = {}, fixed = {}, attributes = {}, isPart, only, without, within = "" } = row;
  const { required = [], readOnlyProperties = [], createOnlyProperties = [] } = schemaOf(type);
  const outer = stepsOf(within);
  const properties = propertySchema(type, outer)?.properties ?? {};
  const elsewhere = [...Object.values(names).flat(), ...Object.keys(fixed)].map(
    (path) => stepsOf(path ?? "")[outer.length],
  );
  const isInput = (name: string) =>
    !elsewhere.includes(name) &&
    !readOnlyProperties.includes(`/properties/${name}`) &&
    !without?.includes(lower(name)) &&
    (only?.includes(lower(name)) ?? !isPart);
  const own = Object.keys(properties)
    .filter(isInput)
    .flatMap((name) => pathsBelow(type, [...outer, name]))
    .map((path) => (within ? path.slice(within.length + 1) : path));
  return Object.fromEntries(
    [...Object.keys(names), ...own, ...Object.keys(attributes)].map((path) => {
      const steps = target(row, path) ?? [];
      const schema = propertySchema(type, steps);
      const pointer = `/properties/${steps.filter((step) => !/^\d+$/.test(step)).join("/")}/`;
      const isJson = [schema?.type].flat().includes("object") || steps.at(-1)?.endsWith("Text");
      const isRequired = isPart || (steps.length === 1 && required.includes(steps[0]));
      const isCreateOnly = createOnlyProperties.some((each: string) => pointer.startsWith(`${each}/`));
      const flags: Record<Flag, boolean | undefined> = {
        required: row.required?.includes(path) || isRequired,
        replace: row.replace?.includes(path) || (isCreateOnly && !row.inPlace?.includes(path)),
        json: isJson,
        set: row.sets?.includes(path),
      };
      return [path, (Object.keys(flags) as Flag[]).filter((flag) => flags[flag])];
    }),
  );
}

/** The paths of the inputs below a property: an object's members, a list's items' members, or the property itself. */
function pathsBelow(type: string, steps: readonly string[]): string[] {
  const schema = propertySchema(type, steps);
  const within = schema?.properties ? steps : [...steps, "0"];
  const members = steps.at(-1) === "Tags" ? {} : propertySchema(type, within)?.properties;
  const below = Object.keys(members ?? {}).flatMap((name) => pathsBelow(type, [...within, name]));
  const path = steps
    .filter((step) => !/^\d+$/.test(step))
    .map(lower)
    .join(".");
  return below.length > 0 ? below : [path];
}

/** The inputs of a resource as CloudFormation has them. */
export function translate({ inputs: known, cloudFormation }: Described, inputs: Props) {
  const { type, fixed = {}, absent = {}, spelled = {} } = cloudFormation;
  const properties: Props = {};
  const attributes: Props = {};
  /** The input that a property was made from, by the property's JSON pointer. */
  const sources = new Map<string, string>();
  /** Tags of what CloudFormation cannot tag, by their inputs. */
  const tags = new Map<string, Props>();
  for (const [at, { path, value }] of leaves(known, unwrap(inputs)).found) {
    // An object that is not known yet, or an input of no meaning to AWS.
    if (known[path] === undefined || value === undefined || value === absent[path]) continue;
    const steps = target(cloudFormation, path, at);
    const attribute = cloudFormation.attributes?.[path]?.[0];
    if (steps !== undefined) {
      set(properties, steps, convert(spelled[path]?.[String(value)] ?? value, propertySchema(type, steps)));
      sources.set(`/${steps.join("/")}`, at);
    } else if (attribute) {
      attributes[attribute] = value;
      sources.set(`/${attribute}`, at);
    } else if (isObject(value)) tags.set(at, value);
  }
  for (const [path, value] of Object.entries(fixed)) set(properties, stepsOf(path), value, false);
  return { properties, attributes, sources, tags };
}

/** A map is a list there, of tags or dimensions; a policy may be the document itself; numbers and switches may be texts. */
export function convert(value: unknown, schema?: AnySchemaObject): unknown {
  const types = [schema?.type].flat();
  if (isObject(value) && types.includes("array")) {
    const isNamed = JSON.stringify(schema?.items).includes("Dimension");
    return isNamed ? Object.entries(value).map(([Name, Value]) => ({ Name, Value })) : toTags(value);
  }
  if ((value === "true" || value === "false") && types.includes("boolean")) return value === "true";
  if (typeof value === "number" && String(types) === "string") return String(value);
  if (typeof value !== "string" || !types.includes("object")) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** @param make Whether the objects on the way are made, or nothing is set where they are missing. */
export function set(properties: Props, steps: readonly string[], value: unknown, make = true): void {
  let at = properties;
  for (const [index, step] of steps.slice(0, -1).entries()) {
    if (at[step] === undefined && !make) return;
    at[step] ??= /^\d+$/.test(steps[index + 1] ?? "") ? [] : {};
    at = at[step];
  }
  at[steps.at(-1) ?? ""] = value;
}

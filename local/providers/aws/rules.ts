import { isIPv4, isIPv6 } from "node:net";
import type { CheckFailure } from "@pulumi/pulumi/provider/provider.js";
import type { AnySchemaObject, ErrorObject } from "ajv";
import { Ajv2019 } from "ajv/dist/2019.js";
import { convert, type Described, translate } from "./cloudformation.ts";
import { schemaOf, schemas } from "./schemas.ts";
import { toTags } from "./tags.ts";
import { hasSecret, isObject, type Props, unknownValue } from "./values.ts";

/**
 * What AWS would refuse of a resource's inputs, by its own schema of the type and by the rules beside it. A value that is not known yet is
 * not judged.
 */
export function refusals(described: Described, inputs: Props): CheckFailure[] {
  const { type, isPart, rules = {} } = described.cloudFormation;
  const { properties, attributes, sources, tags } = translate(described, inputs);
  const judge = (schema: AnySchemaObject, judged: Props, madeFrom: ReadonlyMap<string, string>) =>
    errorsOf(schema, judged)
      .filter(({ keyword, instancePath }) => !(isPart && keyword === "required" && instancePath === ""))
      .map((error) => {
        const property = sourceOf(error, madeFrom);
        const isSecret = hasSecret(inputs[property.split(/[.[]/)[0] ?? ""]);
        return { property, reason: `AWS refuses it: ${explain(error, type, isSecret)}` };
      });
  const found = [
    ...judge(schemaOf(type), properties, sources),
    ...judge(rules, { ...opened(properties), ...attributes }, sources),
    ...[...tags].flatMap(([at, value]) => judge(tagging, { Tags: toTags(value) }, new Map([["/Tags", at]]))),
  ];
  // Two schemas may say the same.
  return found.filter(({ reason }, index) => found.findIndex((other) => other.reason === reason) === index);
}

/** With what is in a document that AWS takes as a text. */
const opened = (properties: Props): Props =>
  JSON.parse(JSON.stringify(properties), (key, value) =>
    key.endsWith("Text") ? convert(value, { type: "object" }) : value,
  );

type Type = "object" | "array" | "string";
type Keyword = { readonly type: Type | Type[]; readonly message: string };
type Names = Readonly<Record<string, readonly string[]>>;

/** Keywords that ajv does not have: cfn-lint's, and the last one for the rules beside the schemas. */
const keywords: Record<string, Keyword & { isMet(rule: never, value: never): boolean }> = {
  requiredXor: {
    type: "object",
    message: "must have exactly one of",
    isMet: (names: string[], value: Props) => names.filter((name) => name in value).length === 1,
  },
  requiredOr: {
    type: "object",
    message: "must have at least one of",
    isMet: (names: string[], value: Props) => names.some((name) => name in value),
  },
  dependentExcluded: {
    type: "object",
    message: "must not have, with a property, those that it excludes:",
    isMet: (names: Names, value: Props) =>
      Object.keys(names).every((name) => !(name in value) || !names[name]?.some((other) => other in value)),
  },
  uniqueKeys: {
    type: "array",
    message: "must not have two items with the same",
    isMet: (keys: string[], items: Props[]) =>
      keys.every((key) => {
        const values = items.flatMap((item) => item[key] ?? []);
        return new Set(values).size === values.length;
      }),
  },
  maxUniqueItems: {
    type: "array",
    message: "must not have more different items than",
    isMet: (most: number, items: unknown[]) => new Set(items.map((item) => JSON.stringify(item))).size <= most,
  },
  enumCaseInsensitive: {
    type: "string",
    message: "must be, in whatever case, one of",
    isMet: (allowed: string[], text: string) => allowed.some((each) => each.toLowerCase() === text.toLowerCase()),
  },
  // What JSON Schema cannot say, and whether it is so. It has to hold for what is not known yet.
  holds: {
    type: ["object", "array", "string"],
    message: "must",
    isMet: ([, isMet]: [string, (value: unknown) => boolean], value: unknown) => isMet(value),
  },
};

const isNetwork = (isAddress: (text: string) => boolean, bits: number) => (text: string) => {
  const [address = "", prefix = "", ...rest] = text.split("/");
  return isAddress(address) && /^\d+$/.test(prefix) && Number(prefix) <= bits && rest.length === 0;
};

/** EC2 would drop them, and the real provider refuses them. */
function hasHostBits(network: string): boolean {
  const [first = 0, second = 0, third = 0, fourth = 0, prefix = 0] = network.split(/[./]/).map(Number);
  return (((first * 256 + second) * 256 + third) * 256 + fourth) % 2 ** (32 - prefix) !== 0;
}

const ajv = new Ajv2019({
  allErrors: true,
  $data: true,
  verbose: true,
  validateSchema: false,
  // A keyword or a format that is not known here is an error: to skip it would lose a rule.
  strict: false,
  strictSchema: true,
  allowMatchingProperties: true,
  // Optimizing takes longer than the few validations of a command save.
  code: { regExp: Object.assign(toRegExp, { code: "" }), optimize: false },
});
ajv.addVocabulary(["createOnlyProperties", "readOnlyProperties", "primaryIdentifier"]);
for (const [keyword, { type, isMet }] of Object.entries(keywords)) {
  ajv.addKeyword({ keyword, type, validate: isMet as (rule: unknown, value: unknown) => boolean });
}
ajv.addFormat("ipv4-network", (text) => isNetwork(isIPv4, 32)(text) && !hasHostBits(text));
ajv.addFormat("ipv6-network", isNetwork(isIPv6, 128));
for (const [name, pattern] of Object.entries(schemas.formats)) ajv.addFormat(name, toRegExp(pattern));
for (const schema of Object.values(schemas.shared)) ajv.addSchema(schema);
/** cfn-lint's rule of tags. */
const tagging: AnySchemaObject = { $ref: "E3024" };

/** Some patterns have Unicode's classes of characters, others have escapes that JavaScript does not take along with those. */
function toRegExp(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch {
    return new RegExp(pattern);
  }
}

/** A schema is compiled when it is first needed. */
function errorsOf(schema: AnySchemaObject, properties: Props): ErrorObject[] {
  const validate = ajv.compile(schema);
  if (validate(properties)) return [];
  const unknown = pointersTo(unknownValue, properties);
  const isUnknown = ({ keyword, instancePath, params }: ErrorObject) =>
    params.limit === unknownValue ||
    unknown.some(
      (pointer) =>
        pointer === instancePath || (looksInside.includes(keyword) && pointer.startsWith(`${instancePath}/`)),
    );
  // A failed condition is reported by the errors of the branch that was taken.
  return (validate.errors ?? []).filter((error) => error.keyword !== "if" && !isUnknown(error));
}

/** Keywords that depend on what is inside an object or a list, and not only on which of it is there. */
const looksInside =
  "anyOf, oneOf, not, const, enum, contains, uniqueItems, uniqueKeys, maxUniqueItems, false schema".split(", ");

function pointersTo(wanted: unknown, value: unknown, at = ""): string[] {
  if (value === wanted) return [at];
  if (!isObject(value) && !Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => pointersTo(wanted, item, `${at}/${key}`));
}

/** The input that a property was made from, or the first one inside of it; none for the resource as a whole. */
function sourceOf({ instancePath }: ErrorObject, sources: ReadonlyMap<string, string>): string {
  if (instancePath === "") return "";
  const pointers = [...sources.keys()];
  const pointer =
    pointers.find((each) => `${instancePath}/`.startsWith(`${each}/`)) ??
    pointers.find((each) => each.startsWith(`${instancePath}/`));
  return sources.get(pointer ?? "") ?? "";
}

/** `GroupName of AWS::EC2::SecurityGroup is "sg-1", and must NOT be valid`. */
function explain(error: ErrorObject, type: string, isSecret: boolean): string {
  const { instancePath, data } = error;
  const name = [instancePath.slice(1).replaceAll("/", "."), type].filter(Boolean).join(" of ");
  if (isObject(data) || Array.isArray(data)) return `${name} ${ruleOf(error)}`;
  const text = isSecret ? "secret" : JSON.stringify(data);
  return `${name} is ${text.length > 200 ? `${text.slice(0, 200)}…` : text}, and ${ruleOf(error)}`;
}

function ruleOf({ keyword, message, params, schema, data }: ErrorObject): string {
  if (keyword === "false schema") return "must not be given beside the others";
  if (keyword === "additionalProperties") return `must not have ${params.additionalProperty}`;
  if (keyword === "format") return `must match ${schemas.formats[params.format] ?? params.format}`;
  if (keyword === "enum") return `must be one of ${allowed(params.allowedValues, data)}`;
  if (keyword === "not") return `must not match ${JSON.stringify(schema)}`;
  if (keyword === "holds" && Array.isArray(schema)) return `must ${schema[0]}`;
  const own = keywords[keyword]?.message;
  return own ? `${own} ${Array.isArray(schema) ? schema.join(", ") : JSON.stringify(schema)}` : (message ?? keyword);
}

/** All of a short list; of a long one those that begin as the value does. */
function allowed(values: readonly unknown[], value: unknown): string {
  const start = String(value).slice(0, 3);
  return (values.length <= 30 ? values : values.filter((each) => String(each).startsWith(start))).join(", ");
}

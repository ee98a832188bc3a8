// AWS's operations by their names. The SDK carries the schema of every request, from which follows what a call takes of a resource.
import { every } from "../../lists.ts";
import { type Operation, sdk, services } from "./clients.ts";
import { toTags } from "./tags.ts";
import { capital, isObject, lower, type Props } from "./values.ts";

// biome-ignore lint/suspicious/noExplicitAny: the SDK's own encoding, @smithy/types' StaticSchema
type Schema = any;

/** An object as AWS answers it, with the provider's spelling of every key but those of tags. */
// biome-ignore lint/suspicious/noExplicitAny: walks JSON
export function lowered(value: any): any {
  if (Array.isArray(value)) return value.map(lowered);
  if (!isObject(value) || value instanceof Date) return value;
  const isTags = (key: string) => lower(key) === "tags";
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [lower(key), isTags(key) ? item : lowered(item)]),
  );
}

/** A schema without its Smithy traits: the number of a simple type, or `[kind, namespace, name, …]`. */
function resolve(schema: Schema): Schema {
  const bare = Array.isArray(schema) && typeof schema[1] !== "string" ? schema[0] : schema;
  return typeof bare === "function" ? resolve(bare()) : bare;
}

const numeric = 1;
const isList = (shape: Schema) => (Array.isArray(shape) ? shape[0] === 1 : shape >= 64 && shape < 128);
const isStruct = (shape: Schema) => Array.isArray(shape) && shape[0] === 3;

/** The value in the shape that a request wants: a list of one, an object of a list, AWS's names of an object's members. */
function shaped(schema: Schema, value: unknown): unknown {
  const shape = resolve(schema);
  if (isList(shape)) return [value].flat().map((item) => (Array.isArray(shape) ? shaped(shape[4], item) : item));
  // Auto Scaling takes a list of subnets as one text, and what is a number as a number where CloudFormation has a text.
  if (!isStruct(shape)) return Array.isArray(value) ? value.join() : shape === numeric ? Number(value) : value;
  const [, , , , names, schemas] = shape;
  const [given] = [value].flat();
  const members: Props = isObject(given) ? given : { value: given };
  return Object.fromEntries(
    names.flatMap((name: string, index: number) => {
      // Of tags the names are AWS's own.
      const member = members[lower(name)] ?? members[name];
      return member === undefined ? [] : [[name, shaped(schemas[index], member)]];
    }),
  );
}

/** @param tagType What EC2 calls a type in the tags of a request. */
export function operation(service: keyof typeof services, name: Operation, tagType?: string) {
  const api: Props = services[service].client();
  if (!(name in api)) throw new Error(`${service} has no operation ${name}`);
  const input: Schema = resolve(sdk<Props>(services[service].sdk)[`${capital(name)}$`][4]);
  const names: string[] = input[4] ?? [];
  const schemas = new Map(names.map((member, index) => [lower(member), input[5][index]]));

  const given = (member: string, values: Props): unknown => {
    const tags = Array.isArray(values.tags) ? values.tags : values.tags && lowered(toTags(values.tags));
    if (member === "tags" && isList(resolve(schemas.get(member)))) return tags;
    // EC2 refuses a specification without tags.
    if (member === "tagSpecifications" && !values[member])
      return tags?.length > 0 ? [{ resourceType: tagType, tags }] : undefined;
    return values[member] ?? (member.endsWith("s") ? values[member.slice(0, -1)] : undefined);
  };
  const request = (values: Props) =>
    Object.fromEntries(
      names.flatMap((member) => {
        const value = given(lower(member), values);
        return value === undefined ? [] : [[member, shaped(schemas.get(lower(member)), value)]];
      }),
    );

  return {
    /** Whether the request has a member for a value, or one for a list of such values. */
    takes: (key: string) =>
      schemas.has(key) || schemas.has(`${key}s`) || (key === "tags" && schemas.has("tagSpecifications")),
    /** Whether the request takes an attribute as `{ Value }`; AWS allows one of those in a call. */
    isAttribute(key: string): boolean {
      const shape = resolve(schemas.get(key));
      return isStruct(shape) && String(shape[4]) === "Value";
    },
    /** Sends what the request takes of the values, which have the names of its members. */
    async send(values: Props): Promise<Props> {
      const { $metadata, ...answer } = await api[name](request(values));
      // AWS answers 200 to some even if it did nothing.
      const { Code, Message } = answer.Unsuccessful?.[0]?.Error ?? {};
      if (Code) throw Object.assign(new Error(Message), { name: Code });
      return answer;
    },
    /** The items at a path of the answer, such as `RouteTables.Routes`, from all of its pages; an inner one with what its outer one has. */
    async list(values: Props, path: string): Promise<Props[]> {
      const [outer = "", inner] = path.split(".");
      const paginate = api[`paginate${capital(name)}`];
      const pages = paginate ? paginate.call(api, request(values)) : [await api[name](request(values))];
      const items: Props[] = await every<Props, Props>(pages, (page) => page[outer]);
      return inner ? items.flatMap((item) => item[inner].map((each: Props) => ({ ...scalars(item), ...each }))) : items;
    },
  };
}

/** What is not nested. */
export const scalars = (item: Props): Props =>
  Object.fromEntries(Object.entries(item).filter(([, value]) => typeof value !== "object"));

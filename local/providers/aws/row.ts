import type { AnySchemaObject } from "ajv";
import { type Operation, services } from "./clients.ts";
import { type CloudFormation, inputsOf, set, stepsOf, target, translate } from "./cloudformation.ts";
import { lowered, operation } from "./operations.ts";
import type { Price } from "./prices.ts";
import { ofMade, orGone, type Resource, refuse, until } from "./provider.ts";
import { schemaOf } from "./schemas.ts";
import { ec2Arn, fromTags, ownTags, retagEc2 } from "./tags.ts";
import { isObject, leaves, lower, type Props, withoutUndefined } from "./values.ts";

/**
 * A resource type as data. Its inputs are the properties of AWS's schema of the type, with a lower first letter; a request gets those of
 * them that it has a member for.
 */
export interface Row
  extends CloudFormation,
    Pick<Resource, "computed" | "defaults" | "deleteBeforeReplace" | "keepsState"> {
  /** Why the type costs nothing, or what its inputs cost. */
  readonly price: Price;
  /** Inputs that the diagram shows. */
  readonly shows?: readonly string[];
  readonly calls: {
    readonly create: Operation | ((inputs: Props) => Promise<string>);
    /** Those that change it, some with what undoes them. @default the put that makes it */
    readonly update?:
      | readonly (Operation | readonly [set: Operation, unset: Operation])[]
      | ((id: string, inputs: Props, changed: readonly string[], olds: Props) => Promise<void>);
    /** None for what is part of another resource and goes with it. */
    readonly delete?: Operation;
    /** Reads one, where the list does not tell everything. */
    readonly get?: Operation;
  };
  /**
   * The operation that lists what there is, and the path of the items in its answer.
   * @default `describeVpcs` and `Vpcs` for a `VpcId`; for IAM `listRoles` and `Roles`; none for what is a part of another resource
   */
  readonly list?: readonly [Operation, path: string];
  /** The members of an item that identify it, such as `RoleName:PolicyName`; or the id that an item has in the provider. @default AWS's */
  readonly id?: string | ((item: Props) => string);
  /** What some operations call the id. */
  readonly alsoId?: string;
  /** The type it is part of. It has no tags of its own; its owner's say whose it is. */
  readonly partOf?: string;
  /** What EC2 calls the type in tags and ARNs. @default `route-table`, by a `RouteTableId` */
  readonly tagType?: string;
  /** Outputs beside the ARN: where an item has them, such as `NatGatewayAddresses[].PublicIp`, or how they follow from it. */
  readonly outputs?: Readonly<Record<string, string | ((item: Props) => unknown)>>;
  /** Whether an item is the program's own and not one that AWS makes by itself. */
  readonly isOwn?: (item: Props) => boolean;
  /** What the list does not tell, by AWS's names or by those of inputs. */
  readonly more?: (item: Props) => Promise<Props>;
  /** Requests that are not made of the inputs one by one. */
  readonly requests?: Readonly<Partial<Record<Operation, (inputs: Props, id: string, olds: Props) => Props>>>;
  /** What AWS does not do by itself after the creation. */
  readonly created?: (id: string, inputs: Props) => Promise<void>;
  /** Whether AWS, which answers before that, has made it: what is made next is refused until then. Throws where it never will have. */
  readonly isReady?: (item: Props) => boolean;
  /** What the real provider does before the deletion, with what it has in its state. */
  readonly deleting?: (state: Props) => Promise<unknown>;
  /** What the type does unlike any other: it replaces what the row says. */
  readonly unlike?: (made: Resource) => Partial<Resource>;
}

/** A row with what follows from its id, as AWS names things, and with the operations that change one, some with what undoes them. */
export function whole(row: Row) {
  const [identifier, ...others]: string[] = schemaOf(row.type).primaryIdentifier;
  if (!row.id && others.length > 0)
    throw new Error(`${row.type} is identified by several properties: its row needs an id`);
  const id: NonNullable<Row["id"]> = row.id ?? (identifier as string).replace("/properties/", "");
  const noun = String(id).replace(/(Arn|Id|Name)$/, "");
  const list = [`${serviceOf(row) === "IAM" ? "list" : "describe"}${noun}s` as Operation, `${noun}s`] as const;
  const tagType = serviceOf(row) === "EC2" ? noun.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase() : undefined;
  const attributes = Object.entries(row.attributes ?? {}).map(([input, [, absent]]) => [input, absent]);
  const absent: Props = { ...row.absent, ...Object.fromEntries(attributes) };
  const { create, update = /^(put|set)/.test(String(create)) ? [create as Operation] : [] } = row.calls;
  const modify = row.attributes ? [`modify${noun}Attributes` as Operation] : [];
  const updates = typeof update === "function" ? [] : [...update, ...modify];
  return { list: row.isPart ? undefined : list, tagType, ...row, id, noun, absent, updates };
}

type Whole = ReturnType<typeof whole>;

/** Whether requests and items have the names and the nesting of CloudFormation's properties, and not those of the inputs. */
const nests = ({ type }: CloudFormation) => /^AWS::(AutoScaling|CloudWatch|ElasticLoadBalancingV2)::/.test(type);

/** What AWS calls an input: in its schema, if that has it, then in requests and in items. */
function namesOf(row: Row, input: string): string[] {
  const { names = {}, attributes } = row;
  if (input === "tags") return ["tags"];
  if (attributes?.[input]) return ["attributes"];
  const inner = Object.keys(names).find((path) => path.startsWith(`${input}.`));
  const given = [names[input] ?? (inner ? String(names[inner]).split(/[.[]/)[0] : input)].flat();
  if (nests(row)) return given.flatMap((path) => (path ? lower(stepsOf(path)[0] ?? "") : []));
  return given.flatMap((path) => path?.split(".").map(lower).join(".") ?? []);
}

/** Values by the names that AWS has for them. */
function valuesOf(row: Row, inputs: Props): Props {
  const given = Object.entries(inputs).filter(([input, value]) => value !== undefined && !row.attributes?.[input]);
  const named = given.flatMap(([input, value]) =>
    nests(row) && isNested(row, input) ? [] : namesOf(row, input).map((name) => [name, value]),
  );
  const { properties = {} } = nests(row)
    ? translate({ inputs: inputsOf(row), cloudFormation: row }, inputs)
    : { properties: row.fixed };
  const attributes = Object.entries(row.attributes ?? {}).flatMap(([input, [key]]) =>
    inputs[input] === undefined ? [] : { key, value: String(inputs[input]) },
  );
  return { ...Object.fromEntries(named), ...lowered(properties), ...(attributes.length > 0 && { attributes }) };
}

/** Whether AWS has other names for what is inside an input. */
const isNested = ({ names = {} }: Row, input: string) =>
  Object.keys(names).some((path) => path.startsWith(`${input}.`));

/** The members that an id consists of. */
function identityOf({ id: members }: Whole, id: string): Props {
  if (typeof members === "function") return {};
  const [first = "", second] = members.split(/[:/]/).map(lower);
  if (second === undefined) return { [first]: id };
  const end = id.search(/[:/]/);
  return { [first]: id.slice(0, end), [second]: id.slice(end + 1) };
}

const idOf = ({ id }: Whole, item: Props): string =>
  typeof id === "function" ? id(item) : id.replace(/\w+/g, (member) => item[lower(member)]);

/** The value of a key, however deep it is. */
function search(value: unknown, ...keys: string[]): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const key = keys.find((each) => isObject(value) && value[each] !== undefined);
  if (key) return (value as Props)[key];
  return Object.values(value)
    .map((inner) => search(inner, ...keys))
    .find((found) => found !== undefined);
}

const byArn = { list: "listTagsForResource", tag: "tagResource", untag: "untagResource" } as const;
/** How a service tags, where it is asked for tags by the resource's ARN. */
const tagging: Partial<Record<keyof typeof services, Readonly<Record<"list" | "tag" | "untag", Operation>>>> = {
  CloudWatch: byArn,
  ECR: byArn,
  Logs: byArn,
  ElasticLoadBalancingV2: { list: "describeTags", tag: "addTags", untag: "removeTags" },
};

/** Tags that are a list in the provider too, those that the program declares in its order. */
function inOrder(tags: readonly Props[] = [], declared: readonly Props[] = []): Props[] {
  const place = ({ key }: Props) => declared.findIndex((each) => each.key === key) + 1 || Number.POSITIVE_INFINITY;
  const own = lowered(ownTags(tags)) as Props[];
  return own
    .map(({ key, value, propagateAtLaunch }) => ({ key, value, propagateAtLaunch }))
    .sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

/** The value at a path such as `attachments[].vpcId`. */
const at = (item: Props, path: string): unknown =>
  path.split(/[.[\]]+/).reduce((value: Props | undefined, key) => [value].flat()[0]?.[key], item);

/** IAM answers a policy encoded for a URL. */
const decoded = (value: unknown) =>
  typeof value === "string" && value.startsWith("%7B") ? decodeURIComponent(value) : value;

/** The longest name that a schema allows. */
const longest = (schema: AnySchemaObject | undefined, row: Row): number | undefined =>
  schema?.properties?.[target(row, "name")?.[0] ?? ""]?.maxLength;

const serviceOf = ({ type }: CloudFormation) => type.split("::")[1] as keyof typeof services;

/** Those of a type's inputs that an operation sends. */
export function sentBy(row: Row, name: Operation, inputs: readonly string[]): string[] {
  const { takes } = operation(serviceOf(row), name);
  return inputs.filter((input) => row.requests?.[name] !== undefined || namesOf(row, input).some(takes));
}

/** The resource type that a row describes. */
export function define(token: string, given: Row, above?: { readonly row: Row; readonly resource: () => Resource }) {
  const row = whole(given);
  const parent = above && { ...above, row: whole(above.row) };
  const service = serviceOf(row);
  const inputs = inputsOf(row);
  const tops = [...new Set(Object.keys(inputs).map((path) => path.split(".")[0] as string))];
  // A name is the id already.
  const others = tops.filter((input) => input !== "name" && input !== "tags");
  const { updates } = row;
  const call = (name: Operation) => operation(service, name, row.tagType);
  const known = (id: string) => ({ ...(row.alsoId && { [lower(row.alsoId)]: id }), ...identityOf(row, id) });
  const only = (keys: readonly string[], props: Props) => Object.fromEntries(keys.map((key) => [key, props[key]]));
  const isSet = (input: string, props: Props) => props[input] !== undefined && props[input] !== row.absent[input];

  const send = async (name: Operation, id: string, props: Props, olds: Props = {}) => {
    const { tags } = props;
    const request = row.requests?.[name]?.(props, id, olds) ?? valuesOf(row, props);
    return call(name).send({ ...request, ...(tags && { tags }), ...(id ? known(id) : {}) });
  };

  async function items(within: Props): Promise<Props[]> {
    if (!row.list) return [];
    const [name, path] = row.list;
    const found = (await orGone(call(name).list(within, path))) ?? [];
    const [last = ""] = String(row.id).match(/\w+$/) ?? [];
    return found
      .map((item) => (isObject(item) ? lowered(item) : { [lower(last)]: item }))
      .filter((item) => row.isOwn?.(item) ?? true);
  }

  async function parts({ row: owner, resource }: NonNullable<typeof parent>): Promise<Props[]> {
    const each = (await resource().list()).map(async ({ id }) => {
      const within = identityOf(owner, id);
      const found = row.list ? await items(within) : [await find(id)];
      return found.flatMap((item) => (item ? { ...within, ...item } : []));
    });
    return (await Promise.all(each)).flat();
  }

  async function find(id: string): Promise<Props | undefined> {
    const identity = identityOf(row, id);
    if (!row.calls.get) {
      const found = await items(known(id));
      return found.map((item) => ({ ...identity, ...item })).find((item) => idOf(row, item) === id);
    }
    const answer = await orGone(send(row.calls.get, id, {}));
    const [first, ...others] = Object.values(answer ?? {});
    return answer && { ...identity, ...lowered(others.length === 0 && isObject(first) ? first : answer) };
  }

  /** What an item has of the inputs. */
  function inputsIn(item: Props, declared: Props): Props {
    const live: Props = {};
    const isRenamed = (input: string) => row.spelled?.[input] || (nests(row) && isNested(row, input));
    for (const input of tops.filter((each) => !row.attributes?.[each] && !isRenamed(each))) {
      const values = [item[input], ...namesOf(row, input).map((path) => at(item, path))];
      const value = decoded(values.findLast((each) => each !== undefined)) ?? row.absent[input];
      live[input] = Array.isArray(declared[input]) && isObject(value) ? [value] : value;
    }
    for (const [at, { path }] of nests(row) ? leaves(inputs, declared).found : []) {
      // biome-ignore lint/suspicious/noExplicitAny: walks JSON
      const value: any = target(row, path, at)?.reduce((inner: any, step) => inner?.[lower(step)], item);
      const spelled = Object.entries(row.spelled?.[path] ?? {}).find(([, each]) => each === value)?.[0];
      if (value !== undefined) set(live, stepsOf(at), spelled ? JSON.parse(spelled) : value);
    }
    return live;
  }

  async function tagsOf(item: Props, arn: string, declared: Props[]): Promise<unknown> {
    if (isNested(row, "tags")) return inOrder(item.tags, declared);
    const { list } = tagging[service] ?? {};
    const known = { resourceArn: arn, resourceARN: arn };
    const tags = list ? search(await call(list).send(known), "tags", "Tags") : item.tags;
    return Array.isArray(tags) || !tags ? fromTags(tags) : tags;
  }

  async function describe(id: string, found: Props, declared: Props): Promise<Props> {
    const item = { ...found, ...(await row.more?.(found)) };
    const { ownerId, registryId } = item;
    const live: Props = { ownerId, registryId, ...(await attributes(id)), ...inputsIn(item, declared) };
    for (const [output, name] of Object.entries(row.outputs ?? {}))
      live[output] = typeof name === "function" ? name(item) : at(item, name.split(".").map(lower).join("."));
    const owner = ownerId ?? item.groupOwnerId ?? JSON.stringify(item).match(/:(\d{12}):/)?.[1];
    const own = item.arn ?? item[`${lower(row.noun)}Arn`] ?? item[`${lower(row.noun)}ARN`];
    // AWS's own ARN of a log group ends with its streams' wildcard, the provider's does not.
    live.arn = own?.replace(/:\*$/, "");
    if (!tops.includes("tags")) return live;
    if (row.tagType) live.arn = ec2Arn(owner, `${row.tagType}/${id}`);
    return { ...live, tags: await tagsOf(item, live.arn, declared.tags) };
  }

  /** The attributes that are inputs, as numbers and booleans where the provider has those. */
  async function attributes(id: string): Promise<Props> {
    if (!row.attributes) return {};
    const { attributes } = lowered(await call(`describe${row.noun}Attributes` as Operation).send(known(id)));
    const values = new Map(attributes.map(({ key, value }: Props) => [key, value]));
    const typed = Object.entries(row.attributes).map(([input, [key, absent]]) => {
      const value = values.get(key);
      return [input, value === undefined || typeof absent === "string" ? (value ?? absent) : JSON.parse(String(value))];
    });
    return Object.fromEntries(typed);
  }

  /** Undoes what a part of the resource was attached to, before something else is, or the resource is deleted. */
  async function detach(unset: Operation, id: string, state: Props): Promise<void> {
    const attached = sentBy(row, unset, others).filter((input) => state[input]);
    if (attached.length > 0) await orGone(send(unset, id, only(others, state)));
  }

  async function update(id: string, given: Props, changed: string[], olds: Props): Promise<void> {
    if (typeof row.calls.update === "function") return row.calls.update(id, given, changed, olds);
    const order = Object.keys(row.absent);
    const props = { ...row.absent, ...withoutUndefined(given) };
    for (const entry of updates) {
      const [set, unset] = [entry].flat() as [Operation, Operation?];
      const touched = sentBy(row, set, changed).sort((a, b) => order.indexOf(a) - order.indexOf(b));
      if (touched.length === 0) continue;
      const isDetached = unset && sentBy(row, unset, touched).length > 0;
      if (isDetached) await detach(unset, id, olds);
      const { isAttribute } = call(set);
      const attributes = touched.filter((input) => namesOf(row, input).some(isAttribute));
      for (const input of attributes) await send(set, id, { [input]: props[input] ?? false });
      if (attributes.length > 0) continue;
      if (!unset || touched.some((input) => isSet(input, given)))
        await send(set, id, { ...props, tags: undefined }, olds);
      else if (!isDetached) await send(unset, id, {});
    }
  }

  async function begin(name: Operation, given: Props): Promise<string> {
    const answer = lowered(await send(name, "", given));
    const values = valuesOf(row, given);
    const made = (member: string) =>
      [member, row.alsoId ?? member, `${member}s`].map((name) => search(answer, lower(name))).find((value) => value) ??
      values[lower(member)];
    return typeof row.id === "function" ? row.id(values) : row.id.replace(/\w+/g, (member) => [made(member)].flat()[0]);
  }

  async function create(given: Props): Promise<string> {
    const { create: call } = row.calls;
    const [id, sent] =
      typeof call === "function" ? [await call(given), tops] : [await begin(call, given), sentBy(row, call, tops)];
    const rest = others.filter((input) => !sent.includes(input) && isSet(input, given));
    const finish = async () => {
      await row.created?.(id, given);
      await until(async () => row.isReady?.((await find(id)) ?? refuse("NotFound", `${id} is gone`)) ?? true);
      if (rest.length > 0) await update(id, given, rest, {});
    };
    await ofMade(id, finish());
    return id;
  }

  const made: Resource = {
    label: `${services[service].name} ${token
      .replace(/.*:/, "")
      .replace(/(?<=[a-z])(?=[A-Z])/g, " ")
      .replace(/^Vpc/, "VPC")}`,
    cloudFormation: row,
    inputs,
    autoName: inputs.name && (longest(row.rules, row) ?? longest(schemaOf(row.type), row) ?? 255),
    defaults: row.defaults,
    computed: row.computed,
    deleteBeforeReplace: row.deleteBeforeReplace,
    keepsState: row.keepsState,
    create,
    async read(id, declared) {
      const found = await find(id);
      return found && describe(id, found, declared);
    },
    update,
    async retag(id, tags, removed, { arn: resourceArn }) {
      if (service === "EC2") return retagEc2(id, tags, removed);
      const { tag, untag } = tagging[service] ?? { tag: `tag${row.noun}`, untag: `untag${row.noun}` };
      const own = { ...known(id), resourceArn, resourceARN: resourceArn, tags, tagKeys: removed };
      if (removed.length > 0) await call(untag as Operation).send(own);
      await call(tag as Operation).send(own);
    },
    async delete(id, state) {
      if (!row.calls.delete) return;
      await row.deleting?.(state);
      for (const entry of updates) if (Array.isArray(entry)) await detach(entry[1], id, state);
      await orGone(send(row.calls.delete, id, only(others, state)));
    },
    async list() {
      // Parts that are not in the list of their owners are asked for of each owner.
      const found = parent && !row.list?.[1].includes(".") ? await parts(parent) : await items({});
      return found.map((item) => ({ id: idOf(row, item), item, owner: parent && idOf(parent.row, item) }));
    },
  };
  return { ...made, ...given.unlike?.(made) };
}

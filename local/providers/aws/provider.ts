import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { CheckFailure, Provider } from "@pulumi/pulumi/provider/provider.js";
import type { Described } from "./cloudformation.ts";
import {
  compare,
  encodeDocuments,
  type Inputs,
  keepSecrets,
  leaves,
  merge,
  type Props,
  refresh,
  unwrap,
  withoutUndefined,
} from "./values.ts";

/** One resource type: its inputs and the calls that make, show, change and remove it. */
export type Resource = Described & {
  /** What AWS calls it, for messages. */
  label: string;
  /** The longest name AWS takes; without a name the resource gets pulumi-aws's `${name}-${7 hex digits}`, or is refused. */
  autoName?: number;
  defaults?: Props;
  /** Inputs for which AWS chooses a value where none is given; the provider then compares with the one in its state. */
  computed?: readonly string[];
  /** Whether the old resource must go before its replacement can exist, or the inputs whose change, and no other one, asks for that. */
  deleteBeforeReplace?: boolean | readonly string[];
  /**
   * Whether an update that AWS refuses leaves the state as it was, as with Terraform's newer plugin framework. With the older one, which has most
   * types, the state says that it was made, and only a refresh shows that it was not.
   * https://github.com/pulumi/pulumi-terraform-bridge/blob/main/pkg/tfbridge/provider.go, Update
   */
  keepsState?: boolean;
  /** Properties that need a new resource under a condition. */
  replaceIf?(changed: string[], inputs: Props): string[];
  create(inputs: Props): Promise<string>;
  /** The live properties, or undefined when it is gone. */
  read(id: string, inputs: Props): Promise<Props | undefined>;
  update?(id: string, inputs: Props, changed: string[], olds: Props): Promise<void>;
  retag?(id: string, tags: Props, removed: string[], olds: Props): Promise<unknown>;
  delete(id: string, state: Props): Promise<unknown>;
  /** All that there is of the type; an owner is the id of what it is part of. */
  list(): Promise<Listed[]>;
};

export type Listed = { readonly id: string; readonly item: Props; readonly owner?: string };

export type Lookup = { inputs: Inputs; run(args: Props): Promise<Props> };

/** AWS's error code: the wire's, for an SDK may give the exception another name (DeleteConflict, DeleteConflictException). */
const code = (error: Props): string => error.Error?.Code ?? error.Code ?? error.name;

/** A refusal in AWS's words. */
export function refuse(code: string, message: string): never {
  throw Object.assign(new Error(message), { name: code });
}

/** Asks again and again, as the real provider does where AWS answers before it has done what it was asked for. */
export async function until(isReached: () => Promise<boolean>): Promise<void> {
  while (!(await isReached())) await setTimeout(250);
}

/** What follows a resource's creation: where it fails, there is the resource all the same, and the engine keeps it in the state. */
export const ofMade = (id: string, rest: Promise<unknown>) =>
  rest.catch((error: Error) => {
    throw Object.assign(error, { id });
  });

/** The result, or undefined when AWS says that there is no such thing. */
export async function orGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (/NotFound|NoSuchEntity|NotAttached/.test(code(error as Props))) return undefined;
    throw error;
  }
}

/**
 * How long, in ms, the real provider tries to delete a subnet that something is still in. For a security group it tries 15 minutes, for a VPC 5.
 * https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/ec2/vpc_subnet.go
 */
const patience = 20 * 60_000;

// What the engine adds to every property bag; `region` is checked, then dropped.
const META = ["__defaults", "__internal", "__meta", "__inputs", "region"];

function withoutMeta(inputs: Props): Props {
  const region = process.env.AWS_REGION;
  if (inputs.region !== undefined && inputs.region !== region) {
    throw new Error(`region "${inputs.region}": this cloud is ${region}`);
  }
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => !META.includes(key)));
}

/** `urn:pulumi:stack::project::parent$type::name` */
function parse(urn: string) {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.split("$").at(-1) ?? types, name: name.join("::") };
}

function find<T>(table: Record<string, T>, token: string, kind: string): T {
  const entry = table[token];
  if (!entry) throw new Error(`unknown ${kind} ${token}; known: ${Object.keys(table).join(", ")}`);
  return entry;
}

async function explained<T>(doing: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const { id, properties, message } = error as Props;
    const failure = new Error(`${doing}: ${code(error as Props)}: ${message}`);
    throw Object.assign(failure, id && { id, properties, reasons: [failure.message] });
  }
}

function failuresOf(inputs: Inputs, given: Props): CheckFailure[] {
  const required = Object.keys(inputs).filter((key) => inputs[key]?.includes("required") && given[key] === undefined);
  return [
    ...leaves(inputs, unwrap(given)).unknown.map((property) => ({
      property,
      reason: `unknown property "${property}"; known: ${Object.keys(inputs).join(", ")}`,
    })),
    ...required.map((property) => ({ property, reason: `missing required property "${property}"` })),
  ];
}

/** Whether pulumi-aws made the name (`${name}-${7 hex digits}`), and not the program. */
const isAutoName = (given: unknown, name: string) =>
  typeof given === "string" && given.slice(0, -7) === `${name}-` && /-[0-9a-f]{7}$/.test(given);

const newAutoName = (name: string) => `${name}-${randomBytes(4).toString("hex").slice(1)}`;

/** The state kept of a resource. `__inputs` is there because the SDK's server hides the old inputs from diff. */
function stateOf(live: Props, inputs: Props): Props {
  const tags = live.tags && { tags: live.tags, tagsAll: live.tags };
  const outputs = { ...merge(live, inputs), ...tags, region: process.env.AWS_REGION };
  return withoutUndefined({ ...keepSecrets(outputs, inputs), __inputs: inputs });
}

/** What differs for the real provider: of an input that is computed and not given, it knows what its state has. */
function difference({ inputs, computed = [] }: Resource, olds: Props, news: Props) {
  const known = Object.fromEntries(computed.map((input) => [input, olds[input]]));
  const whole = (given: Props) => ({ ...known, ...withoutUndefined(given) });
  return compare(inputs, whole(olds.__inputs ?? olds), whole(news));
}

export function provider(
  version: string,
  resources: Record<string, Resource>,
  lookups: Record<string, Lookup>,
  ready: () => Promise<void>,
): Provider {
  const entry = (urn: string) => {
    const { type, name } = parse(urn);
    const resource = find(resources, type, "resource type");
    return { resource, name, what: `${resource.label} (${name})` };
  };
  return {
    version,
    async check(urn, olds, news) {
      await ready();
      const { resource, name } = entry(urn);
      const inputs = encodeDocuments(resource.inputs, { ...resource.defaults, ...withoutMeta(news) });
      const { autoName: longest } = resource;
      if (longest && inputs.name === undefined) {
        inputs.name = isAutoName(olds?.name, name) ? olds.name : newAutoName(name);
        if (inputs.name.length > longest) {
          const reason = `name '${name}-' plus 7 random chars is longer than maximum length ${longest}`;
          return { inputs, failures: [{ property: "name", reason }] };
        }
      }
      const failures = failuresOf(resource.inputs, inputs);
      // AWS has accepted these inputs before: the rules need not be loaded.
      if (failures.length > 0 || compare(resource.inputs, withoutMeta(olds ?? {}), inputs).changed.length === 0) {
        return { inputs, failures };
      }
      const { refusals } = await import("./rules.ts");
      return { inputs, failures: refusals(resource, inputs) };
    },
    async diff(_id, urn, olds, news) {
      const { resource, name } = entry(urn);
      const inputs = withoutMeta(news);
      const { changed, replaces } = difference(resource, olds, inputs);
      const all = [...new Set([...replaces, ...(resource.replaceIf?.(changed, unwrap(inputs)) ?? [])])];
      // As the real provider does it, whether the name that the program gives is the old one or a new one.
      // https://github.com/pulumi/pulumi-terraform-bridge/blob/main/pkg/tfbridge/schema.go, nameRequiresDeleteBeforeReplace
      const isNamed = resource.autoName && !isAutoName(inputs.name, name);
      const { deleteBeforeReplace: first = false } = resource;
      const isFirst = typeof first === "boolean" ? first : all.every((input) => first.includes(input));
      const deleteBeforeReplace = isFirst || !!isNamed;
      // Unknown, so that the engine finds the changed keys, which it needs for replaceOnChanges: the SDK's server cannot say them.
      return { changes: changed.length > 0 ? undefined : false, replaces: all, deleteBeforeReplace };
    },
    async create(urn, news) {
      const { resource, what } = entry(urn);
      const inputs = unwrap(news);
      return explained(`creating ${what}`, async () => {
        const id = await resource.create(inputs).catch(async (error) => {
          if (error.id) error.properties = stateOf((await resource.read(error.id, inputs)) ?? {}, news);
          throw error;
        });
        return { id, outs: stateOf((await resource.read(id, inputs)) ?? {}, news) };
      });
    },
    async read(id, urn, props) {
      const { resource, what } = entry(urn);
      return explained(`reading ${what}`, async () => {
        const declared = props?.__inputs;
        const live = await resource.read(id, unwrap(declared ?? {}));
        if (!live) return { id: "", props: {} };
        const known = Object.entries(live).filter(([key]) => key in resource.inputs);
        const inputs = declared ? refresh(resource.inputs, declared, live) : Object.fromEntries(known);
        return { id, inputs: withoutUndefined(inputs), props: stateOf(live, inputs) };
      });
    },
    async update(id, urn, olds, news) {
      const { resource, what } = entry(urn);
      const [before, inputs] = [unwrap(olds.__inputs ?? olds), unwrap(news)];
      const { changed } = difference(resource, olds, news);
      const others = changed.filter((property) => property !== "tags");
      const change = async () => {
        if (others.length > 0) await resource.update?.(id, inputs, others, unwrap(olds));
        if (!changed.includes("tags")) return;
        const tags = inputs.tags ?? {};
        const removed = Object.keys(before.tags ?? {}).filter((key) => !(key in tags));
        await resource.retag?.(id, tags, removed, unwrap(olds));
      };
      return explained(`updating ${what}`, async () => {
        await change().catch((error) => {
          throw resource.keepsState ? error : Object.assign(error, { id, properties: stateOf(olds, news) });
        });
        return { outs: stateOf((await resource.read(id, inputs)) ?? {}, news) };
      });
    },
    async delete(id, urn, props) {
      const { resource, what } = entry(urn);
      const deadline = Date.now() + patience;
      const isStillUsed = (error: Props) => {
        if (code(error) !== "DependencyViolation" || Date.now() >= deadline) throw error;
        return false;
      };
      const isDeleted = () => resource.delete(id, unwrap(props)).then(() => true, isStillUsed);
      await explained(`deleting ${what}`, () => until(isDeleted));
    },
    async invoke(token, args) {
      await ready();
      const lookup = find(lookups, token, "function");
      const given = unwrap(withoutMeta(args));
      const failures = failuresOf(lookup.inputs, given);
      if (failures.length > 0) return { outputs: {}, failures };
      return explained(`invoking ${token}`, async () => ({
        outputs: withoutUndefined({ region: process.env.AWS_REGION, ...given, ...(await lookup.run(given)) }),
      }));
    },
  };
}

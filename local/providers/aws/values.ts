// Property values as the engine sends them, compared as AWS compares them.

// biome-ignore lint/suspicious/noExplicitAny: property bags are whatever JSON the engine or the program sends
export type Props = Record<string, any>;

/** How an input behaves. Without a flag it is optional, updated in place and compared literally. */
export type Flag = "required" | "replace" | "json" | "set";

/** Input paths ("tags", "metadataOptions.httpTokens", without list indices) and their flags. */
export type Inputs = Record<string, readonly Flag[]>;

// The engine's marks; pulumi/pulumi sdk/go/common/resource/plugin/rpc.go and …/sig. To import Pulumi's own takes as long as all else that a
// command loads before it reads its options.
/** Of a value that is not known yet. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
/** Of a secret. */
const SECRET = "4dabf18193072939515e22adb298388d";

/** AWS writes `VpcId` or `repositoryName`, the provider `vpcId`: the case of the first letter does not matter. */
export const lower = (name: string) => (name[0] ?? "").toLowerCase() + name.slice(1);
export const capital = (name: string) => (name[0] ?? "").toUpperCase() + name.slice(1);

export const isObject = (value: unknown): value is Props =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSecret = (value: unknown): value is Props => isObject(value) && SECRET in value;

// biome-ignore lint/suspicious/noExplicitAny: keeps the shape of what it is given
export function unwrap(value: any): any {
  if (isSecret(value)) return unwrap(value.value);
  if (Array.isArray(value)) return value.map(unwrap);
  if (isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrap(item)]));
  return value;
}

/** Whether there is a secret in a value as the engine sends it. */
export const hasSecret = (value: unknown): boolean => JSON.stringify(value)?.includes(SECRET) ?? false;

/** Marks as secret what was secret in the inputs: a provider that accepts secrets is trusted to hand them back so. */
export function keepSecrets(outputs: Props, inputs: Props): Props {
  const hidden = Object.keys(outputs).filter((key) => hasSecret(inputs[key]));
  const wrapped = hidden.map((key) => [key, { [SECRET]: "1b47061264138c4ac30d75fd1eb44270", value: outputs[key] }]);
  return { ...outputs, ...Object.fromEntries(wrapped) };
}

/** gRPC structs refuse `undefined`. */
export const withoutUndefined = (value: Props): Props => JSON.parse(JSON.stringify(value));

/** The same text for the same value, whatever the order of its keys (and, for a set, of its items). */
function canonical(value: unknown, flags: readonly Flag[] = []): string {
  if (flags.includes("json") && typeof value === "string") {
    try {
      return canonical(JSON.parse(value));
    } catch {
      return value;
    }
  }
  if (Array.isArray(value)) {
    const items = value.map((item) => canonical(item));
    return `[${flags.includes("set") ? items.sort() : items}]`;
  }
  if (!isObject(value)) return `${JSON.stringify(value)}`;
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return `{${keys.sort().map((key) => `${key}:${canonical(value[key])}`)}}`;
}

export const same = (flags: readonly Flag[], a: unknown, b: unknown) => canonical(a, flags) === canonical(b, flags);

/** JSON documents as the text that AWS takes; the program may give them as objects. One that is not all known is not known. */
export function encodeDocuments(known: Inputs, inputs: Props): Props {
  const encoded = Object.keys(inputs).flatMap((key) => {
    const document = known[key]?.includes("json") && unwrap(inputs[key]);
    if (!isObject(document)) return [];
    const text = JSON.stringify(document);
    return [[key, text.includes(unknownValue) ? unknownValue : text]];
  });
  return { ...inputs, ...keepSecrets(Object.fromEntries(encoded), inputs) };
}

/** The values at the paths of `known`, and the paths that are not known at all. */
export function leaves(known: Inputs, inputs: Props) {
  const found = new Map<string, { path: string; value: unknown }>();
  const unknown: string[] = [];
  const visit = (value: unknown, at: string, path: string) => {
    const hasInner = Object.keys(known).some((key) => key.startsWith(`${path}.`));
    if (known[path]) found.set(at, { path, value });
    else if (!hasInner) unknown.push(at);
    else if (Array.isArray(value))
      value.forEach((item, index) => {
        visit(item, `${at}[${index}]`, path);
      });
    else if (isObject(value)) for (const key in value) visit(value[key], `${at}.${key}`, `${path}.${key}`);
    // Not computed yet: the whole property is one value, until it is known.
    else found.set(at, { path, value });
  };
  for (const key in inputs) visit(inputs[key], key, key);
  return { found, unknown };
}

/** The names of the properties that differ, and of those among them that need a new resource. */
export function compare(known: Inputs, before: Props, after: Props) {
  const [olds, news] = [leaves(known, unwrap(before)).found, leaves(known, unwrap(after)).found];
  const changed = new Set<string>();
  const replaces = new Set<string>();
  for (const [at, { path }] of new Map([...olds, ...news])) {
    const inner = Object.entries(known).filter(([key]) => key.startsWith(`${path}.`));
    const flags = known[path] ?? inner.flatMap(([, each]) => each);
    if (same(flags, olds.get(at)?.value, news.get(at)?.value)) continue;
    const property = path.split(".")[0] ?? path;
    changed.add(property);
    if (flags.includes("replace")) replaces.add(property);
  }
  return { changed: [...changed], replaces: [...replaces] };
}

/**
 * The declared inputs as they now are in AWS. What AWS does not tell, and what means the same, stays as it was written,
 * so that nothing but a real difference ever shows; what was not declared is left out, save tags someone added.
 */
export function refresh(known: Inputs, declared: Props, live: Props): Props {
  // biome-ignore lint/suspicious/noExplicitAny: walks JSON
  const reflect = (old: any, now: any, path: string): any => {
    const flags = known[path];
    if (flags) return same(flags, unwrap(old), now) ? old : now;
    if (Array.isArray(old) && Array.isArray(now))
      return now.map((item, i) => (i in old ? reflect(old[i], item, path) : item));
    if (!isObject(old) || !isObject(now) || isSecret(old)) return old;
    const pairs = Object.keys(old).map((key) => [
      key,
      now[key] !== undefined ? reflect(old[key], now[key], `${path}.${key}`) : old[key],
    ]);
    return Object.fromEntries(pairs);
  };
  const inputs = { ...declared };
  for (const key in declared) if (live[key] !== undefined) inputs[key] = reflect(declared[key], live[key], key);
  if (declared.tags === undefined && Object.keys(live.tags ?? {}).length > 0) inputs.tags = live.tags;
  return inputs;
}

/** Inputs over live values, object by object: the text as written, completed by what AWS computed. */
export function merge(live: Props, inputs: Props): Props {
  const merged = { ...live };
  for (const key in inputs) {
    merged[key] = isObject(live[key]) && isObject(inputs[key]) ? { ...live[key], ...inputs[key] } : inputs[key];
  }
  return merged;
}

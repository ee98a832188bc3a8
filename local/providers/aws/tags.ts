import { config, ec2 } from "./clients.ts";
import type { Props } from "./values.ts";

type Tag = { Key?: string; Value?: string };

export const toTags = (tags: Props = {}) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value: String(Value) }));

/** The program's tags: not AWS's own (`aws:…`), nor those of the stack's `aws:ignoreTags`. */
export function ownTags<T extends Tag>(tags: readonly T[] = []): T[] {
  const { keys = [], keyPrefixes = [] } = JSON.parse(config().ignoreTags ?? "{}");
  const prefixes = ["aws:", ...keyPrefixes];
  return tags.filter(({ Key = "" }) => !keys.includes(Key) && !prefixes.some((prefix) => Key.startsWith(prefix)));
}

export const fromTags = (tags?: readonly Tag[]): Props =>
  Object.fromEntries(ownTags(tags).map(({ Key, Value }) => [Key, Value ?? ""]));

export async function retagEc2(id: string, tags: Props, removed: string[]) {
  if (removed.length > 0) await ec2().deleteTags({ Resources: [id], Tags: removed.map((Key) => ({ Key })) });
  if (Object.keys(tags).length > 0) await ec2().createTags({ Resources: [id], Tags: toTags(tags) });
}

export const ec2Arn = (account: string | undefined, resource: string) =>
  `arn:aws:ec2:${process.env.AWS_REGION}:${account}:${resource}`;

import { ec2 } from "./clients.ts";
import type { Props } from "./values.ts";

type Tag = { Key?: string; Value?: string };

export const toTags = (tags: Props = {}) => Object.entries(tags).map(([Key, Value]) => ({ Key, Value: String(Value) }));

/** AWS's own tags (`aws:…`) are not the program's. */
export const fromTags = (tags: Tag[] = []): Props =>
  Object.fromEntries(tags.filter(({ Key }) => !Key?.startsWith("aws:")).map(({ Key, Value }) => [Key, Value ?? ""]));

export async function retagEc2(id: string, tags: Props, removed: string[]) {
  if (removed.length > 0) await ec2().deleteTags({ Resources: [id], Tags: removed.map((Key) => ({ Key })) });
  if (Object.keys(tags).length > 0) await ec2().createTags({ Resources: [id], Tags: toTags(tags) });
}

export const ec2Arn = (account: string | undefined, resource: string) =>
  `arn:aws:ec2:${process.env.AWS_REGION}:${account}:${resource}`;

// Deletes what AWS's API knows of a stack and the stack's state does not: what a command that was interrupted had made and could not
// note. Reads from stdin which tags are the stack's and what its state has; prints what it deleted.
import { text } from "node:stream/consumers";
import { resources, rows, type Token } from "../providers/aws/rows.ts";
import type { Props } from "../providers/aws/values.ts";

/** `known`: the type and the id of each resource in the state. */
const { tags, known } = JSON.parse(await text(process.stdin)) as { tags: Props; known: [type: string, id: string][] };
const isKnown = (type: Token, id: string) => known.some((each) => each[0] === type && each[1] === id);
// A group's tags are a list.
const toMap = (given: Props = {}): Props =>
  Array.isArray(given) ? Object.fromEntries(given.map(({ key, value }) => [key, value])) : given;
const isOurs = (given?: Props) => Object.entries(tags).every(([key, value]) => toMap(given)[key] === value);

// AWS lets go of what needs another thing before that.
for (const type of (Object.keys(rows) as Token[]).reverse()) {
  const { list, read, delete: remove, label } = resources[type];
  const partOf = rows[type].partOf as Token | undefined;
  if (rows[type].calls.delete === undefined) continue;
  for (const { id, owner = "" } of await list()) {
    if (isKnown(type, id)) continue;
    const live = await read(id, {});
    // A part has no tags; it is the stack's where its owner is.
    if (!live || !isOurs(partOf ? (await resources[partOf].read(owner, {}))?.tags : live.tags)) continue;
    // A repository with its images: they were pushed for this stack.
    await remove(id, { ...live, forceDelete: true });
    console.log(`${label} ${id}`);
  }
}

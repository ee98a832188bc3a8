import { expect, onTestFinished } from "vitest";
import { resources, type Token } from "../../local/providers/aws/rows.ts";
import type { Props } from "../../local/providers/aws/values.ts";
import "./as-root.ts";

/** A resource that a test made by its row of the AWS provider. */
export interface Made {
  readonly id: string;
  readonly live: Props;
  update(inputs: Props, changed: string[]): Promise<Props | undefined>;
  remove(): Promise<unknown>;
}

/** Of the running test, in the order in which they were made. */
const there = new Set<Made>();

/** Makes a resource. It goes with the test, if that does not remove it. */
export async function make(type: Token, inputs: Props): Promise<Made> {
  const resource = resources[type];
  const id = await resource.create(inputs);
  let live = (await resource.read(id, inputs)) ?? {};
  const made: Made = {
    id,
    live,
    async update(next, changed) {
      await resource.update?.(id, next, changed, live);
      live = (await resource.read(id, next)) ?? {};
      return live;
    },
    async remove() {
      await resource.delete(id, live);
      there.delete(made);
    },
  };
  there.add(made);
  onTestFinished(async () => {
    if (there.has(made)) await made.remove().catch(() => there.delete(made));
  });
  return made;
}

/** What AWS refuses to make, in these words. */
export const refusing = (type: Token, inputs: Props, why: string) => expect(make(type, inputs)).rejects.toThrow(why);

/** Removes what the running test has made, the last first. */
export async function removeAll(): Promise<void> {
  for (const made of [...there].reverse()) await made.remove();
}

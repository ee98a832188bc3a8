import { resources } from "../../local/providers/aws/resources.ts";
import type { Token } from "../../local/providers/aws/rows.ts";
import type { Props } from "../../local/providers/aws/values.ts";
import "./as-root.ts";

/** A resource that a test made by its row of the AWS provider. */
export interface Made {
  readonly id: string;
  readonly live: Props;
  update(inputs: Props, changed: string[]): Promise<Props | undefined>;
  remove(): Promise<unknown>;
}

export async function make(type: Token, inputs: Props): Promise<Made> {
  const resource = resources[type];
  const id = await resource.create(inputs);
  let live = (await resource.read(id, inputs)) ?? {};
  return {
    id,
    live,
    async update(next, changed) {
      await resource.update?.(id, next, changed, live);
      live = (await resource.read(id, next)) ?? {};
      return live;
    },
    remove: () => resource.delete(id, live),
  };
}

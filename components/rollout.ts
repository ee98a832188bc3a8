import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource, providerFor } from "./dynamic-resource.ts";
import { connectFleet } from "./fleet-api.ts";
import { type GroupProofArgs, prove, releaseFailed } from "./group-proof.ts";
import { refreshTo } from "./instance-refresh.ts";
import { show } from "./messages.ts";

export interface RolloutArgs extends GroupProofArgs {
  /**
   * Number of machines that the group is set to when this changes. The aws provider would not do so: it compares with the number in its
   * state, not with what scaling has made of it.
   * @default scaling decides
   */
  size?: number;
}

type Inputs = pulumi.Unwrap<RolloutArgs>;

/**
 * A release, on one group: an instance refresh that `up` drives and waits for. The aws provider's own `instanceRefresh` does neither, and
 * rolls back to the version that failed.
 *
 * @see https://github.com/hashicorp/terraform-provider-aws/issues/42355
 * @see https://github.com/hashicorp/terraform-provider-aws/issues/34189
 */
export class Rollout extends DynamicResource {
  /** Launch template and version of every machine. */
  declare readonly template: pulumi.Output<string>;

  constructor(name: string, args: RolloutArgs, opts?: pulumi.CustomResourceOptions) {
    super("Rollout", import.meta.filename, name, { ...args }, opts);
  }
}

export const provider = providerFor<Inputs, Inputs>({
  idOf: ({ groupName }) => groupName,
  factsOf: ({ profile, groupName, template, size }) => [profile, groupName, template, size],
  async make(inputs, olds) {
    const { template, timeout, groupName, size } = inputs;
    const fleet = await connectFleet(inputs);
    if (olds && size !== undefined && size !== olds.size) await fleet.resize(size);
    const log = (message: string) => show(`${groupName} to ${template}: ${message}`);
    const proof = (seconds: number) => prove(inputs, seconds, true);
    await refreshTo(fleet, { template, timeout, prove: proof, log }).catch(releaseFailed);
    return inputs;
  },
  // A version or a size that somebody else gave the group shows in a refresh, and the next `up` brings back the deployed one.
  async read(id, props) {
    const state = props as Inputs;
    try {
      const { template, size } = await (await connectFleet(state)).group();
      return { id, props: { ...state, template, ...(state.size !== undefined && { size }) } };
    } catch (error) {
      if ((error as Error).name === "GroupNotFound") return {};
      throw error;
    }
  },
});

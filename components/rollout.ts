import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource, type Provider, show } from "./dynamic-resource.ts";
import { connectFleet } from "./fleet-api.ts";
import { type GroupProofArgs, type ProofInputs, prove, releaseFailed } from "./group-proof.ts";
import { refreshTo } from "./instance-refresh.ts";
import { proofInputs } from "./proof.ts";

export interface RolloutArgs extends GroupProofArgs {
  /**
   * Machines that the group is set to when this changes. The aws provider would not: it compares with the number in its state, not with
   * what scaling made of it.
   * @default as many as scaling says
   */
  size?: number;
}

type Inputs = ProofInputs<RolloutArgs>;

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
    super("Rollout", import.meta.filename, name, proofInputs(args), opts);
  }
}

async function rollOut(inputs: Inputs): Promise<Inputs> {
  const { template, timeout, groupName } = inputs;
  const log = (message: string) => show(`${groupName} to ${template}: ${message}`);
  const proof = (seconds: number) => prove(inputs, seconds, true);
  try {
    await refreshTo(await connectFleet(inputs), { template, timeout, prove: proof, log });
  } catch (error) {
    throw releaseFailed(error);
  }
  return inputs;
}

export const provider: Provider<Inputs, Inputs> = {
  async diff(_id, olds, news) {
    const facts = ({ profile, groupName, template, size }: Inputs) =>
      JSON.stringify([profile, groupName, template, size]);
    return { changes: facts(olds) !== facts(news) };
  },
  async create(inputs) {
    return { id: inputs.groupName, outs: await rollOut(inputs) };
  },
  async update(_id, olds, news) {
    if (news.size !== undefined && news.size !== olds.size) await (await connectFleet(news)).resize(news.size);
    return { outs: await rollOut(news) };
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
};

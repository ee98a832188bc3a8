import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource, providerFor } from "./dynamic-resource.ts";
import { type GroupProof, type GroupProofArgs, prove, releaseFailed } from "./group-proof.ts";
import { stillProven } from "./proof.ts";

export interface GroupVerificationArgs extends GroupProofArgs {
  /** Fewest machines of the group; when it changes, the machines prove themselves again. */
  min: number;
  /** Where the group launches its machines; when they change, its machines move, and prove themselves again. */
  subnetIds: pulumi.Input<pulumi.Input<string>[]>;
}

type Inputs = pulumi.Unwrap<GroupVerificationArgs>;
type State = Inputs & { readonly proof: GroupProof };

/**
 * Proof that every machine of a group runs the image that was pushed, on the architecture that it should. In the state only if each machine
 * said so. Other machines are no reason to ask again: they come and go by themselves.
 */
export class GroupVerification extends DynamicResource {
  declare readonly proof: pulumi.Output<GroupProof>;

  constructor(name: string, args: GroupVerificationArgs, opts?: pulumi.CustomResourceOptions) {
    super("GroupVerification", import.meta.filename, name, { ...args, proof: undefined }, opts);
  }
}

export const provider = providerFor<Inputs, State>({
  idOf: ({ groupName }) => groupName,
  factsOf: ({ profile, address, domain, groupName, template, min, subnetIds, expected }) => [
    [profile, address, domain, groupName, template, min, subnetIds],
    Object.entries(expected).sort(),
  ],
  make: async (inputs) => ({ ...inputs, proof: await prove(inputs).catch(releaseFailed) }),
  read(id, props) {
    const state = props as State;
    const known = new Map(state.proof.machines.map((machine) => [machine.id, machine]));
    return stillProven(id, state, async (timeout) => {
      // A machine that scaling has just added may still boot.
      const { image, machines } = await prove(state, timeout, true);
      return { image, machines: machines.map((each) => known.get(each.id) ?? each) };
    });
  },
});

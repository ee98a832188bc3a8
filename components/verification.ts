import type * as pulumi from "@pulumi/pulumi";
import { clientConfig } from "./aws-client.ts";
import { readConsole } from "./console.ts";
import { DynamicResource, providerFor } from "./dynamic-resource.ts";
import { tailCommand } from "./machine-logs.ts";
import { withRemedy } from "./messages.ts";
import { type Expectation, type Proof, type ProofArgs, prove, stillProven } from "./proof.ts";

export interface VerificationArgs extends ProofArgs {
  /** The app's address, without a path. */
  url: pulumi.Input<string>;
  instanceId: pulumi.Input<string>;
}

/** What the engine hands to the provider. */
type Inputs = pulumi.Unwrap<Omit<VerificationArgs, "expected" | "instanceId">> & { readonly expected: Expectation };
type State = Inputs & { readonly proof: Proof };

/** Proof that a machine runs the image that was pushed, on the architecture that it should. In the state only if the machine said so. */
export class Verification extends DynamicResource {
  declare readonly proof: pulumi.Output<Proof>;

  constructor(name: string, { instanceId, ...args }: VerificationArgs, opts?: pulumi.CustomResourceOptions) {
    const expected = { ...args.expected, instanceId };
    super("Verification", import.meta.filename, name, { ...args, expected, proof: undefined }, opts);
  }
}

function verify(inputs: Inputs, timeout = inputs.timeout): Promise<Proof> {
  const { url, expected, region } = inputs;
  const { instanceId } = expected;
  const console = async () => {
    const { EC2 } = await import("@aws-sdk/client-ec2");
    return readConsole(new EC2(clientConfig(inputs)), region, instanceId);
  };
  return prove({ url, expected, timeout, console, logCommand: tailCommand({ ...inputs, instanceId }) });
}

const verificationFailed = withRemedy(
  'docs/troubleshooting.md, "An instance failed verification". An earlier deployment\'s machines, if there are any, still serve.',
);

export const provider = providerFor<Inputs, State>({
  idOf: ({ expected }) => expected.instanceId,
  factsOf: ({ profile, url, expected }) => [profile, url, ...Object.entries(expected).sort()],
  make: async (inputs) => ({ ...inputs, proof: await verify(inputs).catch(verificationFailed) }),
  read(id, props) {
    const state = props as State;
    const { verifiedAt } = state.proof;
    return stillProven(id, state, async (timeout) => ({ ...(await verify(state, timeout)), verifiedAt }));
  },
});

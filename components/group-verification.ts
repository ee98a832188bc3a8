import * as pulumi from "@pulumi/pulumi";
import type { Architecture } from "./architecture.ts";
import { connectFleet } from "./fleet-api.ts";
import { askForReport, type GroupExpectation, type GroupProof, proveGroup } from "./group-proof.ts";
import { expectationOf } from "./proof.ts";
import { isCodeChanged, show } from "./provider-code.ts";
import { failureMarker } from "./user-data.ts";

export interface GroupVerificationArgs {
  /** The load balancer's own name. */
  address: pulumi.Input<string>;
  /**
   * Name that people use, which the certificate must be for.
   * @default none: HTTP, under the load balancer's own name
   */
  domain?: string;
  groupName: pulumi.Input<string>;
  targetGroupArn: pulumi.Input<string>;
  /** Name of the log group that the machines write to. */
  logGroup: pulumi.Input<string>;
  /** Launch template and version that every machine must be of, as `lt-…:3`. */
  template: pulumi.Input<string>;
  /** Fewest machines of the group; when it changes, the machines prove themselves again. */
  min: number;
  /** Digest of the index that the machines must have pulled. */
  digest: pulumi.Input<string>;
  /** Digest of each platform's image configuration in that index. */
  configs: pulumi.Input<Record<string, string>>;
  architecture: Architecture;
  region: string;
  /** Profile of the AWS configuration files to sign calls with. */
  profile?: string;
  /** Seconds until the machines must have proven themselves. */
  timeout: number;
}

/** What the engine hands to the provider. */
interface Inputs {
  readonly address: string;
  readonly domain?: string;
  readonly groupName: string;
  readonly targetGroupArn: string;
  readonly logGroup: string;
  readonly template: string;
  readonly min: number;
  readonly region: string;
  readonly profile?: string;
  readonly timeout: number;
  readonly expected: GroupExpectation;
}

/**
 * Proof that every machine of a group runs the image that was pushed, on the architecture that it should. In the state only if each machine
 * said so. Which machines these were is no reason to ask again: they come and go by themselves.
 */
export class GroupVerification extends pulumi.dynamic.Resource {
  declare readonly proof: pulumi.Output<GroupProof>;

  constructor(name: string, args: GroupVerificationArgs, opts?: pulumi.CustomResourceOptions) {
    const { architecture, digest, configs, ...inputs } = args;
    super(
      provider,
      name,
      {
        ...inputs,
        expected: expectationOf({ architecture, digest, configs }),
        proof: undefined,
      },
      opts,
      "hono-app",
      "GroupVerification",
    );
  }
}

async function verify(inputs: Inputs, timeout = inputs.timeout): Promise<GroupProof> {
  const { address, domain, expected, template } = inputs;
  const ask = (nonce: string) => askForReport(address, domain, nonce);
  try {
    return await proveGroup(await connectFleet(inputs), { expected, template, ask, timeout, failureMarker });
  } catch (error) {
    throw new Error(`${inputs.groupName} behind ${domain ?? address} failed verification: ${(error as Error).message}`);
  }
}

// Pulumi stores the provider's functions, and what they refer to, in the state: they hold no path and nothing of this machine.
const provider: pulumi.dynamic.ResourceProvider<Inputs, Inputs & { proof: GroupProof }> = {
  async diff(_id, olds, news) {
    const facts = ({ address, domain, groupName, template, min, expected }: Inputs) =>
      JSON.stringify([address, domain, groupName, template, min, ...Object.entries(expected).sort()]);
    return { changes: isCodeChanged(olds, news) || facts(olds) !== facts(news) };
  },
  async create(inputs) {
    return { id: inputs.groupName, outs: { ...inputs, proof: await verify(inputs) } };
  },
  async update(_id, _olds, news) {
    return { outs: { ...news, proof: await verify(news) } };
  },
  // Refresh asks again, but not for long: what runs answers at once. A group that is proven no more leaves the state, so that a refresh
  // shows it and the next `up` verifies again, with the whole time-out.
  async read(id, props) {
    if (props === undefined) return {};
    try {
      const { image, machines } = await verify(props, 10);
      const known = new Map(props.proof.machines.map((machine) => [machine.id, machine]));
      return {
        id,
        props: { ...props, proof: { image, machines: machines.map((each) => known.get(each.id) ?? each) } },
      };
    } catch (error) {
      show(`no longer verified: ${(error as Error).message}`);
      return {};
    }
  },
};

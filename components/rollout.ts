import * as pulumi from "@pulumi/pulumi";
import { connectFleet } from "./fleet-api.ts";
import { refreshTo } from "./instance-refresh.ts";
import { isCodeChanged, show } from "./provider-code.ts";
import { failureMarker } from "./user-data.ts";

export interface RolloutArgs {
  groupName: pulumi.Input<string>;
  /** Target group that the machines are registered with. */
  targetGroupArn: pulumi.Input<string>;
  /** Name of the log group that the machines write to. */
  logGroup: pulumi.Input<string>;
  /** Launch template and version that every machine of the group shall be of, as `lt-…:3`. */
  template: pulumi.Input<string>;
  region: string;
  /** Profile of the AWS configuration files to sign calls with. */
  profile?: string;
  /** Seconds that a new machine may take; after so long without progress the release is rolled back. */
  timeout: number;
}

/** What the engine hands to the provider. */
interface Inputs {
  readonly groupName: string;
  readonly targetGroupArn: string;
  readonly logGroup: string;
  readonly template: string;
  readonly region: string;
  readonly profile?: string;
  readonly timeout: number;
}

/**
 * A release, on one group: an instance refresh that `up` drives and waits for. The aws provider's own `instanceRefresh` does neither, and
 * rolls back to the version that failed.
 *
 * @see https://github.com/hashicorp/terraform-provider-aws/issues/42355
 * @see https://github.com/hashicorp/terraform-provider-aws/issues/34189
 */
export class Rollout extends pulumi.dynamic.Resource {
  /** Launch template and version of every machine. */
  declare readonly template: pulumi.Output<string>;

  constructor(name: string, args: RolloutArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args }, opts, "hono-app", "Rollout");
  }
}

async function rollOut(inputs: Inputs): Promise<Inputs> {
  const { template, timeout, groupName } = inputs;
  const log = (message: string) => show(`${groupName} to ${template}: ${message}`);
  await refreshTo(await connectFleet(inputs), { template, timeout, failureMarker, log });
  return inputs;
}

// Pulumi stores the provider's functions, and what they refer to, in the state: they hold no path and nothing of this machine.
const provider: pulumi.dynamic.ResourceProvider<Inputs, Inputs> = {
  async diff(_id, olds, news) {
    const facts = ({ groupName, template }: Inputs) => JSON.stringify([groupName, template]);
    return { changes: isCodeChanged(olds, news) || facts(olds) !== facts(news) };
  },
  async create(inputs) {
    return { id: inputs.groupName, outs: await rollOut(inputs) };
  },
  async update(_id, _olds, news) {
    return { outs: await rollOut(news) };
  },
  // A version that somebody else gave the group shows in a refresh, and the next `up` brings back the deployed one.
  async read(id, props) {
    if (props === undefined) return {};
    try {
      const { template } = await (await connectFleet(props)).group();
      return { id, props: { ...props, template } };
    } catch (error) {
      if ((error as Error).name === "GroupNotFound") return {};
      throw error;
    }
  },
};

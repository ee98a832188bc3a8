import type * as pulumi from "@pulumi/pulumi";
import { DynamicResource, providerFor } from "./dynamic-resource.ts";
import type { LaunchArgs } from "./launch-settings.ts";

export interface KeptAmiArgs extends Pick<LaunchArgs, "amiUpdate"> {
  /** The newest AMI. */
  newest: string;
  /** Hash of everything but the AMI for which machines are replaced; when it changes, the newest AMI is taken. */
  occasion: pulumi.Input<string>;
}

/** What the engine hands to the provider. */
type Inputs = pulumi.Unwrap<KeptAmiArgs> & { readonly ami: string };

/**
 * The AMI of a launch template: the newest one at the time of the last release. With `amiUpdate: latest` a newer AMI is a release by itself;
 * after a change back to `keep` the template keeps the AMI that it has. (`ignoreChanges` would keep the first one for ever, since a launch
 * template is changed in place.)
 */
export class KeptAmi extends DynamicResource {
  declare readonly ami: pulumi.Output<string>;

  constructor(name: string, args: KeptAmiArgs, opts?: pulumi.CustomResourceOptions) {
    super("KeptAmi", import.meta.filename, name, { ...args, ami: undefined }, opts);
  }
}

export const provider = providerFor<Inputs, Inputs>({
  // Decided here, so that a preview knows it too.
  async check(olds, news) {
    const isKept = news.amiUpdate === "keep" && olds.occasion === news.occasion;
    return { inputs: isKept ? { ...news, newest: olds.newest, ami: olds.ami } : { ...news, ami: news.newest } };
  },
  idOf: ({ ami }) => ami,
  factsOf: ({ occasion, ami }) => [occasion, ami],
  make: (inputs) => inputs,
});

import * as pulumi from "@pulumi/pulumi";
import type { ImageReference } from "./image-reference.ts";
import type { ProofArgs } from "./proof.ts";
import { type UserDataArgs, userData } from "./user-data.ts";

/** What every machine is launched with, as an instance or by a group. */
export interface LaunchArgs extends Omit<UserDataArgs, "image" | "logGroup">, Pick<ProofArgs, "logGroup" | "profile"> {
  /** Amazon Linux 2023 AMI of the architecture, for every machine that is made. */
  ami: string;
  /**
   * `keep`: another `ami` is no reason to replace a machine; one that is replaced for another reason, as by a release, gets it.
   * `latest`: another `ami` replaces the machine.
   */
  amiUpdate: "keep" | "latest";
  securityGroupId: pulumi.Input<string>;
  instanceProfile: pulumi.Input<string>;
  /** Another one replaces the machine. */
  image: pulumi.Input<ImageReference>;
  /** Digest of each platform's image configuration in the image's index. */
  configs: pulumi.Input<Record<string, string>>;
  /** Root volume in GiB. */
  volumeSize: number;
  /** Seconds that a machine may take until it has proven itself. */
  verificationTimeout: number;
}

/** The arguments as a component's inputs, without what names an AMI: a newer one that replaces no machine must not show as a change. */
export function inputsOf<T extends LaunchArgs>({ ami: _ami, amiUpdate: _update, architecture, ...inputs }: T) {
  return { ...inputs, architecture: architecture.ec2 };
}

/** What a proof of these machines takes: what each must answer, and where AWS is asked about it. */
export function proofOf({ logGroup, region, profile, verificationTimeout: timeout, ...args }: LaunchArgs): ProofArgs {
  const { machine, image, process, platform } = args.architecture;
  const { digest } = pulumi.output(args.image);
  const imageId = pulumi.output(args.configs).apply((configs) => configs[platform] as string);
  return { expected: { machine, image, process, digest, imageId }, logGroup, region, profile, timeout };
}

/** The settings of every machine, by the names that an instance and a launch template have in common. */
export function launchSettings(args: LaunchArgs) {
  return {
    instanceType: args.instanceType,
    userData: pulumi
      .all([args.image, args.logGroup])
      .apply(([image, logGroup]) => userData({ ...args, image, logGroup })),
    // Requests need a token, which with one hop does not pass a container's bridge: the app cannot use the machine's role.
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    volume: { encrypted: true, volumeType: "gp3", volumeSize: args.volumeSize, deleteOnTermination: true },
    ebsOptimized: true,
    monitoring: true,
    // With `standard` a new machine has no credits and would boot at its baseline: a fifth of its speed, as `.micro` a tenth. A boot
    // spends about one credit, earned back within minutes; what a busy machine is billed for is in cli/cost.ts, `notIncluded`.
    // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-standard-mode-concepts.html
    creditSpecification: { cpuCredits: "unlimited" },
  };
}

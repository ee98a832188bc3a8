import { Instance as Ec2Instance } from "@pulumi/aws/ec2/instance.js";
import * as pulumi from "@pulumi/pulumi";
import type { Architecture } from "./architecture.ts";
import type { ImageReference } from "./image-reference.ts";
import { userData } from "./user-data.ts";

export interface InstanceArgs {
  /** Name of the app. */
  appName: string;
  architecture: Architecture;
  instanceType: string;
  /** Amazon Linux 2023 AMI of the architecture, for every machine that is made. */
  ami: string;
  /**
   * `keep`: another `ami` is no reason to replace a machine; one that is replaced for another reason, as by a release, gets it.
   * `latest`: another `ami` replaces the machine.
   * @default "keep"
   */
  amiUpdate?: "keep" | "latest";
  region: string;
  subnetId: pulumi.Input<string>;
  securityGroupId: pulumi.Input<string>;
  instanceProfile: pulumi.Input<string>;
  /** Another one replaces the machine. */
  image: pulumi.Input<ImageReference>;
  port: number;
  /** Root volume in GiB. */
  volumeSize: number;
}

/**
 * The arguments as a component's inputs, without what names an AMI: a newer one that replaces no instance must not show as a change.
 */
export function inputsOf<T extends InstanceArgs>({ ami: _ami, amiUpdate: _update, architecture, ...inputs }: T) {
  return { ...inputs, architecture: architecture.ec2 };
}

/** A machine that pulls the image for its own architecture and runs it. It is replaced, never changed in place. */
export class Instance extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly instanceType: pulumi.Output<string>;
  /** The AMI that it runs; in a preview, the one that it will run. */
  readonly ami: pulumi.Output<string>;
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Instance", name, inputsOf(args), opts);
    const tags = { Name: name };

    const instance = new Ec2Instance(
      name,
      {
        ami: args.ami,
        instanceType: args.instanceType,
        subnetId: args.subnetId,
        vpcSecurityGroupIds: [args.securityGroupId],
        iamInstanceProfile: args.instanceProfile,
        // The one exception to the controls (EC2.9 / CKV_AWS_88; EC2.15 / CKV_AWS_130 for the subnets): people reach the app without a
        // load balancer, and the machine pulls without a NAT gateway. To do without: private subnets, a load balancer, and endpoints
        // in the VPC for ecr.api, ecr.dkr, ssm, ssmmessages, ec2messages and S3, which also has Amazon Linux's packages; together
        // they cost more than the machines.
        associatePublicIpAddress: true,
        userData: pulumi.output(args.image).apply((image) =>
          userData({
            name: args.appName,
            image,
            region: args.region,
            instanceType: args.instanceType,
            architecture: args.architecture,
            port: args.port,
          }),
        ),
        // Changed user data would otherwise reboot the machine and not run again.
        userDataReplaceOnChange: true,
        // A token for each request, which does not pass a container's bridge: the app cannot use the machine's role.
        metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
        rootBlockDevice: { encrypted: true, volumeType: "gp3", volumeSize: args.volumeSize, deleteOnTermination: true },
        ebsOptimized: true,
        monitoring: true,
        // With `standard` a new machine has no credits and would boot at its baseline: a fifth of its speed, as `.micro` a tenth. A boot
        // spends about one credit, earned back within minutes; what a busy machine is billed for is in cli/cost/prices.ts, `notIncluded`.
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances-standard-mode-concepts.html
        creditSpecification: { cpuCredits: "unlimited" },
        tags,
        // Not rootBlockDevice.tags, which the provider sets after the launch: an organization may refuse an untagged volume.
        // https://github.com/hashicorp/terraform-provider-aws/issues/41653
        volumeTags: tags,
      },
      {
        parent: this,
        // This only keeps a newer AMI from being a reason to replace: an instance that is replaced gets the newest one.
        ignoreChanges: (args.amiUpdate ?? "keep") === "keep" ? ["ami"] : [],
        // `protect` blocks destroy of the component; the instance must stay replaceable, since every release replaces it.
        protect: false,
      },
    );

    this.instanceId = instance.id;
    this.instanceType = instance.instanceType;
    this.ami = instance.ami;
    const port = args.port === 80 ? "" : `:${args.port}`;
    this.url = pulumi.interpolate`http://${instance.publicIp}${port}`;
    this.registerOutputs({
      instanceId: this.instanceId,
      instanceType: this.instanceType,
      ami: this.ami,
      url: this.url,
    });
  }
}

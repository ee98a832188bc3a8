import { Instance as Ec2Instance } from "@pulumi/aws/ec2/instance.js";
import * as pulumi from "@pulumi/pulumi";
import type { Architecture } from "./architecture.ts";
import { userData } from "./user-data.ts";

export interface InstanceArgs {
  /** Name of the app. */
  appName: string;
  architecture: Architecture;
  instanceType: string;
  /** Amazon Linux 2023 AMI of the architecture, for a machine that is made or moved. */
  ami: string;
  /**
   * `keep`: an existing machine stays on the AMI that it was made with. `latest`: another `ami` replaces it.
   * @default "keep"
   */
  amiUpdate?: "keep" | "latest";
  region: string;
  subnetId: pulumi.Input<string>;
  securityGroupId: pulumi.Input<string>;
  instanceProfile: pulumi.Input<string>;
  /** `registry/repository:tag@digest`; another one replaces the machine. */
  imageRef: pulumi.Input<string>;
  port: number;
  /** Root volume in GiB. */
  volumeSize: number;
  tags?: Record<string, string>;
}

/** A machine that pulls the image for its own architecture and runs it. It is replaced, never changed in place. */
export class Instance extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly instanceType: pulumi.Output<string>;
  readonly url: pulumi.Output<string>;

  constructor(name: string, args: InstanceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Instance", name, {}, opts);

    const instance = new Ec2Instance(
      name,
      {
        ami: args.ami,
        instanceType: args.instanceType,
        subnetId: args.subnetId,
        vpcSecurityGroupIds: [args.securityGroupId],
        iamInstanceProfile: args.instanceProfile,
        // The one departure from the controls (EC2.9 / CKV_AWS_88; EC2.15 / CKV_AWS_130 for the subnets): people reach the app without a
        // load balancer, and the machine pulls without a NAT gateway. To do without: private subnets, a load balancer, and endpoints
        // in the VPC for ecr.api, ecr.dkr, ssm, ssmmessages, ec2messages and S3, which also has Amazon Linux's packages; together
        // they cost more than the machines.
        associatePublicIpAddress: true,
        userData: pulumi.output(args.imageRef).apply((imageRef) =>
          userData({
            name: args.appName,
            imageRef,
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
        // `unlimited`, the default of both families, bills a busy machine beyond its price.
        creditSpecification: { cpuCredits: "standard" },
        tags: { ...args.tags, Name: name },
      },
      {
        parent: this,
        ignoreChanges: (args.amiUpdate ?? "keep") === "keep" ? ["ami"] : [],
        // Protection of this component refuses `destroy`; its machine must still be replaceable, as every release does.
        protect: false,
      },
    );

    this.instanceId = instance.id;
    this.instanceType = instance.instanceType;
    const port = args.port === 80 ? "" : `:${args.port}`;
    this.url = pulumi.interpolate`http://${instance.publicIp}${port}`;
    this.registerOutputs({ instanceId: this.instanceId, instanceType: this.instanceType, url: this.url });
  }
}

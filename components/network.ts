import { DefaultSecurityGroup } from "@pulumi/aws/ec2/defaultSecurityGroup.js";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import { Vpc } from "@pulumi/awsx/ec2/vpc.js";
import * as pulumi from "@pulumi/pulumi";
import { eachMachine, type MachineName } from "./architecture.ts";
import { FlowLogs } from "./flow-logs.ts";

/** How machines without a public address, or with one, reach ECR, S3 and Systems Manager. */
export type Egress = "nat" | "endpoints" | "public";

export interface NetworkArgs {
  /** IPv4 block of the VPC. */
  cidrBlock: string;
  /** A public subnet is made in each; machines are spread over them. */
  availabilityZones: string[];
  /** TCP port of the app. */
  port: number;
  /** IPv4 blocks that may reach the port. */
  allowedCidrs: readonly string[];
  /**
   * ARN of the permissions boundary of the flow log's role.
   * @default none
   */
  permissionsBoundary?: string;
}

/** A VPC with public subnets and no NAT gateway, a security group in which only the app's port is open, and a log of what it refused. */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** A public subnet for each machine, in the zones' order. */
  readonly subnetIds: Readonly<Record<MachineName, pulumi.Output<string>>>;
  readonly securityGroupId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Network", name, args, opts);

    const vpc = new Vpc(
      name,
      {
        cidrBlock: args.cidrBlock,
        availabilityZoneNames: args.availabilityZones,
        // Machines have public addresses and pull through the internet gateway; a NAT gateway would cost more than they do.
        natGateways: { strategy: "None" },
        subnetStrategy: "Auto",
        subnetSpecs: [{ type: "Public", cidrMask: 24 }],
        enableDnsHostnames: true,
      },
      { parent: this },
    );

    // Closes what AWS leaves open in every new VPC: its default group lets members reach each other and everything outside.
    new DefaultSecurityGroup(name, { vpcId: vpc.vpcId, tags: { Name: `${name}-default-closed` } }, { parent: this });

    new FlowLogs(name, { vpcId: vpc.vpcId, permissionsBoundary: args.permissionsBoundary }, { parent: this });

    const group = new SecurityGroup(
      name,
      {
        vpcId: vpc.vpcId,
        description: "Port of the app in, HTTPS out",
        tags: { Name: name },
      },
      { parent: this },
    );
    for (const cidrIpv4 of args.allowedCidrs) {
      new SecurityGroupIngressRule(
        `${name}-${cidrIpv4}`,
        {
          securityGroupId: group.id,
          description: "The app",
          cidrIpv4,
          ipProtocol: "tcp",
          fromPort: args.port,
          toPort: args.port,
        },
        { parent: this },
      );
    }
    // ECR, its layers in S3, Session Manager and Amazon Linux's packages are all HTTPS; DNS and time by the VPC's own
    // addresses pass no security group. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
    new SecurityGroupEgressRule(
      `${name}-https`,
      {
        securityGroupId: group.id,
        description: "Pull the image, install Docker, Session Manager",
        cidrIpv4: "0.0.0.0/0",
        ipProtocol: "tcp",
        fromPort: 443,
        toPort: 443,
      },
      { parent: this },
    );

    this.vpcId = vpc.vpcId;
    this.subnetIds = eachMachine((_, index) => vpc.publicSubnetIds.apply((ids) => ids[index % ids.length] as string));
    this.securityGroupId = group.id;
    this.registerOutputs({ vpcId: this.vpcId, subnetIds: this.subnetIds, securityGroupId: this.securityGroupId });
  }
}

import { DefaultSecurityGroup } from "@pulumi/aws/ec2/defaultSecurityGroup.js";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import * as pulumi from "@pulumi/pulumi";
import { eachMachine, type MachineName } from "./architecture.ts";
import { Endpoints, type EndpointsArgs } from "./endpoints.ts";
import { FlowLogs } from "./flow-logs.ts";
import type { InstanceRoleArgs } from "./instance-role.ts";
import { tcp } from "./tcp.ts";
import { Vpc, type VpcArgs } from "./vpc.ts";

export interface NetworkArgs
  extends VpcArgs,
    Pick<InstanceRoleArgs, "permissionsBoundary">,
    Pick<EndpointsArgs, "repositoryArn"> {
  /** TCP port of the app. */
  port: number;
  /** IPv4 blocks that may reach the port. */
  allowedCidrs: readonly string[];
  /** Days for which the flow log is kept. */
  logRetentionDays: number;
}

/** A VPC, a security group of the machines in which only the app's port is open, if at all, and a log of what it refused. */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** A public subnet for each machine, in the zones' order. */
  readonly subnetIds: Readonly<Record<MachineName, pulumi.Output<string>>>;
  /** A private subnet in each zone, where machines are private. */
  readonly privateSubnetIds?: pulumi.Output<string>[];
  readonly securityGroupId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    const { repositoryArn, ...inputs } = args;
    super("hono-app:index:Network", name, inputs, opts);
    const { cidrBlock, availabilityZones, egress, logRetentionDays: retentionInDays, permissionsBoundary } = args;
    const parent = { parent: this };
    const vpc = new Vpc(name, { cidrBlock, availabilityZones, egress }, parent);
    const { vpcId } = vpc;

    // Closes what AWS leaves open in every new VPC: its default group lets members reach each other and everything outside.
    new DefaultSecurityGroup(name, { vpcId, ingress: [], egress: [] }, parent);
    new FlowLogs(name, { vpcId, retentionInDays, permissionsBoundary }, parent);

    const description = "Port of the app in, HTTPS out";
    const { id: securityGroupId } = new SecurityGroup(name, { vpcId, description, tags: { Name: name } }, parent);
    for (const cidrIpv4 of args.allowedCidrs) {
      const rule = { ...tcp(args.port), securityGroupId, description: "The app", cidrIpv4 };
      // The port is in the name: with another port the old rule goes only when nothing serves on it any more.
      new SecurityGroupIngressRule(`${name}-${cidrIpv4}-${args.port}`, rule, parent);
    }
    // ECR, its layers in S3, Session Manager and Amazon Linux's packages are all HTTPS; DNS and time by the VPC's own
    // addresses pass no security group. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
    new SecurityGroupEgressRule(
      `${name}-https`,
      {
        ...tcp(443),
        securityGroupId,
        description: "Pull the image, install Docker, Session Manager",
        cidrIpv4: "0.0.0.0/0",
      },
      parent,
    );

    if (egress === "endpoints" && vpc.private) {
      new Endpoints(name, { ...vpc.private, vpcId, machineSecurityGroupId: securityGroupId, repositoryArn }, parent);
    }

    const { subnetIds } = vpc.public;
    this.vpcId = vpcId;
    this.subnetIds = eachMachine((_, index) => subnetIds[index % subnetIds.length] as pulumi.Output<string>);
    this.privateSubnetIds = vpc.private?.subnetIds;
    this.securityGroupId = securityGroupId;
    this.registerOutputs({
      vpcId,
      subnetIds: this.subnetIds,
      privateSubnetIds: this.privateSubnetIds,
      securityGroupId,
    });
  }

  /** What a load balancer in front of the machines takes of it. */
  get forBalancer() {
    const { vpcId, securityGroupId: machineSecurityGroupId } = this;
    return { vpcId, subnetIds: Object.values(this.subnetIds), machineSecurityGroupId };
  }

  /** Where a group launches its machines. */
  get forGroup() {
    const { subnetIds, privateSubnetIds } = this;
    return { subnetIds: privateSubnetIds ?? Object.values(subnetIds), publicAddress: privateSubnetIds === undefined };
  }
}

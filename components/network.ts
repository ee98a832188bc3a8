import { DefaultSecurityGroup } from "@pulumi/aws/ec2/defaultSecurityGroup.js";
import type { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import { Vpc } from "@pulumi/awsx/ec2/vpc.js";
import * as pulumi from "@pulumi/pulumi";
import { eachMachine, type MachineName } from "./architecture.ts";
import { Endpoints } from "./endpoints.ts";
import { FlowLogs } from "./flow-logs.ts";
import { tcp } from "./tcp.ts";

/** How the machines of a fleet reach ECR: private ones by a NAT gateway or by endpoints in the VPC, others by addresses of their own. */
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
  /** Days for which the flow log is kept. */
  logRetentionDays: number;
  /**
   * How machines reach ECR.
   * @default "public"
   */
  egress?: Egress;
  /** ARN of the one repository that machines may pull from, for endpoints. */
  repositoryArn: pulumi.Input<string>;
  /**
   * ARN of the permissions boundary of the flow log's role.
   * @default none
   */
  permissionsBoundary?: string;
}

/**
 * A VPC with a public subnet in each zone and, for private machines, a private one beside it; a security group in which only the app's
 * port is open, if at all; and a log of what it refused.
 */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** A public subnet for each machine, in the zones' order. */
  readonly subnetIds: Readonly<Record<MachineName, pulumi.Output<string>>>;
  /** A private subnet in each zone, where machines are private. */
  readonly privateSubnetIds?: pulumi.Output<string[]>;
  readonly securityGroupId: pulumi.Output<string>;
  private readonly port: number;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    const { repositoryArn, ...inputs } = args;
    super("hono-app:index:Network", name, inputs, opts);
    const { egress = "public" } = args;
    const isPrivate = egress !== "public";

    const vpc = new Vpc(
      name,
      {
        cidrBlock: args.cidrBlock,
        availabilityZoneNames: args.availabilityZones,
        // Machines with public addresses pull through the internet gateway; a NAT gateway costs more than they do. One is enough for a
        // fleet: no user's request passes it, so if its zone fails, running machines serve, and new ones wait.
        natGateways: { strategy: egress === "nat" ? "Single" : "None" },
        subnetStrategy: "Auto",
        // Not Isolated subnets for endpoints: they would have the same blocks under other names, and AWS refuses the successor of a subnet
        // while that is there.
        subnetSpecs: [
          { type: "Public", cidrMask: 24 },
          ...(isPrivate ? [{ type: "Private", cidrMask: 24 } as const] : []),
        ],
        enableDnsHostnames: true,
      },
      { parent: this },
    );

    // Closes what AWS leaves open in every new VPC: its default group lets members reach each other and everything outside.
    new DefaultSecurityGroup(name, { vpcId: vpc.vpcId, ingress: [], egress: [] }, { parent: this });

    new FlowLogs(
      name,
      {
        vpcId: vpc.vpcId,
        retentionInDays: args.logRetentionDays,
        permissionsBoundary: args.permissionsBoundary,
      },
      { parent: this },
    );

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
        // Another port is another rule: the old one is closed only when nothing serves on it any more.
        `${name}-${cidrIpv4}-${args.port}`,
        { ...tcp(args.port), securityGroupId: group.id, description: "The app", cidrIpv4 },
        { parent: this },
      );
    }
    // ECR, its layers in S3, Session Manager and Amazon Linux's packages are all HTTPS; DNS and time by the VPC's own
    // addresses pass no security group. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
    new SecurityGroupEgressRule(
      `${name}-https`,
      {
        ...tcp(443),
        securityGroupId: group.id,
        description: "Pull the image, install Docker, Session Manager",
        cidrIpv4: "0.0.0.0/0",
      },
      { parent: this },
    );

    if (egress === "endpoints") {
      new Endpoints(
        name,
        {
          vpcId: vpc.vpcId,
          subnetIds: vpc.privateSubnetIds,
          // Where no class is registered for a type, Pulumi gives the id in place of the resource.
          routeTableIds: vpc.routeTables.apply((tables: (RouteTable | string)[]) =>
            pulumi.all(tables.map((table) => (typeof table === "string" ? table : table.id))),
          ),
          machineSecurityGroupId: group.id,
          repositoryArn,
        },
        { parent: this },
      );
    }

    this.vpcId = vpc.vpcId;
    this.subnetIds = eachMachine((_, index) => vpc.publicSubnetIds.apply((ids) => ids[index % ids.length] as string));
    if (isPrivate) this.privateSubnetIds = vpc.privateSubnetIds;
    this.securityGroupId = group.id;
    this.port = args.port;
    this.registerOutputs({
      vpcId: this.vpcId,
      subnetIds: this.subnetIds,
      privateSubnetIds: this.privateSubnetIds,
      securityGroupId: this.securityGroupId,
    });
  }

  /** What a load balancer in front of the machines takes of it. */
  get forBalancer() {
    const { vpcId, securityGroupId: machineSecurityGroupId, port } = this;
    return { vpcId, subnetIds: Object.values(this.subnetIds), machineSecurityGroupId, port };
  }

  /** Where a group launches its machines. */
  get forGroup() {
    const { subnetIds, privateSubnetIds } = this;
    return { subnetIds: privateSubnetIds ?? Object.values(subnetIds), publicAddress: privateSubnetIds === undefined };
  }
}

import { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
import { Route } from "@pulumi/aws/ec2/route.js";
import { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
import { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation.js";
import { Subnet } from "@pulumi/aws/ec2/subnet.js";
import { Vpc as AwsVpc } from "@pulumi/aws/ec2/vpc.js";
import type { VpcArgs } from "@pulumi/awsx/ec2/vpc.js";
import * as pulumi from "@pulumi/pulumi";
import { subnetBlocks } from "./cidr.ts";

const KNOWN = [
  "cidrBlock",
  "availabilityZoneNames",
  "natGateways",
  "subnetStrategy",
  "subnetSpecs",
  "enableDnsHostnames",
  "tags",
];

/** Refuses what would make awsx build something else than the public subnets below. */
export function checkArgs(args: VpcArgs): void {
  const unknown = Object.keys(args).filter((key) => !KNOWN.includes(key));
  if (unknown.length > 0)
    throw new Error(`awsx:ec2:Vpc: unknown argument ${unknown.join(", ")}; known: ${KNOWN.join(", ")}`);
  const specs = args.subnetSpecs ?? [];
  const demand = (isMet: boolean, rule: string) => {
    if (!isMet) throw new Error(`awsx:ec2:Vpc: only ${rule} is known here`);
  };
  demand(args.natGateways?.strategy === "None", 'natGateways: { strategy: "None" }');
  demand(args.subnetStrategy === "Auto", 'subnetStrategy: "Auto"');
  demand(specs.length === 1 && specs[0]?.type === "Public", 'one subnetSpec of type "Public"');
  const others = Object.keys(specs[0] ?? {}).filter((key) => !["type", "cidrMask"].includes(key));
  demand(others.length === 0 && specs[0]?.cidrMask !== undefined, "a subnetSpec of type and cidrMask");
  demand((args.availabilityZoneNames?.length ?? 0) > 0, "a list of availabilityZoneNames");
}

/** `awsx.ec2.Vpc` of awsx 3.9, for public subnets without NAT gateways: the same children, names, parents and inputs. */
export class Vpc extends pulumi.ComponentResource {
  readonly state: pulumi.Inputs;

  constructor(name: string, args: VpcArgs, opts: pulumi.ComponentResourceOptions) {
    super("awsx:ec2:Vpc", name, {}, opts);
    const { cidrBlock = "10.0.0.0/16", availabilityZoneNames: zones = [], enableDnsHostnames, tags } = args;
    const tagged = (own: Record<string, string>) => pulumi.output(tags).apply((shared) => ({ ...own, ...shared }));

    const vpcTags = tagged({ Name: name });
    const vpc = new AwsVpc(name, { cidrBlock, enableDnsHostnames, tags: vpcTags }, { parent: this });
    const below = { parent: vpc, dependsOn: [vpc] };
    const gateway = new InternetGateway(name, { vpcId: vpc.id, tags: vpcTags }, below);
    const blocks = subnetBlocks(cidrBlock, zones.length, args.subnetSpecs?.[0]?.cidrMask ?? 0);
    const layers = zones.map((availabilityZone, index) => {
      const child = `${name}-public-${index + 1}`;
      const childTags = tagged({ Name: child, SubnetType: "Public" });
      const subnet = new Subnet(
        child,
        {
          vpcId: vpc.id,
          availabilityZone,
          cidrBlock: blocks[index],
          mapPublicIpOnLaunch: true,
          assignIpv6AddressOnCreation: false,
          tags: childTags,
        },
        below,
      );
      const table = new RouteTable(child, { vpcId: vpc.id, tags: childTags }, { parent: subnet, dependsOn: [subnet] });
      const inTable = { parent: table, dependsOn: [table] };
      const association = new RouteTableAssociation(child, { routeTableId: table.id, subnetId: subnet.id }, inTable);
      const route = new Route(
        child,
        { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0", gatewayId: gateway.id },
        inTable,
      );
      return { subnet, table, association, route };
    });

    const subnets = layers.map(({ subnet }) => subnet);
    const subnetIds = subnets.map((subnet) => subnet.id);
    this.state = {
      vpc,
      vpcId: vpc.id,
      internetGateway: gateway,
      subnets,
      publicSubnets: subnets,
      publicSubnetIds: subnetIds,
      privateSubnets: [],
      privateSubnetIds: [],
      isolatedSubnets: [],
      isolatedSubnetIds: [],
      routeTables: layers.map(({ table }) => table),
      routeTableAssociations: layers.map(({ association }) => association),
      routes: layers.map(({ route }) => route),
      natGateways: [],
      eips: [],
      vpcEndpoints: [],
      subnetLayout: args.subnetSpecs,
    };
    this.registerOutputs(this.state);
  }
}

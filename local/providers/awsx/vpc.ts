import { Eip } from "@pulumi/aws/ec2/eip.js";
import { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
import { NatGateway } from "@pulumi/aws/ec2/natGateway.js";
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
/** The layouts that are known, and in the order in which awsx takes them. */
const LAYOUTS = ["Public", "Public, Private"];
const STRATEGIES = ["None", "Single"];

/** Refuses what would make awsx build something else than the subnets below. */
export function checkArgs(args: VpcArgs): void {
  const unknown = Object.keys(args).filter((key) => !KNOWN.includes(key));
  if (unknown.length > 0)
    throw new Error(`awsx:ec2:Vpc: unknown argument ${unknown.join(", ")}; known: ${KNOWN.join(", ")}`);
  const specs = args.subnetSpecs ?? [];
  const demand = (isMet: boolean, rule: string) => {
    if (!isMet) throw new Error(`awsx:ec2:Vpc: only ${rule} is known here`);
  };
  const layout = specs.map(({ type }) => type).join(", ");
  const { strategy = "", ...nat } = args.natGateways ?? {};
  demand(STRATEGIES.includes(strategy) && Object.keys(nat).length === 0, "a natGateways strategy, and nothing else,");
  demand(args.subnetStrategy === "Auto", 'subnetStrategy: "Auto"');
  demand(LAYOUTS.includes(layout), `subnetSpecs of the types ${LAYOUTS.join(" or ")}, not "${layout}",`);
  demand(
    strategy === "None" || layout === "Public, Private",
    `a NAT gateway for private subnets, not for "${layout}",`,
  );
  const isPlain = specs.every((spec) => Object.keys(spec).sort().join() === "cidrMask,type");
  demand(
    isPlain && new Set(specs.map(({ cidrMask }) => cidrMask)).size === 1,
    "subnetSpecs of a type and one cidrMask",
  );
  demand((args.availabilityZoneNames?.length ?? 0) > 0, "a list of availabilityZoneNames");
}

/** `awsx.ec2.Vpc` of awsx 3.9, for a public subnet in each zone and a private one beside it: the same children and inputs. */
export class Vpc extends pulumi.ComponentResource {
  readonly state: pulumi.Inputs;

  constructor(name: string, args: VpcArgs, opts: pulumi.ComponentResourceOptions) {
    super("awsx:ec2:Vpc", name, {}, opts);
    const { cidrBlock = "10.0.0.0/16", availabilityZoneNames: zones = [], enableDnsHostnames, tags } = args;
    const { subnetSpecs: specs = [], natGateways: { strategy } = {} } = args;
    const tagged = (own: Record<string, string>) => pulumi.output(tags).apply((shared) => ({ ...own, ...shared }));

    const vpcTags = tagged({ Name: name });
    const vpc = new AwsVpc(name, { cidrBlock, enableDnsHostnames, tags: vpcTags }, { parent: this });
    const below = { parent: vpc, dependsOn: [vpc] };
    const gateway = new InternetGateway(name, { vpcId: vpc.id, tags: vpcTags }, below);
    const blocks = subnetBlocks(cidrBlock, zones.length, specs[0]?.cidrMask ?? 0, specs.length);

    const eips: Eip[] = [];
    const natGateways: NatGateway[] = [];
    const layers = zones.flatMap((availabilityZone, zone) =>
      specs.map(({ type }, kind) => {
        const child = `${name}-${type.toLowerCase()}-${zone + 1}`;
        const childTags = tagged({ Name: child, SubnetType: type });
        const subnet = new Subnet(
          child,
          {
            vpcId: vpc.id,
            availabilityZone,
            cidrBlock: blocks[zone]?.[kind],
            mapPublicIpOnLaunch: type === "Public",
            assignIpv6AddressOnCreation: false,
            tags: childTags,
          },
          below,
        );
        const inSubnet = { parent: subnet, dependsOn: [subnet] };
        const table = new RouteTable(child, { vpcId: vpc.id, tags: childTags }, inSubnet);
        const inTable = { parent: table, dependsOn: [table] };
        const association = new RouteTableAssociation(child, { routeTableId: table.id, subnetId: subnet.id }, inTable);
        if (type === "Public" && strategy === "Single" && zone === 0) {
          const nat = `${name}-${zone + 1}`;
          const natTags = tagged({ Name: nat });
          const eip = new Eip(nat, { tags: natTags }, inSubnet);
          const natArgs = { subnetId: subnet.id, allocationId: eip.allocationId, tags: natTags };
          eips.push(eip);
          natGateways.push(new NatGateway(nat, natArgs, inSubnet));
        }
        const [nat] = natGateways;
        const way = type === "Public" ? { gatewayId: gateway.id } : nat && { natGatewayId: nat.id };
        const all = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0" };
        return { type, subnet, table, association, routes: way ? [new Route(child, { ...all, ...way }, inTable)] : [] };
      }),
    );

    const idsOf = (kind: string) => layers.filter(({ type }) => type === kind).map(({ subnet }) => subnet.id);
    const subnetsOf = (kind: string) => layers.filter(({ type }) => type === kind).map(({ subnet }) => subnet);
    this.state = {
      vpc,
      vpcId: vpc.id,
      internetGateway: gateway,
      subnets: layers.map(({ subnet }) => subnet),
      publicSubnets: subnetsOf("Public"),
      publicSubnetIds: idsOf("Public"),
      privateSubnets: subnetsOf("Private"),
      privateSubnetIds: idsOf("Private"),
      isolatedSubnets: [],
      isolatedSubnetIds: [],
      routeTables: layers.map(({ table }) => table),
      routeTableAssociations: layers.map(({ association }) => association),
      routes: layers.flatMap(({ routes }) => routes),
      natGateways,
      eips,
      vpcEndpoints: [],
      subnetLayout: specs,
    };
    this.registerOutputs(this.state);
  }
}

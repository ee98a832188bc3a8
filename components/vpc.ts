import { Eip } from "@pulumi/aws/ec2/eip.js";
import { InternetGateway } from "@pulumi/aws/ec2/internetGateway.js";
import { NatGateway } from "@pulumi/aws/ec2/natGateway.js";
import { Route, type RouteArgs } from "@pulumi/aws/ec2/route.js";
import { RouteTable } from "@pulumi/aws/ec2/routeTable.js";
import { RouteTableAssociation } from "@pulumi/aws/ec2/routeTableAssociation.js";
import { Subnet } from "@pulumi/aws/ec2/subnet.js";
import { Vpc as AwsVpc } from "@pulumi/aws/ec2/vpc.js";
import * as pulumi from "@pulumi/pulumi";

/** How machines reach ECR: private ones by a NAT gateway or by endpoints in the VPC, others by addresses of their own. */
type Egress = "nat" | "endpoints" | "public";

export interface VpcArgs {
  /** IPv4 block of the VPC, of /16 to /20. */
  cidrBlock: string;
  /** A public subnet is made in each, and a private one for private machines. Each ends in another letter, a to h. */
  availabilityZones: readonly string[];
  egress: Egress;
}

/** The subnets of one kind, which share a route table. */
interface Layer {
  readonly routeTableId: pulumi.Output<string>;
  /** One for each zone, in their order; known once the subnet has its routes, so that a machine in it can reach out from the start. */
  readonly subnetIds: pulumi.Output<string>[];
}

/** A VPC with a public subnet in each zone and, for private machines, a private one beside it. */
export class Vpc extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  readonly public: Layer;
  readonly private?: Layer;

  constructor(name: string, args: VpcArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Vpc", name, args, opts);
    const { cidrBlock, availabilityZones, egress } = args;
    const parent = { parent: this };
    const tags = { Name: name };
    const vpc = new AwsVpc(name, { cidrBlock, enableDnsHostnames: true, tags }, parent);
    const vpcId = vpc.id;

    const layer = (kind: "public" | "private", target?: Partial<RouteArgs>): Layer => {
      const named = (id: string) => ({ Name: `${name}-${id}` });
      const { id: routeTableId } = new RouteTable(`${name}-${kind}`, { vpcId, tags: named(kind) }, parent);
      const everywhere = { routeTableId, destinationCidrBlock: "0.0.0.0/0" };
      const routes = target ? [new Route(`${name}-${kind}`, { ...everywhere, ...target }, parent)] : [];
      const subnetIds = availabilityZones.map((availabilityZone) => {
        const letter = letterOf(availabilityZone);
        const id = `${kind}-${letter}`;
        const block = subnetBlock(cidrBlock, firstBlock[kind] + letters.indexOf(letter));
        const inputs = { vpcId, availabilityZone, cidrBlock: block, tags: named(id) };
        const { id: subnetId } = new Subnet(`${name}-${id}`, inputs, parent);
        const link = { routeTableId, subnetId };
        const association = new RouteTableAssociation(`${name}-${id}`, link, { ...parent, dependsOn: routes });
        return association.subnetId as pulumi.Output<string>;
      });
      return { routeTableId, subnetIds };
    };

    // Another block is another VPC. AWS detaches no gateway from one that is in use, and an address has one NAT gateway at a time.
    const own = { ...parent, replacementTrigger: vpcId };
    const gateway = new InternetGateway(name, { vpcId, tags }, own);
    this.public = layer("public", { gatewayId: gateway.id });
    if (egress === "nat") {
      // One for all zones: it costs more than a machine, and no user's request passes through it. If its zone fails, running machines go on
      // serving, and new ones wait.
      const [subnetId, zone] = [this.public.subnetIds[0], availabilityZones[0]] as [pulumi.Output<string>, string];
      const id = `${name}-${letterOf(zone)}`;
      const { allocationId } = new Eip(id, { tags: { Name: id } }, own);
      const nat = new NatGateway(id, { subnetId, allocationId, tags: { Name: id } }, parent);
      this.private = layer("private", { natGatewayId: nat.id });
    }
    if (egress === "endpoints") this.private = layer("private");
    this.vpcId = vpcId;
    this.registerOutputs({ vpcId, public: this.public, private: this.private });
  }
}

// A zone's letter names its subnet and decides its block, so that a zone keeps both when others come or go. Numbered by its position in the
// list, a new subnet could need a block that is still in use.
const letters = "abcdefgh";
const letterOf = (zone: string) => zone.slice(-1);

/** Number of the first block of each kind, which keeps its blocks when the other kind comes or goes. */
const firstBlock = { public: 0, private: 8 };

/** A VPC's /24 block by its number, 0 to 15: with /16 to /20 those differ in the third octet alone. */
export function subnetBlock(vpcBlock: string, index: number): string {
  const [first, second, third] = vpcBlock.split(".");
  return `${first}.${second}.${Number(third) + index}.0/24`;
}

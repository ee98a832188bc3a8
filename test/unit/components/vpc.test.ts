import { BlockList } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { subnetBlock, Vpc, type VpcArgs } from "../../../components/vpc.ts";
import { all, find, mock, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

async function make(egress?: VpcArgs["egress"]) {
  const vpc = new Vpc("app", { cidrBlock: "10.0.0.0/16", availabilityZones: ["a", "c"], egress });
  const [found] = await settle(pulumi.output({ vpcId: vpc.vpcId, public: vpc.public, private: vpc.private }));
  return found;
}
const made = (type: string) =>
  find(type)
    .map(({ name, inputs }) => ({ name, ...inputs }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
const tags = (Name: string) => ({ tags: { Name } });
const subnet = (id: string, availabilityZone: string, cidrBlock: string) => ({
  ...{ name: `app-${id}`, vpcId: "app-id", availabilityZone, cidrBlock, ...tags(`app-${id}`) },
});
const route = (kind: string, target: object) => ({
  ...{ name: `app-${kind}`, routeTableId: `app-${kind}-id`, destinationCidrBlock: "0.0.0.0/0", ...target },
});
const publicSubnets = [subnet("public-1", "a", "10.0.0.0/24"), subnet("public-2", "c", "10.0.1.0/24")];
const privateSubnets = [subnet("private-1", "a", "10.0.8.0/24"), subnet("private-2", "c", "10.0.9.0/24")];
const publicRoute = route("public", { gatewayId: "app-id" });
const layer = (kind: string) => ({
  routeTableId: `app-${kind}-id`,
  subnetIds: [`app-${kind}-1-id`, `app-${kind}-2-id`],
});

test("public subnets have the internet gateway's route, and nothing that costs", async () => {
  expect(await make()).toEqual({ vpcId: "app-id", public: layer("public") });
  expect(made("aws:ec2/vpc:Vpc")).toEqual([
    { name: "app", cidrBlock: "10.0.0.0/16", enableDnsHostnames: true, ...tags("app") },
  ]);
  expect(made("aws:ec2/internetGateway:InternetGateway")).toEqual([{ name: "app", vpcId: "app-id", ...tags("app") }]);
  expect(made("aws:ec2/subnet:Subnet")).toEqual(publicSubnets);
  expect(made("aws:ec2/routeTable:RouteTable")).toEqual([
    { name: "app-public", vpcId: "app-id", ...tags("app-public") },
  ]);
  expect(made("aws:ec2/route:Route")).toEqual([publicRoute]);
  expect([...made("aws:ec2/eip:Eip"), ...made("aws:ec2/natGateway:NatGateway")]).toEqual([]);
});

test("a subnet is known when its table has its routes", async () => {
  await make("nat");
  const associations = find("aws:ec2/routeTableAssociation:RouteTableAssociation");
  expect(associations.map(({ name, inputs, dependsOn }) => [name, inputs, dependsOn]).sort()).toEqual(
    ["private", "public"].flatMap((kind) =>
      [1, 2].map((zone) => [
        `app-${kind}-${zone}`,
        { routeTableId: `app-${kind}-id`, subnetId: `app-${kind}-${zone}-id` },
        expect.arrayContaining([`aws:ec2/route:Route app-${kind}`]),
      ]),
    ),
  );
});

test("private subnets share one NAT gateway, which is in a public one, and leave the public ones as they are", async () => {
  expect(await make("nat")).toMatchObject({ public: layer("public"), private: layer("private") });
  expect(made("aws:ec2/subnet:Subnet")).toEqual([...privateSubnets, ...publicSubnets]);
  expect(made("aws:ec2/eip:Eip")).toEqual([{ name: "app", ...tags("app") }]);
  const nat = { name: "app", subnetId: "app-public-1-id", allocationId: "app-allocation", ...tags("app") };
  expect(made("aws:ec2/natGateway:NatGateway")).toEqual([nat]);
  expect(made("aws:ec2/route:Route")).toEqual([route("private", { natGatewayId: "app-id" }), publicRoute]);
});

test("private subnets with endpoints have no way out", async () => {
  expect(await make("endpoints")).toMatchObject({ private: layer("private") });
  expect(made("aws:ec2/subnet:Subnet")).toEqual([...privateSubnets, ...publicSubnets]);
  expect(made("aws:ec2/route:Route")).toEqual([publicRoute]);
  expect(find("aws:ec2/natGateway:NatGateway")).toEqual([]);
});

test("each resource is a child of the component", async () => {
  await make("nat");
  const resources = all().filter(({ type }) => type.startsWith("aws:"));
  expect(resources).toHaveLength(16);
  for (const { type, name, parent } of resources) expect(parent, `${type} ${name}`).toBe("hono-app:index:Vpc app");
});

test("a VPC of any size has 16 blocks, all its own", () => {
  const networks = fc.record({ length: fc.integer({ min: 16, max: 20 }), part: fc.nat(15) });
  fc.assert(
    fc.property(networks, ({ length, part }) => {
      const first = `10.7.${(part * 2 ** (24 - length)) % 256}.0`;
      const vpc = new BlockList();
      vpc.addSubnet(first, length);
      const blocks = Array.from({ length: 16 }, (_, index) => subnetBlock(`${first}/${length}`, index));
      expect(new Set(blocks).size).toBe(16);
      for (const block of blocks) expect(vpc.check(block.replace(".0/24", ".255")), block).toBe(true);
    }),
  );
});

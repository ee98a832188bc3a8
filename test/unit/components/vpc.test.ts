import { BlockList } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { subnetBlock, Vpc, type VpcArgs } from "../../../components/vpc.ts";
import { all, find, mock, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

async function make(egress?: VpcArgs["egress"], availabilityZones = ["ap-northeast-2a", "ap-northeast-2c"]) {
  const vpc = new Vpc("app", { cidrBlock: "10.0.0.0/16", availabilityZones, egress });
  const [found] = await settle(pulumi.output({ vpcId: vpc.vpcId, public: vpc.public, private: vpc.private }));
  return found;
}
const made = (type: string) =>
  find(type)
    .map(({ name, inputs }) => ({ name, ...inputs }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
const tags = (Name: string) => ({ tags: { Name } });
const subnet = (id: string, availabilityZone: string, cidrBlock: string) => ({
  name: `app-${id}`,
  vpcId: "app-id",
  availabilityZone,
  cidrBlock,
  ...tags(`app-${id}`),
});
const route = (kind: string, target: object) => ({
  name: `app-${kind}`,
  routeTableId: `app-${kind}-id`,
  destinationCidrBlock: "0.0.0.0/0",
  ...target,
});
const publicSubnets = [
  subnet("public-a", "ap-northeast-2a", "10.0.0.0/24"),
  subnet("public-c", "ap-northeast-2c", "10.0.2.0/24"),
];
const privateSubnets = [
  subnet("private-a", "ap-northeast-2a", "10.0.8.0/24"),
  subnet("private-c", "ap-northeast-2c", "10.0.10.0/24"),
];
const publicRoute = route("public", { gatewayId: "app-id" });
const layer = (kind: string) => ({
  routeTableId: `app-${kind}-id`,
  subnetIds: [`app-${kind}-a-id`, `app-${kind}-c-id`],
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
      ["a", "c"].map((zone) => [
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
  expect(made("aws:ec2/eip:Eip")).toEqual([{ name: "app-a", ...tags("app-a") }]);
  const own = { subnetId: "app-public-a-id", allocationId: "app-a-allocation" };
  const nat = { name: "app-a", ...own, ...tags("app-a") };
  expect(made("aws:ec2/natGateway:NatGateway")).toEqual([nat]);
  expect(made("aws:ec2/route:Route")).toEqual([route("private", { natGatewayId: "app-a-id" }), publicRoute]);
});

test("private subnets with endpoints have no way out", async () => {
  expect(await make("endpoints")).toMatchObject({ private: layer("private") });
  expect(made("aws:ec2/subnet:Subnet")).toEqual([...privateSubnets, ...publicSubnets]);
  expect(made("aws:ec2/route:Route")).toEqual([publicRoute]);
  expect(find("aws:ec2/natGateway:NatGateway")).toEqual([]);
});

test("in other zones no new subnet has the block of one that is still there, and what stays is as it was", async () => {
  const subnets = () => find("aws:ec2/subnet:Subnet");
  await make("nat", ["us-east-1a", "us-east-1c"]);
  const before = [...subnets()];
  await mock();
  await make("nat", ["us-east-1d", "us-east-1c", "us-east-1h"]);
  expect(subnets()).toHaveLength(6);
  const stay = subnets().filter(({ name }) => before.some((each) => each.name === name));
  expect(stay.map(({ name }) => name).sort()).toEqual(["app-private-c", "app-public-c"]);
  for (const { name, inputs } of stay) expect(before.find((each) => each.name === name)?.inputs).toEqual(inputs);
  const blocks = [...before, ...subnets().filter((each) => !stay.includes(each))].map(({ inputs }) => inputs.cidrBlock);
  expect(new Set(blocks).size).toBe(8);
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

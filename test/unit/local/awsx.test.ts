import type { VpcArgs } from "@pulumi/awsx/ec2/vpc.js";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, test } from "vitest";
import { subnetBlocks } from "../../../local/providers/awsx/cidr.ts";
import { checkArgs, Vpc } from "../../../local/providers/awsx/vpc.ts";

interface Child {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}
let children: Child[] = [];

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs }) => {
      if (!type.startsWith("awsx:")) children.push({ type: type.replace(/.*:/, ""), name, inputs });
      return { id: `${name}-id`, state: { ...inputs, allocationId: `${name}-allocation` } };
    },
    call: ({ inputs }) => inputs,
  });
});

const zones = ["ap-northeast-2a", "ap-northeast-2c"];
const subnet = (type: "Public" | "Private" | "Isolated") => ({ type, cidrMask: 24 });
const args = (strategy: "None" | "Single" | "OnePerAz", ...types: Parameters<typeof subnet>[0][]): VpcArgs => ({
  ...{ cidrBlock: "10.0.0.0/16", availabilityZoneNames: zones, natGateways: { strategy }, subnetStrategy: "Auto" },
  ...{ subnetSpecs: types.map(subnet), enableDnsHostnames: true, tags: { app: "hono" } },
});

/** Those of a type, each as awsx was recorded to make it. */
async function made(given: VpcArgs) {
  children = [];
  checkArgs(given);
  const vpc = new Vpc("app", given, {});
  const state = await new Promise<Record<string, unknown>>((resolve) => pulumi.output(vpc.state).apply(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const of = (type: string) =>
    children.filter((child) => child.type === type).map(({ name, inputs }) => ({ name, ...inputs }));
  return { of, state };
}

const route = { destinationCidrBlock: "0.0.0.0/0" };
const publicRoutes = [1, 2].map((zone) => ({
  ...{ ...route, name: `app-public-${zone}`, routeTableId: `app-public-${zone}-id`, gatewayId: "app-id" },
}));
const privateRoute = (zone: number, nat: number) => ({
  ...{ ...route, name: `app-private-${zone}`, routeTableId: `app-private-${zone}-id`, natGatewayId: `app-${nat}-id` },
});
const named = (name: string) => ({ name, tags: { Name: name, app: "hono" } });
const nat = (zone: number) => ({
  ...named(`app-${zone}`),
  subnetId: `app-public-${zone}-id`,
  allocationId: `app-${zone}-allocation`,
});
const subnetOf = (kind: string, zone: number, cidrBlock: string) => ({
  ...{ name: `app-${kind.toLowerCase()}-${zone}`, vpcId: "app-id", availabilityZone: zones[zone - 1], cidrBlock },
  ...{ mapPublicIpOnLaunch: kind === "Public", assignIpv6AddressOnCreation: false },
  tags: { Name: `app-${kind.toLowerCase()}-${zone}`, SubnetType: kind, app: "hono" },
});
const publicSubnets = [subnetOf("Public", 1, "10.0.0.0/24"), subnetOf("Public", 2, "10.0.128.0/24")];

test("public subnets alone have the internet gateway's routes, and nothing that costs", async () => {
  const { of, state } = await made(args("None", "Public"));
  expect(of("Vpc")).toEqual([{ ...named("app"), cidrBlock: "10.0.0.0/16", enableDnsHostnames: true }]);
  expect(of("InternetGateway")).toEqual([{ ...named("app"), vpcId: "app-id" }]);
  expect(of("Subnet")).toEqual(publicSubnets);
  expect(of("Route")).toEqual(publicRoutes);
  expect([...of("Eip"), ...of("NatGateway")]).toEqual([]);
  expect(state).toMatchObject({ publicSubnetIds: ["app-public-1-id", "app-public-2-id"], privateSubnetIds: [] });
});

test("private subnets share one NAT gateway, and leave the public ones as they are", async () => {
  const { of, state } = await made(args("Single", "Public", "Private"));
  const [first, second] = publicSubnets;
  expect(of("Subnet")).toEqual([
    first,
    subnetOf("Private", 1, "10.0.1.0/24"),
    second,
    subnetOf("Private", 2, "10.0.129.0/24"),
  ]);
  expect(of("Eip")).toEqual([named("app-1")]);
  expect(of("NatGateway")).toEqual([nat(1)]);
  expect(of("Route")).toEqual(expect.arrayContaining([...publicRoutes, privateRoute(1, 1), privateRoute(2, 1)]));
  expect(of("Route")).toHaveLength(4);
  expect(of("RouteTable")).toHaveLength(4);
  expect(of("RouteTableAssociation")).toContainEqual({
    ...{ name: "app-private-2", routeTableId: "app-private-2-id", subnetId: "app-private-2-id" },
  });
  expect(state).toMatchObject({
    publicSubnetIds: ["app-public-1-id", "app-public-2-id"],
    privateSubnetIds: ["app-private-1-id", "app-private-2-id"],
    isolatedSubnetIds: [],
  });
});

test("private subnets without a NAT gateway are the same, but for their route", async () => {
  const { of, state } = await made(args("None", "Public", "Private"));
  expect(of("Subnet")).toContainEqual(subnetOf("Private", 2, "10.0.129.0/24"));
  expect(of("RouteTable")).toHaveLength(4);
  expect(of("Route")).toEqual(publicRoutes);
  expect(state).toMatchObject({ privateSubnetIds: ["app-private-1-id", "app-private-2-id"] });
});

test.each([
  ["an unknown argument", { ...args("None", "Public"), cidrblock: "x" }, "unknown argument cidrblock"],
  ["another order", args("Single", "Private", "Public"), 'not "Private, Public"'],
  ["a NAT gateway that nothing uses", args("Single", "Public"), 'not for "Public"'],
  ["a NAT gateway in each zone", args("OnePerAz", "Public", "Private"), "natGateways strategy"],
  ["isolated subnets", args("None", "Public", "Isolated"), 'not "Public, Isolated"'],
  [
    "addresses of one's own",
    { ...args("Single", "Public", "Private"), natGateways: { strategy: "Single", elasticIpAllocationIds: ["x"] } },
    "natGateways strategy",
  ],
  [
    "masks that differ",
    { ...args("Single", "Public", "Private"), subnetSpecs: [subnet("Public"), { type: "Private", cidrMask: 20 }] },
    "one cidrMask",
  ],
])("%s is refused", (_, given, message) => {
  expect(() => checkArgs(given as VpcArgs)).toThrow(message);
});

describe("awsx's automatic subnets", () => {
  it("start where each zone's even part of the block starts", () => {
    expect(subnetBlocks("10.0.0.0/16", 2, 24)).toEqual([["10.0.0.0/24"], ["10.0.128.0/24"]]);
    expect(subnetBlocks("10.9.0.0/16", 3, 20)).toEqual([["10.9.0.0/20"], ["10.9.64.0/20"], ["10.9.128.0/20"]]);
    expect(subnetBlocks("192.168.4.0/24", 1, 24)).toEqual([["192.168.4.0/24"]]);
  });

  it("follow one another in their zone", () => {
    expect(subnetBlocks("10.1.0.0/22", 2, 24, 2)).toEqual([
      ["10.1.0.0/24", "10.1.1.0/24"],
      ["10.1.2.0/24", "10.1.3.0/24"],
    ]);
  });

  it("refuse to be larger than their part", () => {
    expect(() => subnetBlocks("10.0.0.0/16", 2, 16)).toThrow("/17");
    expect(() => subnetBlocks("10.0.0.0/23", 2, 24, 2)).toThrow("/25");
  });
});

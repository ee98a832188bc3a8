import type * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";
import { Network } from "../../../components/network.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

const args = {
  cidrBlock: "10.0.0.0/16",
  availabilityZones: ["a", "c"],
  port: 8080,
  allowedCidrs: ["203.0.113.0/24", "198.51.100.7/32"],
};

async function network() {
  const made = new Network("app", args);
  await settle(made.vpcId, made.securityGroupId, made.subnetIds.graviton, made.subnetIds.intel);
  return made;
}

test("a VPC in the given zones, with public subnets and no NAT gateway", async () => {
  await network();
  expect(only("awsx:ec2:Vpc").inputs).toMatchObject({
    cidrBlock: "10.0.0.0/16",
    availabilityZoneNames: ["a", "c"],
    natGateways: { strategy: "None" },
    subnetSpecs: [{ type: "Public", cidrMask: 24 }],
  });
});

test("in: the app's port from the given blocks, and nothing else", async () => {
  await network();
  const rules = find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").map(({ inputs }) => inputs);
  expect(rules.map(({ cidrIpv4, ipProtocol, fromPort, toPort }) => [cidrIpv4, ipProtocol, fromPort, toPort])).toEqual([
    ["203.0.113.0/24", "tcp", 8080, 8080],
    ["198.51.100.7/32", "tcp", 8080, 8080],
  ]);
});

test("out: HTTPS, and nothing else", async () => {
  await network();
  const { inputs } = only("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule");
  expect([inputs.cidrIpv4, inputs.ipProtocol, inputs.fromPort, inputs.toPort]).toEqual(["0.0.0.0/0", "tcp", 443, 443]);
});

test("the VPC's default group is closed", async () => {
  await network();
  const { inputs } = only("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup");
  expect(inputs.vpcId).toBe("vpc-1");
  expect([inputs.ingress, inputs.egress]).toEqual([undefined, undefined]);
});

test("each machine has a subnet of its own", async () => {
  const { subnetIds } = await network();
  const value = <T>(output: pulumi.Output<T>) => new Promise<T>((resolve) => output.apply(resolve));
  expect([await value(subnetIds.graviton), await value(subnetIds.intel)]).toEqual(["subnet-1", "subnet-2"]);
});

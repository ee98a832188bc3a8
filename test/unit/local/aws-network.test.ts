import { EC2Client } from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { resources, type Token } from "../../../local/providers/aws/rows.ts";
import { answering, awsError } from "../../support/sdk.ts";

test.each<[Token, string[]]>([
  ["aws:ec2/eip:Eip", ["address", "domain", "ipamPoolId", "networkBorderGroup", "publicIpv4Pool"]],
  ["aws:ec2/vpcEndpoint:VpcEndpoint", ["serviceName", "vpcEndpointType", "vpcId"]],
  ["aws:ec2/launchTemplate:LaunchTemplate", ["name"]],
  ["aws:lb/loadBalancer:LoadBalancer", ["internal", "loadBalancerType", "name"]],
  ["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", ["securityGroupId"]],
])("%s is replaced for these inputs alone", (token, inputs) => {
  const { inputs: known } = resources[token];
  const replacing = Object.keys(known).filter((path) => known[path]?.includes("replace"));
  expect(replacing.sort()).toEqual(inputs);
});

test("a NAT gateway is awaited, and one that has failed says why", async () => {
  const NatGatewayId = "nat-1";
  const failed = { FailureCode: "Gateway.NotAttached", FailureMessage: "no Internet gateway" };
  const states = [
    { NatGatewayId, State: "pending" },
    { NatGatewayId, State: "failed", ...failed },
  ];
  answering([EC2Client], (action) =>
    action === "CreateNatGateway" ? { NatGateway: { NatGatewayId } } : { NatGateways: states.splice(0, 1) },
  );
  const made = resources["aws:ec2/natGateway:NatGateway"].create({ subnetId: "subnet-1", allocationId: "eipalloc-1" });
  await expect(made).rejects.toMatchObject({ name: "Gateway.NotAttached", message: "no Internet gateway" });
  expect(states).toEqual([]);
});

test("what is made is kept where the rest of its creation fails", async () => {
  answering([EC2Client], (action) => {
    if (action === "AttachInternetGateway") throw awsError("InvalidParameterValue");
    return { InternetGateway: { InternetGatewayId: "igw-1" } };
  });
  const made = resources["aws:ec2/internetGateway:InternetGateway"].create({ vpcId: "vpc-1" });
  await expect(made).rejects.toMatchObject({ name: "InvalidParameterValue", id: "igw-1" });
});

test("the order of a load balancer's subnets means nothing", () => {
  expect(resources["aws:lb/loadBalancer:LoadBalancer"].inputs.subnets).toContain("set");
});

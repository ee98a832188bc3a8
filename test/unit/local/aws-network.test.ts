import type { EC2 } from "@aws-sdk/client-ec2";
import { beforeAll, beforeEach, expect, test, vi } from "vitest";
import { ec2 } from "../../../local/providers/aws/clients.ts";
import { resources } from "../../../local/providers/aws/resources.ts";
import type { Token } from "../../../local/providers/aws/rows.ts";
import { pages } from "../../support/sdk.ts";

let api: EC2;
beforeAll(async () => {
  api = await ec2();
});
beforeEach(() => vi.stubEnv("AWS_REGION", "ap-northeast-2"));

test.each<[Token, string[]]>([
  ["aws:ec2/eip:Eip", ["address", "domain", "ipamPoolId", "networkBorderGroup", "publicIpv4Pool"]],
  ["aws:ec2/natGateway:NatGateway", ["allocationId", "connectivityType", "subnetId"]],
  ["aws:ec2/vpcEndpoint:VpcEndpoint", ["serviceName", "vpcEndpointType", "vpcId"]],
  ["aws:ec2/launchTemplate:LaunchTemplate", ["name"]],
  ["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", ["securityGroupId"]],
])("%s is replaced for these inputs alone", (token, inputs) => {
  const { inputs: known } = resources[token];
  const replacing = Object.keys(known).filter((path) => known[path]?.includes("replace"));
  expect(replacing.sort()).toEqual(inputs);
});

test("an endpoint's update says what to add and what to remove", async () => {
  const modify = vi.spyOn(api, "modifyVpcEndpoint").mockImplementation(() => ({}));
  const endpoint = resources["aws:ec2/vpcEndpoint:VpcEndpoint"];
  const before = { subnetIds: ["subnet-1", "subnet-2"], securityGroupIds: ["sg-1"], routeTableIds: [], policy: "{}" };
  const inputs = { subnetIds: ["subnet-2", "subnet-3"], securityGroupIds: ["sg-1"], privateDnsEnabled: false };
  await endpoint.update?.("vpce-1", inputs, ["subnetIds", "privateDnsEnabled", "policy"], before);
  expect(modify).toHaveBeenCalledExactlyOnceWith({
    VpcEndpointId: "vpce-1",
    ResetPolicy: true,
    PrivateDnsEnabled: false,
    AddSubnetIds: ["subnet-3"],
    RemoveSubnetIds: ["subnet-1"],
    AddSecurityGroupIds: [],
    RemoveSecurityGroupIds: [],
    AddRouteTableIds: [],
    RemoveRouteTableIds: [],
  });
});

test("a NAT gateway is awaited, and one that has failed says why", async () => {
  const NatGatewayId = "nat-1";
  vi.spyOn(api, "createNatGateway").mockImplementation(() => ({ NatGateway: { NatGatewayId } }));
  const failed = {
    NatGatewayId,
    State: "failed" as const,
    FailureCode: "Gateway.NotAttached",
    FailureMessage: "no Internet gateway",
  };
  const states = [{ NatGatewayId, State: "pending" as const }, failed];
  vi.spyOn(api, "paginateDescribeNatGateways").mockImplementation(() =>
    pages({ NatGateways: states.splice(0, 1), $metadata: {} }),
  );
  const made = resources["aws:ec2/natGateway:NatGateway"].create({ subnetId: "subnet-1", allocationId: "eipalloc-1" });
  await expect(made).rejects.toMatchObject({ name: "Gateway.NotAttached", message: "no Internet gateway" });
  expect(states).toEqual([]);
});

test.each(["Ingress", "Egress"] as const)("a rule of %s names a group in each call", async (direction) => {
  const authorize = vi
    .spyOn(api, `authorizeSecurityGroup${direction}`)
    .mockImplementation(() => ({ SecurityGroupRules: [{ SecurityGroupRuleId: "sgr-1" }] }));
  const modify = vi.spyOn(api, "modifySecurityGroupRules").mockImplementation(() => ({}));
  const rule = resources[`aws:vpc/securityGroup${direction}Rule:SecurityGroup${direction}Rule` as Token];
  const inputs = { securityGroupId: "sg-1", description: "The app", ipProtocol: "tcp", fromPort: 80, toPort: 80 };
  expect(await rule.create({ ...inputs, referencedSecurityGroupId: "sg-2" })).toBe("sgr-1");
  const permission = { IpProtocol: "tcp", FromPort: 80, ToPort: 80 };
  const UserIdGroupPairs = [{ GroupId: "sg-2", Description: "The app" }];
  expect(authorize).toHaveBeenCalledExactlyOnceWith({
    GroupId: "sg-1",
    IpPermissions: [{ ...permission, UserIdGroupPairs }],
  });
  await rule.update?.("sgr-1", { ...inputs, referencedSecurityGroupId: "sg-3" }, ["referencedSecurityGroupId"], {});
  const SecurityGroupRule = { ...permission, Description: "The app", ReferencedGroupId: "sg-3" };
  expect(modify).toHaveBeenCalledExactlyOnceWith({
    GroupId: "sg-1",
    SecurityGroupRules: [{ SecurityGroupRuleId: "sgr-1", SecurityGroupRule }],
  });
});

test("routes that AWS makes with a table or an endpoint are not the program's", async () => {
  const Routes = [
    { DestinationCidrBlock: "10.0.0.0/16", GatewayId: "local" },
    { DestinationPrefixListId: "pl-1", GatewayId: "vpce-1" },
    { DestinationCidrBlock: "0.0.0.0/0", NatGatewayId: "nat-1" },
  ];
  vi.spyOn(api, "paginateDescribeRouteTables").mockImplementation(() =>
    pages({ RouteTables: [{ RouteTableId: "rtb-1", Routes }], $metadata: {} }),
  );
  const listed = await resources["aws:ec2/route:Route"].list();
  expect(listed.map(({ owner, item }) => [owner, item.natGatewayId])).toEqual([["rtb-1", "nat-1"]]);
});

test("a launch template's update is all of it in a new version, and the default one where that is asked for", async () => {
  const version = vi.spyOn(api, "createLaunchTemplateVersion").mockImplementation(() => ({}));
  const modify = vi.spyOn(api, "modifyLaunchTemplate").mockImplementation(() => ({}));
  vi.spyOn(api, "describeLaunchTemplates").mockImplementation(() => ({
    LaunchTemplates: [{ LatestVersionNumber: 7 }],
  }));
  const template = resources["aws:ec2/launchTemplate:LaunchTemplate"];
  const inputs = {
    ...{ name: "app", description: "second", imageId: "ami-1", ebsOptimized: "true", userData: "IyEK" },
    iamInstanceProfile: { name: "app" },
    networkInterfaces: [{ associatePublicIpAddress: "false", securityGroups: ["sg-1"] }],
    tagSpecifications: [{ resourceType: "volume", tags: { Name: "app" } }],
    updateDefaultVersion: true,
  };
  await template.update?.("lt-1", inputs, ["userData"], {});
  expect(version).toHaveBeenCalledExactlyOnceWith({
    LaunchTemplateId: "lt-1",
    VersionDescription: "second",
    LaunchTemplateData: {
      ...{ ImageId: "ami-1", EbsOptimized: true, UserData: "IyEK", IamInstanceProfile: { Name: "app" } },
      NetworkInterfaces: [{ AssociatePublicIpAddress: false, Groups: ["sg-1"] }],
      TagSpecifications: [{ ResourceType: "volume", Tags: [{ Key: "Name", Value: "app" }] }],
    },
  });
  expect(modify).toHaveBeenCalledExactlyOnceWith({ LaunchTemplateId: "lt-1", DefaultVersion: "7" });
  await template.update?.("lt-1", inputs, ["updateDefaultVersion"], {});
  expect(version).toHaveBeenCalledTimes(1);
  expect(modify).toHaveBeenCalledTimes(2);
  await template.update?.("lt-1", { ...inputs, updateDefaultVersion: false }, ["userData"], {});
  expect(version).toHaveBeenCalledTimes(2);
  expect(modify).toHaveBeenCalledTimes(2);
});

test("a launch template is read with the provider's names and texts, from its latest version", async () => {
  const listed = {
    LaunchTemplateId: "lt-1",
    LaunchTemplateName: "app",
    LatestVersionNumber: 2,
    DefaultVersionNumber: 1,
  };
  vi.spyOn(api, "paginateDescribeLaunchTemplates").mockImplementation(() =>
    pages({ LaunchTemplates: [{ ...listed, Tags: [{ Key: "app", Value: "hono" }] }], $metadata: {} }),
  );
  const versions = vi.spyOn(api, "describeLaunchTemplateVersions").mockImplementation(() => ({
    LaunchTemplateVersions: [
      {
        VersionDescription: "second",
        LaunchTemplateData: {
          ImageId: "ami-1",
          EbsOptimized: true,
          SecurityGroupIds: ["sg-1"],
          NetworkInterfaces: [{ AssociatePublicIpAddress: false, Groups: ["sg-2"] }],
          BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { Encrypted: true, VolumeSize: 8 } }],
          TagSpecifications: [{ ResourceType: "volume" as const, Tags: [{ Key: "Name", Value: "app" }] }],
        },
      },
    ],
  }));
  expect(await resources["aws:ec2/launchTemplate:LaunchTemplate"].read("lt-1", {})).toMatchObject({
    ...{ name: "app", description: "second", imageId: "ami-1", ebsOptimized: "true", vpcSecurityGroupIds: ["sg-1"] },
    networkInterfaces: [{ associatePublicIpAddress: "false", securityGroups: ["sg-2"] }],
    blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: { encrypted: "true", volumeSize: 8 } }],
    tagSpecifications: [{ resourceType: "volume", tags: { Name: "app" } }],
    ...{ tags: { app: "hono" }, latestVersion: 2, defaultVersion: 1 },
  });
  expect(versions).toHaveBeenCalledExactlyOnceWith({ LaunchTemplateId: "lt-1", Versions: ["$Latest"] });
});

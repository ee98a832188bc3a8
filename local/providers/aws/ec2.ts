import { every } from "../../lists.ts";
import { ec2 } from "./clients.ts";
import { launchTemplateRow } from "./launch-template.ts";
import { addressPrice, endpointPrice, natGatewayPrice } from "./prices.ts";
import { orGone, refuse } from "./provider.ts";
import type { Row } from "./row.ts";
import { schemaOf, when } from "./schemas.ts";
import { capital, type Props } from "./values.ts";

// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html, and subnet-sizing.html beside it
const from16to28 = { properties: { CidrBlock: { pattern: "/(1[6-9]|2[0-8])$" } } };

const inVpc = "part of the VPC";
const attachment = ["attachInternetGateway", "detachInternetGateway"] as const;
const group = { id: "GroupId", tagType: "security-group", list: ["describeSecurityGroups", "SecurityGroups"] } as const;

/** A route has no id on AWS. */
const routeId = ({ routeTableId, destinationCidrBlock }: Props) => `r-${routeTableId}-${destinationCidrBlock}`;

const groups = async () => every(ec2().paginateDescribeSecurityGroups({}), (page) => page.SecurityGroups);

async function attributes({ vpcId: VpcId }: Props): Promise<Props> {
  const [hostnames, support] = await Promise.all([
    ec2().describeVpcAttribute({ VpcId, Attribute: "enableDnsHostnames" }),
    ec2().describeVpcAttribute({ VpcId, Attribute: "enableDnsSupport" }),
  ]);
  const [enableDnsHostnames, enableDnsSupport] = [hostnames.EnableDnsHostnames?.Value, support.EnableDnsSupport?.Value];
  return { enableDnsHostnames, enableDnsSupport };
}

/** AWS opens every way out of a new group; the real provider closes it, so that only declared rules hold. */
async function revokeAll(GroupId: string): Promise<void> {
  const { SecurityGroups: [group] = [] } = await ec2().describeSecurityGroups({ GroupIds: [GroupId] });
  const { IpPermissions = [], IpPermissionsEgress = [] } = group ?? {};
  if (IpPermissions.length > 0) await ec2().revokeSecurityGroupIngress({ GroupId, IpPermissions });
  if (IpPermissionsEgress.length > 0)
    await ec2().revokeSecurityGroupEgress({ GroupId, IpPermissions: IpPermissionsEgress });
}

async function emptyDefaultGroup(id: string, { ingress = [], egress = [] }: Props): Promise<void> {
  if (ingress.length + egress.length > 0) throw new Error("inline rules: only an empty default group is known here");
  await revokeAll(id);
}

/** AWS makes the group with the VPC: to create it is to find it and empty it. */
async function takeDefaultGroup(inputs: Props): Promise<string> {
  const { vpcId } = inputs;
  const id = (await groups()).find(({ VpcId, GroupName }) => VpcId === vpcId && GroupName === "default")?.GroupId;
  if (!id) refuse("InvalidGroup.NotFound", `The VPC '${vpcId}' has no default security group`);
  await emptyDefaultGroup(id, inputs);
  return id;
}

const inline = (permissions: Props[] = []) =>
  permissions.map(({ ipProtocol, fromPort = 0, toPort = 0, ipRanges, ipv6Ranges, userIdGroupPairs }) => ({
    protocol: ipProtocol,
    fromPort,
    toPort,
    cidrBlocks: ipRanges?.map(({ cidrIp }: Props) => cidrIp) ?? [],
    ipv6CidrBlocks: ipv6Ranges?.map(({ cidrIpv6 }: Props) => cidrIpv6) ?? [],
    securityGroups: userIdGroupPairs?.map(({ groupId }: Props) => groupId) ?? [],
  }));
const inlineRules = async ({ ipPermissions, ipPermissionsEgress }: Props) => ({
  securityGroupIngress: inline(ipPermissions),
  securityGroupEgress: inline(ipPermissionsEgress),
});

/** A request to make a rule gives it as a permission of its group. */
function permission({ securityGroupId, referencedSecurityGroupId: groupId, cidrIpv4: cidrIp, ...rest }: Props): Props {
  const { description } = rest;
  const source = groupId ? { userIdGroupPairs: { groupId, description } } : { ipRanges: { cidrIp, description } };
  return { groupId: securityGroupId, ipPermissions: { ...rest, ...source } };
}

/** Once made, a rule is an object with an id. */
function modifySecurityGroupRules(inputs: Props, securityGroupRuleId: string): Props {
  const { securityGroupId: groupId, referencedSecurityGroupId: referencedGroupId, cidrIpv4, ...rest } = inputs;
  const securityGroupRule = { ...rest, ...(referencedGroupId ? { referencedGroupId } : { cidrIpv4 }) };
  return { groupId, securityGroupRules: { securityGroupRuleId, securityGroupRule } };
}

// Of ICMP the ports are a type and a code. https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
const port = { minimum: 0, maximum: 65_535 };
const ports = when(
  { properties: { IpProtocol: { enum: ["tcp", "udp", "6", "17"] } } },
  { properties: { FromPort: { ...port, allOf: [{ maximum: { $data: "1/ToPort" } }] }, ToPort: port } },
);

const ofGroup = ({ securityGroupId: groupId }: Props) => ({ groupId });

/** A rule on its own, one way or the other. */
function rule(direction: "Ingress" | "Egress"): Row {
  const [authorize, revoke] = [`authorizeSecurityGroup${direction}`, `revokeSecurityGroup${direction}`] as const;
  const other = [`${direction === "Ingress" ? "Source" : "Destination"}SecurityGroupId`, "ReferencedGroupInfo.GroupId"];
  return {
    type: `AWS::EC2::SecurityGroup${direction}`,
    names: { securityGroupId: "GroupId", cidrIpv4: "CidrIp", referencedSecurityGroupId: other, tags: null },
    only: ["description", "fromPort", "ipProtocol", "toPort"],
    required: ["securityGroupId"],
    inPlace: ["cidrIpv4", "fromPort", "ipProtocol", "referencedSecurityGroupId", "toPort"],
    // As of a group's description; AWS's schema says it of that alone.
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
    rules: { properties: { Description: schemaOf("AWS::EC2::SecurityGroup").properties.GroupDescription }, ...ports },
    price: inVpc,
    keepsState: true,
    shows: ["ipProtocol", "fromPort"],
    id: "SecurityGroupRuleId",
    calls: { create: authorize, update: ["modifySecurityGroupRules"], delete: revoke },
    isOwn: ({ isEgress }) => isEgress === (direction === "Egress"),
    requests: { [authorize]: permission, [revoke]: ofGroup, modifySecurityGroupRules },
  };
}

/** Lists are changed by what to add and what to remove. */
function modifyVpcEndpoint(inputs: Props, _id: string, now: Props): Props {
  const changes = ["routeTableIds", "subnetIds", "securityGroupIds"].flatMap((list) => {
    const [wanted, there]: [string[], string[]] = [inputs[list] ?? [], now[list] ?? []];
    return [
      [`add${capital(list)}`, wanted.filter((each) => !there.includes(each))],
      [`remove${capital(list)}`, there.filter((each) => !wanted.includes(each))],
    ];
  });
  const policy = inputs.policy ? { policyDocument: inputs.policy } : { resetPolicy: true };
  return { ...policy, privateDnsEnabled: inputs.privateDnsEnabled, ...Object.fromEntries(changes) };
}

export const ec2Rows = {
  "aws:ec2/vpc:Vpc": {
    type: "AWS::EC2::VPC",
    replace: ["instanceTenancy"],
    rules: from16to28,
    price: "a VPC is free; addresses and gateways in it are not",
    calls: { create: "createVpc", update: ["modifyVpcAttribute"], delete: "deleteVpc" },
    absent: { enableDnsSupport: true, enableDnsHostnames: false },
    more: attributes,
  },
  "aws:ec2/internetGateway:InternetGateway": {
    type: "AWS::EC2::InternetGateway",
    // CloudFormation attaches it by a resource of its own.
    names: { vpcId: [null, "VpcId", "Attachments[].VpcId"] },
    price: "only what passes it is charged",
    calls: { create: "createInternetGateway", update: [attachment], delete: "deleteInternetGateway" },
    absent: { vpcId: "" },
  },
  "aws:ec2/subnet:Subnet": {
    type: "AWS::EC2::Subnet",
    without: ["ipv6CidrBlock"],
    rules: from16to28,
    defaults: { mapPublicIpOnLaunch: false },
    absent: { mapPublicIpOnLaunch: false },
    price: inVpc,
    calls: { create: "createSubnet", update: ["modifySubnetAttribute"], delete: "deleteSubnet" },
  },
  "aws:ec2/eip:Eip": {
    type: "AWS::EC2::EIP",
    without: ["instanceId", "transferAddress"],
    replace: ["domain", "publicIpv4Pool"],
    price: addressPrice,
    id: "AllocationId",
    tagType: "elastic-ip",
    list: ["describeAddresses", "Addresses"],
    calls: { create: "allocateAddress", delete: "releaseAddress" },
    // Of whatever a refresh has found it with, which may be deleted by now.
    deleting: async ({ associationId: AssociationId }) =>
      AssociationId && orGone(ec2().disassociateAddress({ AssociationId })),
    outputs: { allocationId: "AllocationId", associationId: "AssociationId", publicIp: "PublicIp" },
  },
  "aws:ec2/natGateway:NatGateway": {
    type: "AWS::EC2::NatGateway",
    names: { allocationId: ["AllocationId", "NatGatewayAddresses[].AllocationId"] },
    only: ["connectivityType", "subnetId", "tags"],
    required: ["subnetId"],
    price: natGatewayPrice,
    tagType: "natgateway",
    calls: { create: "createNatGateway", delete: "deleteNatGateway" },
    isOwn: ({ state }) => state !== "deleted",
    // Without an internet gateway it fails.
    isReady: ({ state, failureCode, failureMessage }) =>
      state === "available" || (state !== "pending" && refuse(failureCode, failureMessage)),
    outputs: { privateIp: "NatGatewayAddresses[].PrivateIp", publicIp: "NatGatewayAddresses[].PublicIp" },
  },
  "aws:ec2/routeTable:RouteTable": {
    type: "AWS::EC2::RouteTable",
    price: inVpc,
    calls: { create: "createRouteTable", delete: "deleteRouteTable" },
    // AWS makes the main table with the VPC.
    isOwn: ({ associations }) => !associations?.some(({ main }: Props) => main),
  },
  "aws:ec2/route:Route": {
    type: "AWS::EC2::Route",
    price: inVpc,
    partOf: "aws:ec2/routeTable:RouteTable",
    id: routeId,
    list: ["describeRouteTables", "RouteTables.Routes"],
    calls: { create: "createRoute", update: ["replaceRoute"], delete: "deleteRoute" },
    absent: { gatewayId: "", natGatewayId: "" },
    // AWS makes the VPC's own route with the table, and those to a list of prefixes with a gateway endpoint.
    isOwn: ({ gatewayId, destinationCidrBlock }) => gatewayId !== "local" && destinationCidrBlock !== undefined,
  },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": {
    type: "AWS::EC2::SubnetRouteTableAssociation",
    // Another table the real provider sets in place, and the id is then a new one, which the SDK's server cannot report. A subnet has one at a time.
    deleteBeforeReplace: ["routeTableId"],
    price: inVpc,
    partOf: "aws:ec2/routeTable:RouteTable",
    id: "RouteTableAssociationId",
    alsoId: "AssociationId",
    list: ["describeRouteTables", "RouteTables.Associations"],
    calls: { create: "associateRouteTable", delete: "disassociateRouteTable" },
    isOwn: ({ main }) => !main,
  },
  "aws:ec2/securityGroup:SecurityGroup": {
    type: "AWS::EC2::SecurityGroup",
    names: { name: "GroupName", description: ["GroupDescription", "Description"] },
    without: ["securityGroupEgress", "securityGroupIngress"],
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    rules: { properties: { GroupName: { maxLength: 255, not: { pattern: "^sg-" } } } },
    defaults: { description: "Managed by Pulumi" },
    price: inVpc,
    ...group,
    calls: { create: "createSecurityGroup", delete: "deleteSecurityGroup" },
    isOwn: ({ groupName }) => groupName !== "default",
    created: revokeAll,
  },
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {
    type: "AWS::EC2::SecurityGroup",
    names: { ingress: "SecurityGroupIngress", egress: "SecurityGroupEgress" },
    required: ["vpcId"],
    sets: ["ingress", "egress"],
    fixed: { GroupName: "default", GroupDescription: "default VPC security group" },
    price: inVpc,
    ...group,
    calls: { create: takeDefaultGroup, update: emptyDefaultGroup },
    isOwn: ({ groupName }) => groupName === "default",
    more: inlineRules,
  },
  "aws:ec2/vpcEndpoint:VpcEndpoint": {
    type: "AWS::EC2::VPCEndpoint",
    names: { policy: "PolicyDocument" },
    without: ["dnsOptions", "ipAddressType", "resourceConfigurationArn", "serviceNetworkArn", "serviceRegion"],
    required: ["serviceName"],
    sets: ["routeTableIds", "securityGroupIds", "subnetIds"],
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
    rules: {
      // It must name a principal, as a repository's must: https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
      properties: { PolicyDocument: { $ref: "E3513" } },
      ...when(
        { properties: { VpcEndpointType: { const: "Gateway" } } },
        { properties: { SecurityGroupIds: false, SubnetIds: false } },
        { properties: { RouteTableIds: false } },
      ),
    },
    price: endpointPrice,
    id: "VpcEndpointId",
    calls: { create: "createVpcEndpoint", update: ["modifyVpcEndpoint"], delete: "deleteVpcEndpoints" },
    requests: { modifyVpcEndpoint },
    more: async ({ groups: worn = [] }) => ({ securityGroupIds: worn.map(({ groupId }: Props) => groupId) }),
  },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule("Ingress"),
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": rule("Egress"),
  "aws:ec2/launchTemplate:LaunchTemplate": launchTemplateRow,
  "aws:ec2/flowLog:FlowLog": {
    type: "AWS::EC2::FlowLog",
    names: { vpcId: ["ResourceId", "ResourceIds"], iamRoleArn: "DeliverLogsPermissionArn" },
    fixed: { ResourceType: "VPC", LogDestinationType: "cloud-watch-logs" },
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
    rules: {
      properties: { MaxAggregationInterval: { enum: [60, 600] } },
      required: ["TrafficType", "DeliverLogsPermissionArn"],
    },
    price: "only what it writes is charged",
    id: "FlowLogId",
    tagType: "vpc-flow-log",
    calls: { create: "createFlowLogs", delete: "deleteFlowLogs" },
  },
} satisfies Record<string, Row>;

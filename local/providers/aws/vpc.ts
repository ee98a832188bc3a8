import { createHash } from "node:crypto";
import { ec2, every } from "./clients.ts";
import { liveInstances } from "./instance.ts";
import { orGone, type Resource, refuse } from "./provider.ts";
import { arn, fromTags, pick, retagEc2, tagged } from "./tags.ts";

// https://docs.aws.amazon.com/vpc/latest/userguide/vpc-cidr-blocks.html, and subnet-sizing.html beside it
const from16to28 = { pattern: "/(1[6-9]|2[0-8])$" };

const where = (Name: string, ...Values: string[]) => ({ Filters: [{ Name, Values }] });

async function groupsOf(vpcId: string) {
  const pages = (await ec2()).paginateDescribeSecurityGroups(where("vpc-id", vpcId));
  return every(pages, (page) => page.SecurityGroups);
}

const vpc: Resource = {
  noun: "EC2 VPC",
  cloudFormation: { type: "AWS::EC2::VPC", rules: { properties: { CidrBlock: from16to28 } } },
  inputs: {
    cidrBlock: ["required", "replace"],
    enableDnsHostnames: [],
    enableDnsSupport: [],
    tags: [],
  },
  async create(inputs) {
    const api = await ec2();
    const { Vpc } = await api.createVpc({ CidrBlock: inputs.cidrBlock, ...tagged("vpc", inputs.tags) });
    const id = Vpc?.VpcId ?? "";
    await this.update?.(id, inputs, ["enableDnsHostnames", "enableDnsSupport"], {});
    return id;
  },
  async read(id) {
    const api = await ec2();
    const live = (await orGone(api.describeVpcs({ VpcIds: [id] }), "InvalidVpcID.NotFound"))?.Vpcs?.[0];
    if (!live) return undefined;
    const [hostnames, support, groups] = await Promise.all([
      api.describeVpcAttribute({ VpcId: id, Attribute: "enableDnsHostnames" }),
      api.describeVpcAttribute({ VpcId: id, Attribute: "enableDnsSupport" }),
      groupsOf(id),
    ]);
    return {
      ...pick(live, "CidrBlock", "InstanceTenancy", "DhcpOptionsId", "OwnerId"),
      enableDnsHostnames: hostnames.EnableDnsHostnames?.Value,
      enableDnsSupport: support.EnableDnsSupport?.Value,
      arn: arn("ec2", live.OwnerId, `vpc/${id}`),
      defaultSecurityGroupId: groups.find((group) => group.GroupName === "default")?.GroupId,
      tags: fromTags(live.Tags),
    };
  },
  async update(id, inputs, changed) {
    const api = await ec2();
    const { enableDnsSupport = true, enableDnsHostnames = false } = inputs;
    // One attribute per call, as AWS has it; support first, for host names need it.
    if (changed.includes("enableDnsSupport")) {
      await api.modifyVpcAttribute({ VpcId: id, EnableDnsSupport: { Value: enableDnsSupport } });
    }
    if (changed.includes("enableDnsHostnames")) {
      await api.modifyVpcAttribute({ VpcId: id, EnableDnsHostnames: { Value: enableDnsHostnames } });
    }
  },
  retag: retagEc2,
  async delete(id) {
    const api = await ec2();
    const attached = api.paginateDescribeInternetGateways(where("attachment.vpc-id", id));
    const gateways = await every(attached, (page) => page.InternetGateways);
    const others = (await groupsOf(id)).filter((group) => group.GroupName !== "default");
    if (gateways.length + others.length > 0) {
      refuse("DependencyViolation", `The vpc '${id}' has dependencies and cannot be deleted.`);
    }
    await orGone(api.deleteVpc({ VpcId: id }), "InvalidVpcID.NotFound");
  },
};

const internetGateway: Resource = {
  noun: "EC2 Internet Gateway",
  // Attached by a resource of its own there.
  cloudFormation: { type: "AWS::EC2::InternetGateway", names: { vpcId: null } },
  inputs: { vpcId: [], tags: [] },
  async create(inputs) {
    const api = await ec2();
    const { InternetGateway } = await api.createInternetGateway(tagged("internet-gateway", inputs.tags));
    const id = InternetGateway?.InternetGatewayId ?? "";
    if (inputs.vpcId) await api.attachInternetGateway({ InternetGatewayId: id, VpcId: inputs.vpcId });
    return id;
  },
  async read(id) {
    const call = (await ec2()).describeInternetGateways({ InternetGatewayIds: [id] });
    const live = (await orGone(call, "InvalidInternetGatewayID.NotFound"))?.InternetGateways?.[0];
    return (
      live && {
        vpcId: live.Attachments?.[0]?.VpcId ?? "",
        ownerId: live.OwnerId,
        arn: arn("ec2", live.OwnerId, `internet-gateway/${id}`),
        tags: fromTags(live.Tags),
      }
    );
  },
  async update(id, { vpcId }, _changed, olds) {
    await detach(id, olds.vpcId);
    if (vpcId) await (await ec2()).attachInternetGateway({ InternetGatewayId: id, VpcId: vpcId });
  },
  retag: retagEc2,
  async delete(id, { vpcId }) {
    await detach(id, vpcId);
    const call = (await ec2()).deleteInternetGateway({ InternetGatewayId: id });
    await orGone(call, "InvalidInternetGatewayID.NotFound");
  },
};

async function detach(id: string, vpcId?: string) {
  if (!vpcId) return;
  if ((await liveInstances()).some((instance) => instance.VpcId === vpcId && instance.PublicIpAddress)) {
    refuse(
      "DependencyViolation",
      `Network ${vpcId} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
    );
  }
  const call = (await ec2()).detachInternetGateway({ InternetGatewayId: id, VpcId: vpcId });
  await orGone(call, "Gateway.NotAttached", "InvalidInternetGatewayID.NotFound");
}

const subnet: Resource = {
  noun: "EC2 Subnet",
  cloudFormation: { type: "AWS::EC2::Subnet", rules: { properties: { CidrBlock: from16to28 } } },
  inputs: {
    vpcId: ["required", "replace"],
    cidrBlock: ["replace"],
    availabilityZone: ["replace"],
    mapPublicIpOnLaunch: [],
    assignIpv6AddressOnCreation: [],
    tags: [],
  },
  async create(inputs) {
    const { Subnet } = await (await ec2()).createSubnet({
      VpcId: inputs.vpcId,
      CidrBlock: inputs.cidrBlock,
      AvailabilityZone: inputs.availabilityZone,
      ...tagged("subnet", inputs.tags),
    });
    const id = Subnet?.SubnetId ?? "";
    await this.update?.(id, inputs, ["mapPublicIpOnLaunch", "assignIpv6AddressOnCreation"], {});
    return id;
  },
  async read(id) {
    const call = (await ec2()).describeSubnets({ SubnetIds: [id] });
    const live = (await orGone(call, "InvalidSubnetID.NotFound"))?.Subnets?.[0];
    return (
      live && {
        ...pick(live, "VpcId", "CidrBlock", "AvailabilityZone", "AvailabilityZoneId", "OwnerId"),
        ...pick(live, "MapPublicIpOnLaunch", "AssignIpv6AddressOnCreation"),
        arn: arn("ec2", live.OwnerId, `subnet/${id}`),
        tags: fromTags(live.Tags),
      }
    );
  },
  async update(id, inputs, changed) {
    const api = await ec2();
    const { mapPublicIpOnLaunch = false, assignIpv6AddressOnCreation = false } = inputs;
    if (changed.includes("mapPublicIpOnLaunch")) {
      await api.modifySubnetAttribute({ SubnetId: id, MapPublicIpOnLaunch: { Value: mapPublicIpOnLaunch } });
    }
    if (changed.includes("assignIpv6AddressOnCreation")) {
      await api.modifySubnetAttribute({
        SubnetId: id,
        AssignIpv6AddressOnCreation: { Value: assignIpv6AddressOnCreation },
      });
    }
  },
  retag: retagEc2,
  async delete(id) {
    if ((await liveInstances()).some((instance) => instance.SubnetId === id)) {
      refuse("DependencyViolation", `The subnet '${id}' has dependencies and cannot be deleted.`);
    }
    await orGone((await ec2()).deleteSubnet({ SubnetId: id }), "InvalidSubnetID.NotFound");
  },
};

async function routeTableOf(id: string) {
  const call = (await ec2()).describeRouteTables({ RouteTableIds: [id] });
  return (await orGone(call, "InvalidRouteTableID.NotFound"))?.RouteTables?.[0];
}

const routeTable: Resource = {
  noun: "EC2 Route Table",
  cloudFormation: { type: "AWS::EC2::RouteTable" },
  inputs: { vpcId: ["required", "replace"], tags: [] },
  async create(inputs) {
    const spec = tagged("route-table", inputs.tags);
    const { RouteTable } = await (await ec2()).createRouteTable({ VpcId: inputs.vpcId, ...spec });
    return RouteTable?.RouteTableId ?? "";
  },
  async read(id) {
    const live = await routeTableOf(id);
    return (
      live && {
        ...pick(live, "VpcId", "OwnerId"),
        arn: arn("ec2", live.OwnerId, `route-table/${id}`),
        tags: fromTags(live.Tags),
      }
    );
  },
  retag: retagEc2,
  delete: async (id) => orGone((await ec2()).deleteRouteTable({ RouteTableId: id }), "InvalidRouteTableID.NotFound"),
};

const route: Resource = {
  noun: "EC2 Route",
  cloudFormation: { type: "AWS::EC2::Route" },
  inputs: {
    routeTableId: ["required", "replace"],
    destinationCidrBlock: ["required", "replace"],
    gatewayId: ["required"],
  },
  async create({ routeTableId: RouteTableId, destinationCidrBlock: DestinationCidrBlock, gatewayId: GatewayId }) {
    await (await ec2()).createRoute({ RouteTableId, DestinationCidrBlock, GatewayId });
    return `r-${RouteTableId}${createHash("sha256").update(DestinationCidrBlock).digest().readUInt32BE()}`;
  },
  async read(_id, { routeTableId, destinationCidrBlock }) {
    const table = await routeTableOf(routeTableId);
    const live = table?.Routes?.find((item) => item.DestinationCidrBlock === destinationCidrBlock);
    return (
      live && { routeTableId, gatewayId: "", ...pick(live, "DestinationCidrBlock", "GatewayId", "Origin", "State") }
    );
  },
  async update(_id, { routeTableId: RouteTableId, destinationCidrBlock: DestinationCidrBlock, gatewayId: GatewayId }) {
    await (await ec2()).replaceRoute({ RouteTableId, DestinationCidrBlock, GatewayId });
  },
  async delete(_id, { routeTableId: RouteTableId, destinationCidrBlock: DestinationCidrBlock }) {
    const call = (await ec2()).deleteRoute({ RouteTableId, DestinationCidrBlock });
    await orGone(call, "InvalidRoute.NotFound", "InvalidRouteTableID.NotFound");
  },
};

const routeTableAssociation: Resource = {
  noun: "EC2 Route Table Association",
  cloudFormation: { type: "AWS::EC2::SubnetRouteTableAssociation" },
  // The real provider moves an association in place and gives it a new id, which the SDK's server cannot report.
  inputs: { routeTableId: ["required", "replace"], subnetId: ["required", "replace"] },
  // A subnet takes one route table at a time.
  deleteBeforeReplace: true,
  async create({ routeTableId, subnetId }) {
    const associated = await (await ec2()).associateRouteTable({ RouteTableId: routeTableId, SubnetId: subnetId });
    return associated.AssociationId ?? "";
  },
  async read(id) {
    const pages = (await ec2()).paginateDescribeRouteTables(where("association.route-table-association-id", id));
    const [table] = await every(pages, (page) => page.RouteTables);
    const live = table?.Associations?.find((item) => item.RouteTableAssociationId === id);
    return live && { routeTableId: live.RouteTableId, subnetId: live.SubnetId };
  },
  async delete(id) {
    await orGone((await ec2()).disassociateRouteTable({ AssociationId: id }), "InvalidAssociationID.NotFound");
  },
};

export const vpcResources = {
  "aws:ec2/vpc:Vpc": vpc,
  "aws:ec2/internetGateway:InternetGateway": internetGateway,
  "aws:ec2/subnet:Subnet": subnet,
  "aws:ec2/routeTable:RouteTable": routeTable,
  "aws:ec2/route:Route": route,
  "aws:ec2/routeTableAssociation:RouteTableAssociation": routeTableAssociation,
};

import type { IpPermission, SecurityGroup, SecurityGroupRule } from "@aws-sdk/client-ec2";
import { ec2, every } from "./clients.ts";
import { liveInstances } from "./instance.ts";
import { orGone, type Resource, refuse } from "./provider.ts";
import { schemaOf } from "./schemas.ts";
import { arn, fromTags, pick, retagEc2, tagged } from "./tags.ts";
import type { Props } from "./values.ts";

async function find(id: string): Promise<SecurityGroup | undefined> {
  const call = (await ec2()).describeSecurityGroups({ GroupIds: [id] });
  return (await orGone(call, "InvalidGroup.NotFound"))?.SecurityGroups?.[0];
}

const describe = (group: SecurityGroup) => ({
  ...pick(group, "Description", "VpcId", "OwnerId"),
  name: group.GroupName,
  arn: arn("ec2", group.OwnerId, `security-group/${group.GroupId}`),
  tags: fromTags(group.Tags),
});

async function revokeAll(id: string) {
  const api = await ec2();
  const group = await find(id);
  if (group?.IpPermissions?.length) {
    await api.revokeSecurityGroupIngress({ GroupId: id, IpPermissions: group.IpPermissions });
  }
  if (group?.IpPermissionsEgress?.length) {
    await api.revokeSecurityGroupEgress({ GroupId: id, IpPermissions: group.IpPermissionsEgress });
  }
}

const securityGroup: Resource = {
  noun: "EC2 Security Group",
  cloudFormation: {
    type: "AWS::EC2::SecurityGroup",
    names: { name: "GroupName", description: "GroupDescription" },
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    rules: { properties: { GroupName: { maxLength: 255, not: { pattern: "^sg-" } } } },
  },
  autoName: 255,
  defaults: { description: "Managed by Pulumi" },
  inputs: { name: ["replace"], description: ["replace"], vpcId: ["replace"], tags: [] },
  async create(inputs) {
    const { GroupId: id = "" } = await (await ec2()).createSecurityGroup({
      GroupName: inputs.name,
      Description: inputs.description,
      VpcId: inputs.vpcId,
      ...tagged("security-group", inputs.tags),
    });
    // AWS opens every way out of a new group; the real provider closes it, so that only declared rules hold.
    await revokeAll(id);
    return id;
  },
  async read(id) {
    const group = await find(id);
    return group && describe(group);
  },
  retag: retagEc2,
  async delete(id) {
    const api = await ec2();
    const isUsed = (await liveInstances()).some((instance) =>
      instance.SecurityGroups?.some((group) => group.GroupId === id),
    );
    const groups = await every(api.paginateDescribeSecurityGroups({}), (page) => page.SecurityGroups);
    const isNamed = groups.some(
      (group) =>
        group.GroupId !== id &&
        [...(group.IpPermissions ?? []), ...(group.IpPermissionsEgress ?? [])].some((rule) =>
          rule.UserIdGroupPairs?.some((pair) => pair.GroupId === id),
        ),
    );
    if (isUsed || isNamed) refuse("DependencyViolation", `resource ${id} has a dependent object`);
    await orGone(api.deleteSecurityGroup({ GroupId: id }), "InvalidGroup.NotFound");
  },
};

const inlineRule = (rule: IpPermission) => ({
  protocol: rule.IpProtocol,
  fromPort: rule.FromPort ?? 0,
  toPort: rule.ToPort ?? 0,
  cidrBlocks: rule.IpRanges?.map((range) => range.CidrIp) ?? [],
  ipv6CidrBlocks: rule.Ipv6Ranges?.map((range) => range.CidrIpv6) ?? [],
  securityGroups: rule.UserIdGroupPairs?.map((pair) => pair.GroupId) ?? [],
});

const defaultSecurityGroup: Resource = {
  noun: "EC2 Default Security Group",
  cloudFormation: {
    type: "AWS::EC2::SecurityGroup",
    names: { ingress: "SecurityGroupIngress", egress: "SecurityGroupEgress" },
    fixed: { GroupName: "default", GroupDescription: "default VPC security group" },
  },
  // Declared as empty, so that a rule added by hand is seen and taken away again.
  defaults: { ingress: [], egress: [] },
  inputs: { vpcId: ["required", "replace"], ingress: ["set"], egress: ["set"], tags: [] },
  async create(inputs) {
    const filters = { "vpc-id": inputs.vpcId, "group-name": "default" };
    const pages = (await ec2()).paginateDescribeSecurityGroups({
      Filters: Object.entries(filters).map(([Name, Value]) => ({ Name, Values: [Value] })),
    });
    const [group] = await every(pages, (page) => page.SecurityGroups);
    const id = group?.GroupId;
    if (!id) refuse("InvalidGroup.NotFound", `The VPC '${inputs.vpcId}' has no default security group`);
    // Tags first, as the real provider does: a policy may allow changes only to what carries them.
    await retagEc2(id, inputs.tags ?? {}, []);
    await this.update?.(id, inputs, ["ingress", "egress"], {});
    return id;
  },
  async read(id) {
    const group = await find(id);
    const rules = (permissions: IpPermission[] = []) => permissions.map(inlineRule);
    return (
      group && { ...describe(group), ingress: rules(group.IpPermissions), egress: rules(group.IpPermissionsEgress) }
    );
  },
  async update(id, { ingress, egress }) {
    if (ingress.length + egress.length > 0) throw new Error("inline rules: only an empty default group is known here");
    await revokeAll(id);
  },
  retag: retagEc2,
  // It belongs to its VPC and goes with it.
  delete: async () => {},
};

/** A stand-alone rule; ids (`sgr-…`) let it be changed in place. */
function rule(direction: "Ingress" | "Egress"): Resource {
  const permission = (inputs: Props): IpPermission => ({
    IpProtocol: inputs.ipProtocol,
    FromPort: inputs.fromPort,
    ToPort: inputs.toPort,
    IpRanges: [{ CidrIp: inputs.cidrIpv4, Description: inputs.description }],
  });
  const find = async (id: string): Promise<SecurityGroupRule | undefined> => {
    const call = (await ec2()).describeSecurityGroupRules({ SecurityGroupRuleIds: [id] });
    return (await orGone(call, "InvalidSecurityGroupRuleId.NotFound"))?.SecurityGroupRules?.[0];
  };
  return {
    noun: `EC2 Security Group ${direction} Rule`,
    cloudFormation: {
      type: `AWS::EC2::SecurityGroup${direction}`,
      names: { securityGroupId: "GroupId", cidrIpv4: "CidrIp", tags: null },
      // The same as in a group's, of which alone its schema says so.
      // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
      rules: { properties: { Description: schemaOf("AWS::EC2::SecurityGroup").properties.GroupDescription } },
    },
    inputs: {
      securityGroupId: ["required", "replace"],
      cidrIpv4: ["required"],
      ipProtocol: ["required"],
      fromPort: [],
      toPort: [],
      description: [],
      tags: [],
    },
    async create(inputs) {
      const request = {
        GroupId: inputs.securityGroupId,
        IpPermissions: [permission(inputs)],
        ...tagged("security-group-rule", inputs.tags),
      };
      const api = await ec2();
      const { SecurityGroupRules } =
        direction === "Ingress"
          ? await api.authorizeSecurityGroupIngress(request)
          : await api.authorizeSecurityGroupEgress(request);
      return SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? "";
    },
    async read(id) {
      const live = await find(id);
      return (
        live && {
          securityGroupId: live.GroupId,
          securityGroupRuleId: id,
          cidrIpv4: "",
          description: "",
          ...pick(live, "IpProtocol", "CidrIpv4", "FromPort", "ToPort", "Description"),
          arn: arn("ec2", live.GroupOwnerId, `security-group-rule/${id}`),
          tags: fromTags(live.Tags),
        }
      );
    },
    async update(id, inputs) {
      const SecurityGroupRule = {
        IpProtocol: inputs.ipProtocol,
        CidrIpv4: inputs.cidrIpv4,
        FromPort: inputs.fromPort,
        ToPort: inputs.toPort,
        Description: inputs.description ?? "",
      };
      await (await ec2()).modifySecurityGroupRules({
        GroupId: inputs.securityGroupId,
        SecurityGroupRules: [{ SecurityGroupRuleId: id, SecurityGroupRule }],
      });
    },
    retag: retagEc2,
    async delete(id, state) {
      // moto revokes by what a rule says, not by its id.
      const live = await find(id);
      if (!live) return;
      const request = { GroupId: state.securityGroupId, IpPermissions: [permission(pick(live))] };
      const api = await ec2();
      await (direction === "Ingress"
        ? api.revokeSecurityGroupIngress(request)
        : api.revokeSecurityGroupEgress(request));
    },
  };
}

export const securityGroupResources = {
  "aws:ec2/securityGroup:SecurityGroup": securityGroup,
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": defaultSecurityGroup,
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": rule("Ingress"),
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": rule("Egress"),
};

// Deletes what AWS's API knows of a stack and the stack's state does not: what a command that was interrupted had made and could not
// note. Told through stdin which tags are the stack's and which ids its state has; prints what it deleted.
import { text } from "node:stream/consumers";
import { ec2, ecr, iam, logs } from "./clients.ts";
import { liveInstances } from "./instance.ts";
import { resources } from "./resources.ts";
import { fromTags } from "./tags.ts";
import type { Props } from "./values.ts";

type Type = keyof typeof resources;

const { tags, known } = JSON.parse(await text(process.stdin)) as { tags: Record<string, string>; known: string[] };
const isOurs = (given: Props = {}) => Object.entries(tags).every(([key, value]) => given[key] === value);

/** Deletes those of these things that carry the stack's tags and are not in its state. */
async function sweep(type: Type, ids: (string | undefined)[]): Promise<void> {
  for (const id of ids) {
    if (id === undefined || known.includes(id)) continue;
    const live = await resources[type].read(id, {});
    if (live && isOurs(live.tags)) await remove(type, id, live);
  }
}

async function remove(type: Type, id: string, live: Props): Promise<void> {
  await resources[type].delete(id, live);
  console.log(`${resources[type].noun} ${id}`);
}

// In the order in which AWS lets them go.
await sweep(
  "aws:ec2/instance:Instance",
  (await liveInstances()).map(({ InstanceId }) => InstanceId),
);
const { InstanceProfiles = [] } = await (await iam()).listInstanceProfiles({});
await sweep(
  "aws:iam/instanceProfile:InstanceProfile",
  InstanceProfiles.map(({ InstanceProfileName }) => InstanceProfileName),
);
const { Roles = [] } = await (await iam()).listRoles({});
for (const { RoleName = "" } of Roles) await removePolicies(RoleName);
await sweep(
  "aws:iam/role:Role",
  Roles.map(({ RoleName }) => RoleName),
);
const { SecurityGroupRules = [] } = await (await ec2()).describeSecurityGroupRules({});
for (const { SecurityGroupRuleId, IsEgress } of SecurityGroupRules) {
  const type = IsEgress
    ? "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    : "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  await sweep(type, [SecurityGroupRuleId]);
}
const { SecurityGroups = [] } = await (await ec2()).describeSecurityGroups({});
// A default group goes with its VPC.
const ownGroups = SecurityGroups.filter(({ GroupName }) => GroupName !== "default");
await sweep(
  "aws:ec2/securityGroup:SecurityGroup",
  ownGroups.map(({ GroupId }) => GroupId),
);
const { RouteTables = [] } = await (await ec2()).describeRouteTables({});
for (const table of RouteTables.filter(({ Tags }) => isOurs(fromTags(Tags)))) await removeRoutes(table);
await sweep(
  "aws:ec2/routeTable:RouteTable",
  RouteTables.map(({ RouteTableId }) => RouteTableId),
);
const { Subnets = [] } = await (await ec2()).describeSubnets({});
await sweep(
  "aws:ec2/subnet:Subnet",
  Subnets.map(({ SubnetId }) => SubnetId),
);
const { InternetGateways = [] } = await (await ec2()).describeInternetGateways({});
await sweep(
  "aws:ec2/internetGateway:InternetGateway",
  InternetGateways.map(({ InternetGatewayId }) => InternetGatewayId),
);
const { FlowLogs = [] } = await (await ec2()).describeFlowLogs({});
await sweep(
  "aws:ec2/flowLog:FlowLog",
  FlowLogs.map(({ FlowLogId }) => FlowLogId),
);
const { logGroups = [] } = await (await logs()).describeLogGroups({});
await sweep(
  "aws:cloudwatch/logGroup:LogGroup",
  logGroups.map(({ logGroupName }) => logGroupName),
);
const { Vpcs = [] } = await (await ec2()).describeVpcs({});
await sweep(
  "aws:ec2/vpc:Vpc",
  Vpcs.map(({ VpcId }) => VpcId),
);
const { repositories = [] } = await (await ecr()).describeRepositories({});
// With its images: they were pushed for this stack.
for (const { repositoryName = "" } of repositories) {
  if (known.includes(repositoryName)) continue;
  const live = await resources["aws:ecr/repository:Repository"].read(repositoryName, {});
  if (live && isOurs(live.tags))
    await remove("aws:ecr/repository:Repository", repositoryName, { ...live, forceDelete: true });
}

/** Policies carry no tags; they are the stack's where their role is. */
async function removePolicies(role: string): Promise<void> {
  const live = await resources["aws:iam/role:Role"].read(role, {});
  if (!live || !isOurs(live.tags)) return;
  const api = await iam();
  const { PolicyNames = [] } = await api.listRolePolicies({ RoleName: role });
  for (const name of PolicyNames) {
    if (!known.includes(`${role}:${name}`)) await remove("aws:iam/rolePolicy:RolePolicy", `${role}:${name}`, {});
  }
  const { AttachedPolicies = [] } = await api.listAttachedRolePolicies({ RoleName: role });
  for (const { PolicyArn: policyArn } of AttachedPolicies) {
    const id = `${role}/${policyArn}`;
    if (!known.includes(id)) await remove("aws:iam/rolePolicyAttachment:RolePolicyAttachment", id, { role, policyArn });
  }
}

/** Nor do routes and associations; they are the stack's where their table is. */
async function removeRoutes(table: (typeof RouteTables)[number]): Promise<void> {
  const { RouteTableId: routeTableId, Associations = [], Routes = [] } = table;
  for (const { RouteTableAssociationId: id = "", Main } of Associations) {
    if (!Main && !known.includes(id)) await remove("aws:ec2/routeTableAssociation:RouteTableAssociation", id, {});
  }
  for (const { DestinationCidrBlock: destinationCidrBlock, GatewayId } of Routes) {
    const id = `r-${routeTableId}`;
    if (GatewayId === "local" || known.some((other) => other.startsWith(id))) continue;
    await remove("aws:ec2/route:Route", id, { routeTableId, destinationCidrBlock });
  }
}

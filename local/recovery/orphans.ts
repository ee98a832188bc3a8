// Deletes what AWS's API knows of a stack and the stack's state does not: what a command that was interrupted had made and could not
// note. Told through stdin which tags are the stack's and which ids its state has; prints what it deleted.
import { text } from "node:stream/consumers";
import { ec2, ecr, every, iam, logs } from "../providers/aws/clients.ts";
import { liveInstances } from "../providers/aws/instance.ts";
import { resources } from "../providers/aws/resources.ts";
import { fromTags } from "../providers/aws/tags.ts";
import type { Props } from "../providers/aws/values.ts";

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
const instanceProfiles = await every((await iam()).paginateListInstanceProfiles({}), (page) => page.InstanceProfiles);
await sweep(
  "aws:iam/instanceProfile:InstanceProfile",
  instanceProfiles.map(({ InstanceProfileName }) => InstanceProfileName),
);
const roles = await every((await iam()).paginateListRoles({}), (page) => page.Roles);
for (const { RoleName = "" } of roles) await removePolicies(RoleName);
await sweep(
  "aws:iam/role:Role",
  roles.map(({ RoleName }) => RoleName),
);
const securityGroupRules = await every(
  (await ec2()).paginateDescribeSecurityGroupRules({}),
  (page) => page.SecurityGroupRules,
);
for (const { SecurityGroupRuleId, IsEgress } of securityGroupRules) {
  const type = IsEgress
    ? "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    : "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  await sweep(type, [SecurityGroupRuleId]);
}
const securityGroups = await every((await ec2()).paginateDescribeSecurityGroups({}), (page) => page.SecurityGroups);
// A default group goes with its VPC.
const ownGroups = securityGroups.filter(({ GroupName }) => GroupName !== "default");
await sweep(
  "aws:ec2/securityGroup:SecurityGroup",
  ownGroups.map(({ GroupId }) => GroupId),
);
const routeTables = await every((await ec2()).paginateDescribeRouteTables({}), (page) => page.RouteTables);
for (const table of routeTables.filter(({ Tags }) => isOurs(fromTags(Tags)))) await removeRoutes(table);
await sweep(
  "aws:ec2/routeTable:RouteTable",
  routeTables.map(({ RouteTableId }) => RouteTableId),
);
const subnets = await every((await ec2()).paginateDescribeSubnets({}), (page) => page.Subnets);
await sweep(
  "aws:ec2/subnet:Subnet",
  subnets.map(({ SubnetId }) => SubnetId),
);
const internetGateways = await every(
  (await ec2()).paginateDescribeInternetGateways({}),
  (page) => page.InternetGateways,
);
await sweep(
  "aws:ec2/internetGateway:InternetGateway",
  internetGateways.map(({ InternetGatewayId }) => InternetGatewayId),
);
const flowLogs = await every((await ec2()).paginateDescribeFlowLogs({}), (page) => page.FlowLogs);
await sweep(
  "aws:ec2/flowLog:FlowLog",
  flowLogs.map(({ FlowLogId }) => FlowLogId),
);
const logGroups = await every((await logs()).paginateDescribeLogGroups({}), (page) => page.logGroups);
await sweep(
  "aws:cloudwatch/logGroup:LogGroup",
  logGroups.map(({ logGroupName }) => logGroupName),
);
const vpcs = await every((await ec2()).paginateDescribeVpcs({}), (page) => page.Vpcs);
await sweep(
  "aws:ec2/vpc:Vpc",
  vpcs.map(({ VpcId }) => VpcId),
);
const repositories = await every((await ecr()).paginateDescribeRepositories({}), (page) => page.repositories);
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
  const policyNames = await every(api.paginateListRolePolicies({ RoleName: role }), (page) => page.PolicyNames);
  for (const name of policyNames) {
    if (!known.includes(`${role}:${name}`)) await remove("aws:iam/rolePolicy:RolePolicy", `${role}:${name}`, {});
  }
  const attachedPolicies = await every(
    api.paginateListAttachedRolePolicies({ RoleName: role }),
    (page) => page.AttachedPolicies,
  );
  for (const { PolicyArn: policyArn } of attachedPolicies) {
    const id = `${role}/${policyArn}`;
    if (!known.includes(id)) await remove("aws:iam/rolePolicyAttachment:RolePolicyAttachment", id, { role, policyArn });
  }
}

/** Nor do routes and associations; they are the stack's where their table is. */
async function removeRoutes(table: (typeof routeTables)[number]): Promise<void> {
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

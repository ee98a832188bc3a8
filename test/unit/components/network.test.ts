import * as pulumi from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";
import { Network } from "../../../components/network.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

const args = {
  cidrBlock: "10.0.0.0/16",
  availabilityZones: ["ap-northeast-2a", "ap-northeast-2c"],
  port: 8080,
  logRetentionDays: 30,
  allowedCidrs: ["203.0.113.0/24", "198.51.100.7/32"],
  repositoryArn: "arn:aws:ecr:ap-northeast-2:123456789012:repository/app",
};

function network() {
  const { vpcId, securityGroupId, subnetIds } = new Network("app", args);
  return settle(subnetIds.graviton, subnetIds.intel, vpcId, securityGroupId);
}

test("in: the app's port from the given blocks, and nothing else", async () => {
  await network();
  const rules = find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").map(({ inputs }) => inputs);
  const app = { securityGroupId: "app-id", ipProtocol: "tcp", fromPort: 8080, toPort: 8080 };
  expect(rules).toMatchObject([
    { ...app, cidrIpv4: "203.0.113.0/24" },
    { ...app, cidrIpv4: "198.51.100.7/32" },
  ]);
});

test("out: HTTPS, and nothing else", async () => {
  await network();
  expect(only("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule").inputs).toMatchObject({
    securityGroupId: "app-id",
    cidrIpv4: "0.0.0.0/0",
    ipProtocol: "tcp",
    fromPort: 443,
    toPort: 443,
  });
});

test("each machine has a subnet of its own", async () => {
  expect((await network()).slice(0, 2)).toEqual(["app-public-a-id", "app-public-c-id"]);
});

const fleetArgs = { ...args, allowedCidrs: [] };

test("private machines are in the private subnets, and nobody reaches them", async () => {
  const { forGroup, forBalancer, securityGroupId } = new Network("app", { ...fleetArgs, egress: "nat" });
  const [group, balancer] = await settle(pulumi.output(forGroup), pulumi.output(forBalancer), securityGroupId);
  expect(group).toMatchObject({ subnetIds: ["app-private-a-id", "app-private-c-id"], publicAddress: false });
  expect(balancer).toEqual({
    vpcId: "app-id",
    subnetIds: ["app-public-a-id", "app-public-c-id"],
    machineSecurityGroupId: "app-id",
  });
  expect(find("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")).toEqual([]);
  expect(find("aws:ec2/vpcEndpoint:VpcEndpoint")).toEqual([]);
});

test("machines with no way out: endpoints of AWS's services, for the one repository, reached by the machines alone", async () => {
  const { forGroup, securityGroupId } = new Network("app", { ...fleetArgs, egress: "endpoints" });
  const [group] = await settle(pulumi.output(forGroup), securityGroupId);
  expect(group).toMatchObject({ subnetIds: ["app-private-a-id", "app-private-c-id"] });
  const made = find("aws:ec2/vpcEndpoint:VpcEndpoint").sort((a, b) => (a.name < b.name ? -1 : 1));
  const endpoints = made.map(({ inputs }) => inputs);
  const service = (name: string) => `com.amazonaws.ap-northeast-2.${name}`;
  const inVpc = {
    vpcEndpointType: "Interface",
    subnetIds: ["app-private-a-id", "app-private-c-id"],
    privateDnsEnabled: true,
  };
  expect(endpoints).toMatchObject([
    { serviceName: service("ecr.api"), ...inVpc, securityGroupIds: ["app-endpoints-id"] },
    { serviceName: service("ecr.dkr"), ...inVpc, securityGroupIds: ["app-endpoints-id"] },
    { serviceName: service("logs"), ...inVpc, securityGroupIds: ["app-endpoints-id"] },
    { serviceName: service("s3"), vpcEndpointType: "Gateway", routeTableIds: ["app-private-id"] },
  ]);
  expect(endpoints.map(({ vpcId, tags }) => [vpcId, (tags as { Name: string }).Name])).toEqual(
    ["ecr.api", "ecr.dkr", "logs", "s3"].map((name) => ["app-id", `app-${name}`]),
  );
  const allowed = endpoints.map(({ policy }) =>
    (JSON.parse(policy as string).Statement as Record<string, string | string[]>[]).map(
      ({ Effect, Principal, Action, Resource }) => `${Effect} ${Principal} ${Action} ${Resource}`,
    ),
  );
  const pull = [
    "Allow * ecr:GetAuthorizationToken *",
    "Allow * ecr:BatchCheckLayerAvailability,ecr:BatchGetImage,ecr:GetDownloadUrlForLayer arn:aws:ecr:ap-northeast-2:123456789012:repository/app",
  ];
  const buckets = ["prod-ap-northeast-2-starport-layer-bucket", "al2023-repos-ap-northeast-2-de612dc2"];
  expect(allowed).toEqual([
    pull,
    pull,
    ["Allow * logs:CreateLogStream,logs:PutLogEvents arn:aws:logs:ap-northeast-2:123456789012:log-group:*"],
    [`Allow * s3:GetObject ${buckets.map((bucket) => `arn:aws:s3:::${bucket}/*`)}`],
  ]);
  const rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  expect(only(rule).inputs).toMatchObject({
    securityGroupId: "app-endpoints-id",
    referencedSecurityGroupId: "app-id",
    fromPort: 443,
    toPort: 443,
  });
  // It is closed only when they are gone.
  for (const { dependsOn } of made) expect(dependsOn).toContain(`${rule} app-endpoints`);
});

test("in China ECR's endpoints have a name of their own", async () => {
  const repositoryArn = "arn:aws-cn:ecr:cn-north-1:123456789012:repository/app";
  await settle(new Network("app", { ...fleetArgs, repositoryArn, egress: "endpoints" }).securityGroupId);
  const names = find("aws:ec2/vpcEndpoint:VpcEndpoint").map(({ inputs }) => inputs.serviceName);
  const cn = "com.amazonaws.cn-north-1";
  expect(names.sort()).toEqual([`cn.${cn}.ecr.api`, `cn.${cn}.ecr.dkr`, `${cn}.logs`, `${cn}.s3`]);
});

test("machines of a fleet with addresses of their own are in the public subnets", async () => {
  const made = new Network("app", { ...fleetArgs, egress: "public" });
  const [group] = await settle(pulumi.output(made.forGroup), made.securityGroupId);
  expect(group).toMatchObject({ subnetIds: ["app-public-a-id", "app-public-c-id"], publicAddress: true });
});

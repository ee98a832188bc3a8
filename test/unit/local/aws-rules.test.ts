import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { describe, expect, test } from "vitest";
import { target, translate } from "../../../local/providers/aws/cloudformation.ts";
import { provider, type Resource } from "../../../local/providers/aws/provider.ts";
import { resources } from "../../../local/providers/aws/rows.ts";
import { refusals } from "../../../local/providers/aws/rules.ts";
import { propertySchema } from "../../../local/providers/aws/schemas.ts";
import type { Props } from "../../../local/providers/aws/values.ts";
import { secret } from "../../support/mocks.ts";
import { one, preview, programOf, type Variant, variants } from "../../support/programs.ts";

type Token = keyof typeof resources;

test.each(Object.entries<Resource>(resources))("AWS knows each property that %s names", (_, { cloudFormation }) => {
  const unknown = Object.keys(cloudFormation.names ?? {}).filter((path) => {
    const steps = target(cloudFormation, path);
    return steps !== undefined && propertySchema(cloudFormation.type, steps) === undefined;
  });
  expect(unknown).toEqual([]);
});

test.each(Object.keys(variants) as Variant[])("%s: AWS refuses no resource", async (variant) => {
  const aws = provider("", resources, {}, async () => {});
  const ours = (await programOf(variant)).filter(({ type }) => type in resources);
  expect(ours.length).toBeGreaterThan(15);
  for (const each of ours) {
    const checked = await aws.check?.(`urn:pulumi:dev::hono-app::${each.type}::${each.name}`, {}, preview(each));
    expect(checked?.failures, each.name).toEqual([]);
  }
});

test("inputs become CloudFormation's: renamed, nested, tags as a list, a policy as a document", () => {
  const instance = translate(resources["aws:ec2/instance:Instance"], {
    ami: "ami-1",
    instanceType: secret("t3.small"),
    subnetId: "subnet-1",
    vpcSecurityGroupIds: ["sg-1"],
    rootBlockDevice: { volumeSize: 8 },
    volumeTags: { a: "b" },
    userDataReplaceOnChange: true,
    tags: { Name: "app" },
  });
  expect(instance.properties).toEqual({
    ImageId: "ami-1",
    InstanceType: "t3.small",
    NetworkInterfaces: [{ SubnetId: "subnet-1", GroupSet: ["sg-1"], DeviceIndex: "0" }],
    BlockDeviceMappings: [{ Ebs: { VolumeSize: 8 }, DeviceName: "/dev/xvda" }],
    Tags: [{ Key: "Name", Value: "app" }],
  });
  expect(instance.sources.get("/BlockDeviceMappings/0/Ebs/VolumeSize")).toBe("rootBlockDevice.volumeSize");
  expect([...instance.tags]).toEqual([["volumeTags", { a: "b" }]]);

  const repository = translate(resources["aws:ecr/repository:Repository"], {
    imageTagMutabilityExclusionFilters: [{ filter: "a" }, { filter: "b" }],
  });
  expect(repository.properties.ImageTagMutabilityExclusionFilters).toEqual([
    { ImageTagMutabilityExclusionFilterValue: "a" },
    { ImageTagMutabilityExclusionFilterValue: "b" },
  ]);
  const policy = translate(resources["aws:iam/rolePolicy:RolePolicy"], { policy: '{"Statement":[]}' });
  expect(policy.properties).toEqual({ PolicyDocument: { Statement: [] } });
  const log = translate(resources["aws:cloudwatch/logGroup:LogGroup"], { name: "log", retentionInDays: 0 });
  expect(log.properties).toEqual({ LogGroupName: "log" });
});

const document = (...statements: object[]) => JSON.stringify({ Statement: statements });
const policyOf = (...statements: object[]) => ({ policy: document(...statements) });
const lifecycle = (...selections: object[]) => {
  const rules = selections.map((selection, rulePriority) => ({ rulePriority, selection }));
  return { policy: JSON.stringify({ rules }).padEnd(100) };
};
const assume = { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } };
const allow = { Effect: "Allow", Action: "ecr:*", Resource: "*" };
const deny = { Effect: "Deny", Action: "ecr:*", Principal: "*" };
const ruleFaults: Faults = [
  ["pattern beside the schema", { description: "The app's" }, 'Description is "The app\'s", and must match'],
  ["network", { cidrIpv4: "10.0.0.0/33" }, 'is "10.0.0.0/33", and must match ipv4-network'],
  ["host bits", { cidrIpv4: "10.0.0.1/8" }, 'is "10.0.0.1/8", and must match ipv4-network'],
  ["port of a protocol", { toPort: undefined }, "must have required property 'ToPort'"],
  ["port beyond the last", { toPort: 65_536 }, "must be <= 65535"],
  ["range that ends before it starts", { fromPort: 2, toPort: 1 }, "FromPort is 2, and must be <= 1"],
  [
    "tag of what CloudFormation does not tag",
    { tags: { a: "b".repeat(257) } },
    "must NOT have more than 256 characters",
  ],
  ["lack of a source", { cidrIpv4: undefined }, "must have exactly one of CidrIp, CidrIpv6"],
];
const ofGroup = { cidrIpv4: undefined, referencedSecurityGroupId: "sg-00000001" };
const maintained = (instanceMaintenancePolicy: object) => ({ instanceMaintenancePolicy });
const hops = (httpPutResponseHopLimit: number) => ({ metadataOptions: { httpPutResponseHopLimit } });
type Faults = readonly (readonly [kind: string, change: Props, reason: string])[];

/** By type, or by type and name, changes that AWS refuses of what the program registers. */
const faults: Record<string, Faults> = {
  "aws:ec2/securityGroup:SecurityGroup": [
    ["pattern", { description: "The app's" }, 'GroupDescription is "The app\'s", and must match'],
    ["length", { description: "a".repeat(256) }, "must NOT have more than 255 characters"],
    ["name", { name: "sg-app" }, 'must not match {"pattern":"^sg-"}'],
  ],
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ruleFaults,
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ruleFaults,
  "aws:ec2/eip:Eip": [["enumeration in whatever case", { domain: "moon" }, 'Domain is "moon"']],
  "aws:ec2/natGateway:NatGateway": [
    ["format", { subnetId: "subnet" }, 'SubnetId is "subnet", and must match ^subnet-'],
    ["enumeration", { connectivityType: "open" }, "must be one of private, public"],
  ],
  "aws:ec2/vpcEndpoint:VpcEndpoint hono-app-logs": [
    ["enumeration", { vpcEndpointType: "Door" }, 'VpcEndpointType is "Door"'],
    ["format in a list", { securityGroupIds: ["group"] }, 'SecurityGroupIds.0 is "group"'],
    ["type", { privateDnsEnabled: "yes" }, "must be boolean"],
    ["way of another type", { routeTableIds: ["rtb-00000000"] }, "RouteTableIds must not be given beside the others"],
    [
      "interface of a gateway",
      { securityGroupIds: ["sg-00000000"], vpcEndpointType: "Gateway" },
      "SecurityGroupIds must not be given beside the others",
    ],
    ["policy that names nobody", policyOf(allow), "Statement.0 must have exactly one of Principal"],
  ],
  "aws:ec2/launchTemplate:LaunchTemplate": [
    ["name", { name: "it's" }, 'LaunchTemplateName is "it\'s", and must match'],
    ["region", { instanceType: "t4g.smal" }, 'is "t4g.smal", and must be one of t4g.2xlarge, t4g.large'],
    ["combination", { instanceType: "c7g.large" }, 'is "c7g.large", and must match'],
    ["switch that is a text", { ebsOptimized: "yes" }, 'EbsOptimized is "yes"'],
    ["user data that is not encoded", { userData: "#!/bin/bash" }, "LaunchTemplateData.UserData"],
    ["length of the user data", { userData: "A".repeat(21849) }, "must NOT have more than 21848 characters"],
    ["range", hops(65), "HttpPutResponseHopLimit"],
    [
      "inner enumeration",
      { blockDeviceMappings: [{ ebs: { volumeType: "gp4" } }] },
      'BlockDeviceMappings.0.Ebs.VolumeType is "gp4"',
    ],
    [
      "type of what is tagged",
      { tagSpecifications: [{ resourceType: "instances" }] },
      'TagSpecifications.0.ResourceType is "instances"',
    ],
    ["AWS's own tag", { tagSpecifications: [{ resourceType: "instance", tags: { "aws:a": "b" } }] }, 'is "aws:a"'],
  ],
  "aws:ec2/vpc:Vpc": [
    ["range of a network", { cidrBlock: "10.0.0.0/8" }, 'is "10.0.0.0/8", and must match pattern'],
    ["tag", { tags: { "aws:a": "b" } }, 'Tags.0.Key is "aws:a", and must match pattern'],
  ],
  "aws:ec2/routeTable:RouteTable": [["format", { vpcId: "vpc-1" }, 'VpcId is "vpc-1", and must match ^vpc-']],
  "aws:ec2/flowLog:FlowLog": [
    ["enumeration beside the schema", { maxAggregationInterval: 61 }, "is 61, and must be one of 60, 600"],
    ["missing traffic", { trafficType: undefined }, "must have required property 'TrafficType'"],
    ["missing role", { iamRoleArn: undefined }, "must have required property 'DeliverLogsPermissionArn'"],
  ],
  "aws:cloudwatch/logGroup:LogGroup": [
    ["enumeration", { retentionInDays: 31 }, "is 31, and must be one of 1, 3, 5, 7, 14, 30, 60"],
  ],
  "aws:ec2/instance:Instance": [
    ["region", { instanceType: "t4g.smal" }, 'is "t4g.smal", and must be one of t4g.2xlarge, t4g.large, t4g.medium'],
    ["combination", { instanceType: "c7g.large" }, 'InstanceType is "c7g.large", and must match'],
    ["type", { monitoring: "yes" }, "must be boolean"],
    ["length in bytes", { userData: "가".repeat(5462) }, "must not have more bytes than 16384"],
    ["enumeration beside the schema", { creditSpecification: { cpuCredits: "no" } }, "one of standard, unlimited"],
    ["range", hops(65), "HttpPutResponseHopLimit is 65, and must be <= 64"],
  ],
  "aws:lb/loadBalancer:LoadBalancer": [
    ["length of a name", { name: "a".repeat(33) }, "must NOT have more than 32 characters"],
    ["pattern of a name", { name: "internal-app" }, 'Name is "internal-app"'],
    ["one subnet", { subnets: ["subnet-00000001"] }, "must NOT have fewer than 2 items"],
    ["type", { loadBalancerType: "classic" }, "must be one of application, gateway, network"],
    ["attribute", { idleTimeout: 4001 }, "idle_timeout.timeout_seconds is 4001, and must be <= 4000"],
    ["attribute's value", { desyncMitigationMode: "off" }, "must be one of monitor, defensive, strictest"],
  ],
  "aws:lb/targetGroup:TargetGroup": [
    ["interval", { healthCheck: { interval: 4 } }, "HealthCheckIntervalSeconds is 4"],
    ["time-out as long as the interval", { healthCheck: { interval: 5, timeout: 5 } }, "is 5, and must be < 5"],
    ["path", { healthCheck: { path: "health" } }, 'HealthCheckPath is "health", and must match'],
    ["slow start", { slowStart: 29 }, "slow_start.duration_seconds is 29, and must not match"],
    [
      "slow start beside an algorithm",
      { slowStart: 30, loadBalancingAlgorithmType: "least_outstanding_requests" },
      "slow_start.duration_seconds is 30, and must be <= 0",
    ],
    ["algorithm", { loadBalancingAlgorithmType: "random" }, "must be one of round_robin, least_outstanding_requests"],
    ["missing port", { port: undefined }, "must have required property 'Port'"],
  ],
  "aws:lb/listener:Listener hono-app-https": [
    ["missing certificate", { certificateArn: undefined }, "must have required property 'Certificates'"],
    ["port", { port: 65536 }, "Port is 65536, and must be <= 65535"],
    [
      "certificate without HTTPS",
      { certificateArn: "arn", protocol: "HTTP", sslPolicy: undefined },
      "Certificates must not be given beside the others",
    ],
  ],
  "aws:autoscaling/group:Group": [
    ["type of health", { healthCheckType: "elb" }, 'HealthCheckType is "elb"'],
    ["half a policy", maintained({ minHealthyPercentage: 90 }), "must have required property 'MaxHealthyPercentage'"],
    ["wide policy", maintained({ minHealthyPercentage: 9, maxHealthyPercentage: 110 }), "of more than 100"],
    ["AWS's own tag", { tags: [{ key: "aws:a", value: "b", propagateAtLaunch: true }] }, 'Tags.0.Key is "aws:a"'],
    ["tag twice", { tags: [1, 2].map(() => ({ key: "app", value: "a", propagateAtLaunch: true })) }, "the same Key"],
    ["tag without a word about its instances", { tags: [{ key: "app", value: "hono" }] }, "'PropagateAtLaunch'"],
  ],
  "aws:autoscaling/policy:Policy": [
    ["type", { policyType: "Target" }, "must be one of PredictiveScaling, SimpleScaling"],
    ["missing type", { policyType: undefined }, "must have required property 'PolicyType'"],
  ],
  "aws:cloudwatch/metricAlarm:MetricAlarm hono-app-balancer-5xx": [
    ["period", { period: 61 }, "must be multiple of 60"],
    ["missing threshold", { threshold: undefined }, "must have required property 'Threshold'"],
    ["missing statistic", { statistic: undefined }, "must have required property 'Statistic'"],
    ["data points", { datapointsToAlarm: 2 }, "DatapointsToAlarm is 2, and must be <= 1"],
    ["length of time", { statistic: undefined, evaluationPeriods: 1441 }, "must not evaluate more than a day"],
    ["dimension", { dimensions: { LoadBalancer: { a: "b" } } }, "Dimensions.0.Value must"],
    ["action that is no ARN", { okActions: ["oncall"] }, 'OKActions.0 is "oncall", and must match pattern'],
    ["topic of another region", { alarmActions: ["arn:aws:sns:us-east-1:123456789012:a"] }, "AlarmActions.0 is"],
  ],
  "aws:iam/role:Role": [
    [
      "trust policy",
      { assumeRolePolicy: document({ ...assume, Effect: "Alow" }) },
      'Effect is "Alow", and must be one of Allow, Deny',
    ],
    ["policy that is no JSON", { assumeRolePolicy: "{" }, "must be object"],
    ["path", { path: "/app" }, 'Path is "/app", and must match pattern'],
    ["length", { assumeRolePolicy: document({ ...assume, Sid: "a".repeat(2048) }) }, "more characters than 2048"],
  ],
  "aws:iam/instanceProfile:InstanceProfile": [["path", { path: "/a b/" }, 'Path is "/a b/", and must match pattern']],
  "aws:iam/rolePolicy:RolePolicy": [
    ["length", policyOf({ ...allow, Sid: "a".repeat(10_240) }), "more characters than 10240"],
    ["policy's resource", policyOf({ ...allow, Resource: "bucket" }), 'Resource is "bucket"'],
    ["policy's names", policyOf({ ...allow, Sid: "A" }, { ...allow, Sid: "A" }), "two items with the same Sid"],
    ["policy's actions", policyOf({ ...allow, NotAction: "ecr:*" }), "must have exactly one of Action, NotAction"],
  ],
  "aws:ecr/repository:Repository": [
    [
      "required property",
      { encryptionConfigurations: [{ kmsKey: "k" }] },
      "must have required property 'EncryptionType'",
    ],
  ],
  "aws:ecr/repositoryPolicy:RepositoryPolicy": [
    ["policy's principal", policyOf({ ...deny, Principal: undefined }), "one of Principal, NotPrincipal"],
  ],
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": [
    ["length of a lifecycle policy", { policy: "{}" }, "must NOT have fewer than 100 characters"],
    ["rule without tags", lifecycle({ tagStatus: "tagged" }), "must have at least one of tagPatternList"],
    ["tags of the untagged", lifecycle({ tagStatus: "untagged", tagPrefixList: ["a"] }), "beside the others"],
    ["unit of a count", lifecycle({ countType: "imageCountMoreThan", countUnit: "days" }), "beside the others"],
    ["age without a unit", lifecycle({ countType: "sinceImagePushed" }), "must have required property 'countUnit'"],
    ["rule after that of any image", lifecycle({ tagStatus: "any" }, {}), "must have its rule of any image last"],
  ],
};

const definitionOf = (key: string): Resource => resources[key.split(" ")[0] as Token];
/** What AWS refuses of a resource of the program after a change. */
async function refused(key: string, change: Props): Promise<ReturnType<typeof refusals>> {
  const named = definitionOf(key).autoName && { name: "app" };
  return refusals(definitionOf(key), { ...named, ...preview(await one(key)), ...change });
}

test.each<[string, Props]>([
  ["aws:ec2/eip:Eip", { domain: "VPC" }],
  ["aws:ec2/flowLog:FlowLog", { maxAggregationInterval: 60 }],
  ["aws:ec2/instance:Instance", { userData: "가".repeat(5461), ...hops(64) }],
  ["aws:lb/targetGroup:TargetGroup", { healthCheck: { interval: 5, timeout: 4 } }],
  ["aws:iam/rolePolicy:RolePolicy", policyOf({ ...allow, Sid: "A" }, allow)],
  [
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    lifecycle({ tagStatus: "tagged", tagPatternList: ["*"] }, { tagStatus: "any" }),
  ],
])("%s is taken with values that are just allowed", async (key, change) =>
  expect(await refused(key, change)).toEqual([]),
);

describe.each(Object.entries(faults))("%s", (key, changes) => {
  const { type } = definitionOf(key).cloudFormation;

  test.each(changes)("is refused for its %s", async (_, change, reason) => {
    const found = await refused(key, change);
    expect(found.map((failure) => failure.reason.replace(` of ${type}`, ""))).toContainEqual(
      expect.stringContaining(reason),
    );
    const [property = ""] = Object.entries(change).map(([key, value]) => (value === undefined ? "" : key));
    for (const failure of found) {
      expect(failure.reason).toMatch(new RegExp(`^AWS refuses it: .*${type} `));
      expect(failure.property.startsWith(property)).toBe(true);
    }
  });
});

describe.each(Object.entries<Resource>(resources))("%s", (_, definition) => {
  const { inputs: known, cloudFormation } = definition;
  const outer = new Set(Object.keys(known).map((path) => path.split(".")[0] as string));

  test.each([...outer])("is not refused for a %s that is not known yet", (name) => {
    const inner = Object.keys(known).flatMap((path) => (path.startsWith(`${name}.`) ? (path.split(".")[1] ?? []) : []));
    const value = inner.length > 0 ? Object.fromEntries(inner.map((each) => [each, unknownValue])) : unknownValue;
    const steps = target(cloudFormation, inner.length > 0 ? `${name}.${inner[0]}` : name) ?? [];
    const property = steps.slice(0, cloudFormation.within ? 2 : 1);
    const isList = name.endsWith("s") && propertySchema(cloudFormation.type, property)?.type === "array";
    const found = refusals(definition, { [name]: inner.length > 0 && isList ? [value] : value });
    // What the resource as a whole lacks is another matter, and so is what excludes another.
    const others = found.filter(({ property, reason }) => property !== "" && !reason.includes("exactly one of"));
    expect(others).toEqual([]);
  });
});

test.each([
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
])("%s takes a group instead of a range", async (token) => {
  expect(await refused(token, ofGroup)).toEqual([]);
  const both = await refused(token, { ...ofGroup, cidrIpv4: "10.0.0.0/8" });
  expect(both).toMatchObject([{ reason: expect.stringContaining("must have exactly one of CidrIp, CidrIpv6") }]);
  const [refusal] = await refused(token, { ...ofGroup, referencedSecurityGroupId: "group" });
  expect(refusal).toMatchObject({
    property: "referencedSecurityGroupId",
    reason: expect.stringContaining("SecurityGroupId of AWS::EC2::SecurityGroup"),
  });
});

test("a template with groups beside its interfaces is refused", async () => {
  const found = await refused("aws:ec2/launchTemplate:LaunchTemplate", { vpcSecurityGroupIds: ["sg-00000000"] });
  const reason = expect.stringContaining("must not have, with a property, those that it excludes");
  expect(found).toMatchObject([{ reason }]);
});

test("what is known is judged beside what is not", async () => {
  const unknown = { ami: unknownValue, vpcSecurityGroupIds: [unknownValue, "group"], rootBlockDevice: unknownValue };
  const found = await refused("aws:ec2/instance:Instance", unknown);
  expect(found.map(({ property }) => property)).toEqual(["vpcSecurityGroupIds"]);
  const rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  expect(await refused(rule, { toPort: unknownValue })).toEqual([]);
});

test("an error does not show a secret", () => {
  const found = refusals(resources["aws:ec2/securityGroup:SecurityGroup"], { description: secret("it's 42") });
  expect(found.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("GroupDescription of AWS::EC2::SecurityGroup is secret, and"),
  ]);
});

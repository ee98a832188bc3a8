// What the program asks AWS for, resource by resource: all of it, so that one too many is found as well as one too few. Which rule of somebody
// else's a value follows, controls.test.ts says; names, parents, tags and outputs are in program.test.ts.

import { expect, test } from "vitest";
import { architectures, eachMachine, type MachineName, machineNames } from "../../components/architecture.ts";
import { Endpoints } from "../../components/endpoints.ts";
import { InstanceRole } from "../../components/instance-role.ts";
import { type UserDataArgs, userData } from "../../components/user-data.ts";
import { entries } from "../../policies/policy.ts";
import { launchArgs } from "../support/machine.ts";
import { account, all, digest, find, mock, only, type Registration, runProgram, settle } from "../support/mocks.ts";

type Rows = Readonly<Record<string, object>>;

const keyOf = ({ type, name }: Registration) => `${type.split(":").at(-1)} ${name}`;

/** The inputs of what is AWS's, without tags, and of what proves it. */
function asked(): Rows {
  const rows = all().flatMap((each) => {
    const { __provider, tags, volumeTags, tagSpecifications, ...inputs } = each.inputs;
    return /^aws:|Verification$|:(KeptAmi|Rollout)$/.test(each.type) ? [[keyOf(each), inputs]] : [];
  });
  return Object.fromEntries(rows);
}

/** The options that say what happens to a resource when something changes, where there are any. */
function options(): Rows {
  const rows = all().flatMap((each) => {
    const { ignoreChanges, replaceOnChanges, replacementTrigger, deleteBeforeReplace, retainOnDelete, timeouts } = each;
    const replaced = { replaceOnChanges, replacementTrigger, deleteBeforeReplace };
    const own = Object.entries({ ignoreChanges, ...replaced, retainOnDelete, ...timeouts });
    const given = own.filter(([, value]) => value === true || Object.keys(value).length > 0);
    return given.length > 0 ? [[keyOf(each), Object.fromEntries(given)]] : [];
  });
  return Object.fromEntries(rows);
}
const ofVpc = { replacementTrigger: "hono-app-id" };
const stays: Rows = {
  "Image hono-app": { retainOnDelete: true, create: "30m", update: "30m" },
  "FlowLog hono-app": { deleteBeforeReplace: true },
  "InternetGateway hono-app": ofVpc,
};

/** Each of these is made when those are there, and deleted before them. */
function expectWaiting(rows: Readonly<Record<string, string[]>>): void {
  for (const [key, others] of Object.entries(rows)) {
    const found = all()
      .find((each) => keyOf(each) === key)
      ?.dependsOn.map((other) => other.replace(/^\S*:/, ""));
    expect(found, key).toEqual(expect.arrayContaining(others));
  }
}

/** A row for each machine. */
const both = (rows: (machine: MachineName, name: string) => Rows): Rows =>
  Object.assign({}, ...machineNames.map((machine) => rows(machine, `hono-app-${machine}`)));

const arn = (service: string, resource: string) => `arn:aws:${service}:ap-northeast-2:${account}:${resource}`;
const logGroup = (name: string) => arn("logs", `log-group:hono-app-${name}-dev`);
const topic = arn("sns", "alarms");
const elb = (resource: string) => arn("elasticloadbalancing", `${resource}/1`);
const targetGroupArn = elb("targetgroup/hono-app");
const newestAmi = eachMachine(
  (name) => `ami-of-/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architectures[name].ec2}`,
);
const vpcId = "hono-app-id";
const subnetIds = (kind: string) => ["a", "c"].map((zone) => `hono-app-${kind}-${zone}-id`);
const forAll = "0.0.0.0/0";

const policyOf = (...Statement: object[]) => ({ Version: "2012-10-17", Statement });
const allow = (Sid: string, Action: string | string[], Resource: string, more = {}) => {
  return { Sid, Effect: "Allow", Action, Resource, ...more };
};
const description = expect.stringMatching(/^[A-Z]/);
/** A role that a service alone may take. */
const role = (service: string, Condition?: object) => {
  const Principal = { Service: `${service}.amazonaws.com` };
  const assumeRolePolicy = policyOf({ Effect: "Allow", Action: "sts:AssumeRole", Principal, Condition });
  return { path: "/hono-app/dev/", description, assumeRolePolicy, forceDetachPolicies: true };
};
const pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const pulling = [
  allow("Login", "ecr:GetAuthorizationToken", "*"),
  allow("Pull", pull, arn("ecr", "repository/hono-app-dev")),
];
const writeLog = (group: string, ...more: string[]) =>
  allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents", ...more], `${logGroup(group)}:*`);
const tcp = (port: number) => ({ ipProtocol: "tcp", fromPort: port, toPort: port });
/** A security group's rule: the group, the port, and who is let in or reached: a network, or another group. */
const rule = (securityGroupId: string, port: number, peer: string) => ({
  securityGroupId,
  description,
  ...tcp(port),
  ...(peer.includes("/") ? { cidrIpv4: peer } : { referencedSecurityGroupId: peer }),
});
const group = { vpcId, description };

/** Subnets of a kind, in both zones, and what they have in common. */
const layer = (kind: string, blocks: readonly string[], target?: object): Rows => {
  const routeTableId = `hono-app-${kind}-id`;
  const subnets = ["a", "c"].map((zone, index) => ({
    [`Subnet hono-app-${kind}-${zone}`]: { vpcId, availabilityZone: `ap-northeast-2${zone}`, cidrBlock: blocks[index] },
    [`RouteTableAssociation hono-app-${kind}-${zone}`]: { routeTableId, subnetId: `hono-app-${kind}-${zone}-id` },
  }));
  return {
    [`RouteTable hono-app-${kind}`]: { vpcId },
    ...(target && { [`Route hono-app-${kind}`]: { routeTableId, destinationCidrBlock: forAll, ...target } }),
    ...Object.assign({}, ...subnets),
  };
};
/** They have the same blocks whether or not there are private ones. */
const publicSubnets = layer("public", ["10.0.0.0/24", "10.0.2.0/24"], { gatewayId: "hono-app-id" });
const privateSubnets = (target?: object) => layer("private", ["10.0.8.0/24", "10.0.10.0/24"], target);

const expire = (rulePriority: number, description: string, selection: object) => {
  return { rulePriority, description, selection, action: { type: "expire" } };
};

const tagged = { tagStatus: "tagged", tagPrefixList: ["content-"] };
const old = { tagStatus: "untagged", countType: "sinceImagePushed", countUnit: "days", countNumber: 30 };
const releases = (count: number) => ({
  repository: "hono-app-dev",
  policy: {
    rules: [
      expire(1, `Keep the newest ${count} releases`, {
        ...tagged,
        countType: "imageCountMoreThan",
        countNumber: count,
      }),
      expire(2, "Expire what has no tag 30 days after its push", old),
    ],
  },
});

const shared: Rows = {
  // A release's tag is immutable, and no rule can expire the image in use: releases go by their number, and `latest` by none.
  "Repository hono-app": {
    name: "hono-app-dev",
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "latest", filterType: "WILDCARD" }],
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: "KMS" }],
    forceDelete: false,
  },
  "LifecyclePolicy hono-app": releases(30),
  // Closed to every other account, and to nobody else.
  "RepositoryPolicy hono-app": {
    repository: "hono-app-dev",
    policy: policyOf({
      Sid: "OnlyThisAccount",
      Effect: "Deny",
      Principal: "*",
      Action: "ecr:*",
      Condition: {
        StringNotEquals: { "aws:PrincipalAccount": account },
        Bool: { "aws:PrincipalIsAWSService": "false" },
      },
    }),
  },

  "LogGroup hono-app-machines-dev": { retentionInDays: 30 },
  "Role hono-app": role("ec2"),
  // It may pull from the one repository, write to the streams of the one log group, serve a session, and do nothing else.
  "RolePolicy hono-app": {
    role: "hono-app",
    policy: policyOf(
      ...pulling,
      writeLog("machines"),
      allow("Session", Object.keys(entries.boundary.find(({ sid }) => sid === "Session")?.actions ?? {}), "*"),
    ),
  },
  "InstanceProfile hono-app": { role: "hono-app", path: "/hono-app/dev/" },

  "Vpc hono-app": { cidrBlock: "10.0.0.0/16", enableDnsHostnames: true },
  "InternetGateway hono-app": { vpcId },
  ...publicSubnets,
  "DefaultSecurityGroup hono-app": { vpcId, ingress: [], egress: [] },
  "SecurityGroup hono-app": group,
  // HTTPS alone leads out.
  "SecurityGroupEgressRule hono-app-https": rule("hono-app-id", 443, forAll),

  "LogGroup hono-app-flow-logs-dev": { retentionInDays: 30 },
  // For flow logs of the log group's account and region alone.
  "Role hono-app-flow-logs": role("vpc-flow-logs", {
    StringEquals: { "aws:SourceAccount": account },
    ArnLike: { "aws:SourceArn": arn("ec2", "vpc-flow-log/*") },
  }),
  "RolePolicy hono-app-flow-logs": {
    role: "hono-app-flow-logs",
    policy: policyOf(writeLog("flow-logs", "logs:DescribeLogStreams")),
  },
  "FlowLog hono-app": {
    vpcId,
    trafficType: "REJECT",
    logDestination: logGroup("flow-logs"),
    iamRoleArn: `arn:aws:iam::${account}:role/hono-app-flow-logs`,
  },
};

/** The machines' policy for the parameters below a path. Another path is another policy: a rollback's machines read the old one. */
const secretsOf = (path: string, hash: string): Rows => {
  const parameters = arn("ssm", `parameter${path}/*`);
  return {
    [`RolePolicy hono-app-secrets-${hash}`]: {
      role: "hono-app",
      policy: policyOf(
        allow("Secrets", "ssm:GetParameter", parameters),
        allow("Decrypt", "kms:Decrypt", arn("kms", "key/*"), {
          Condition: {
            StringEquals: { "kms:ViaService": "ssm.ap-northeast-2.amazonaws.com" },
            StringLike: { "kms:EncryptionContext:PARAMETER_ARN": parameters },
          },
        }),
      ),
    },
  };
};

const types = { graviton: "t4g.small", intel: "t3.small" };
/** The script of the machine of the program that has just run. */
function scriptOf(machine: MachineName, more?: Partial<UserDataArgs>): string {
  const { reference } = only("hono-app:index:Image", "hono-app").outputs as { reference: UserDataArgs["image"] };
  const own = { instanceType: types[machine], architecture: architectures[machine], image: reference };
  return userData({ ...launchArgs, logGroup: "hono-app-machines-dev", ...own, ...more });
}
/** IMDSv2 with one hop, and full speed from the start. */
const launched = {
  metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
  creditSpecification: { cpuCredits: "unlimited" },
};
/** What a machine of an architecture must be. */
const expectedOf = (machine: MachineName) => {
  const { machine: uname, image, process } = architectures[machine];
  return { machine: uname, image, process, digest, imageId: `sha256:${image}` };
};
const proof = { region: "ap-northeast-2", logGroup: "hono-app-machines-dev" };

test("a pair, with other settings than the defaults", async () => {
  await runProgram({
    port: "8080",
    allowedCidrs: '["203.0.113.0/24","198.51.100.7/32"]',
    appEnvironment: '["A=b"]',
    appSecrets: '["API_KEY"]',
    forceDelete: "true",
    keepReleases: "5",
    latestTag: "false",
    logRetentionDays: "365",
    volumeSizeGiB: "9",
    verificationTimeoutSeconds: "300",
  });
  const settings = { port: 8080, environment: ["A=b"], secrets: { path: "/hono-app/dev", names: ["API_KEY"] } };
  expect(asked()).toEqual({
    ...shared,
    "Repository hono-app": {
      ...shared["Repository hono-app"],
      imageTagMutability: "IMMUTABLE",
      imageTagMutabilityExclusionFilters: undefined,
      forceDelete: true,
    },
    "LifecyclePolicy hono-app": releases(5),
    "LogGroup hono-app-machines-dev": { retentionInDays: 365 },
    "LogGroup hono-app-flow-logs-dev": { retentionInDays: 365 },
    ...secretsOf("/hono-app/dev", "567e3b47"),
    "SecurityGroupIngressRule hono-app-203.0.113.0/24-8080": rule("hono-app-id", 8080, "203.0.113.0/24"),
    "SecurityGroupIngressRule hono-app-198.51.100.7/32-8080": rule("hono-app-id", 8080, "198.51.100.7/32"),
    ...both((machine, name) => ({
      [`Instance ${name}`]: {
        ...launched,
        ami: newestAmi[machine],
        instanceType: types[machine],
        subnetId: machine === "graviton" ? "hono-app-public-a-id" : "hono-app-public-c-id",
        vpcSecurityGroupIds: ["hono-app-id"],
        iamInstanceProfile: "hono-app",
        associatePublicIpAddress: true,
        userData: scriptOf(machine, settings),
        userDataReplaceOnChange: true,
        rootBlockDevice: { encrypted: true, volumeType: "gp3", volumeSize: 9, deleteOnTermination: true },
        ebsOptimized: true,
        monitoring: true,
      },
      // By its own address, with the index's digests.
      [`Verification ${name}`]: {
        ...proof,
        url: "http://203.0.113.7:8080",
        timeout: 300,
        expected: { ...expectedOf(machine), instanceId: `${name}-id` },
      },
    })),
  });
  expect(only("hono-app:index:Image").outputs?.tags).toEqual([expect.stringMatching(/^content-/)]);
  const ofInstance = {
    ignoreChanges: ["ami"],
    replaceOnChanges: [
      ...["rootBlockDevice.volumeSize", "vpcSecurityGroupIds", "creditSpecification", "iamInstanceProfile"],
      ...["instanceType", "rootBlockDevice.volumeType"],
    ],
  };
  expect(options()).toEqual({ ...stays, ...both((_, name) => ({ [`Instance ${name}`]: ofInstance })) });
  expectWaiting({
    "Image hono-app": ["Repository hono-app"],
    "InstanceProfile hono-app": ["RolePolicy hono-app", "RolePolicy hono-app-secrets-567e3b47"],
    "FlowLog hono-app": ["RolePolicy hono-app-flow-logs"],
    "RouteTableAssociation hono-app-public-a": ["Route hono-app-public"],
  });
});

/** The load balancer: people reach it alone, and it alone reaches the app on the machines. */
const balancer = (cidrs: string[], ...listeners: readonly [name: string, port: number, more: object][]): Rows => ({
  "SecurityGroup hono-app-balancer": group,
  "SecurityGroupEgressRule hono-app-balancer": rule("hono-app-balancer-id", 80, "hono-app-id"),
  "SecurityGroupIngressRule hono-app-from-balancer": rule("hono-app-id", 80, "hono-app-balancer-id"),
  "LoadBalancer hono-app": {
    loadBalancerType: "application",
    subnets: subnetIds("public"),
    securityGroups: ["hono-app-balancer-id"],
    // The app keeps a connection for 75 s: test/unit/app/app.test.ts.
    idleTimeout: 60,
    dropInvalidHeaderFields: true,
    desyncMitigationMode: "defensive",
    enableDeletionProtection: false,
  },
  "TargetGroup hono-app": {
    vpcId,
    targetType: "instance",
    protocol: "HTTP",
    port: 80,
    healthCheck: {
      path: "/health",
      matcher: "200",
      interval: 5,
      timeout: 4,
      healthyThreshold: 2,
      unhealthyThreshold: 2,
    },
    deregistrationDelay: 30,
    loadBalancingAlgorithmType: "least_outstanding_requests",
  },
  ...Object.fromEntries(
    listeners.flatMap(([name, port, more]) => [
      [`Listener hono-app-${name}`, { loadBalancerArn: elb("loadbalancer/app/hono-app"), port, ...more }],
      ...cidrs.map((cidr) => [
        `SecurityGroupIngressRule hono-app-balancer-${cidr}-${port}`,
        rule("hono-app-balancer-id", port, cidr),
      ]),
    ]),
  ),
});
const forward = { defaultActions: [{ type: "forward", targetGroupArn }] };

const interfaces = { securityGroups: ["hono-app-id"], deleteOnTermination: "true" };
const volume = { encrypted: "true", volumeType: "gp3", volumeSize: 8, deleteOnTermination: "true" };

interface Fleet extends Partial<Pick<UserDataArgs, "secrets">> {
  readonly where: "public" | "private";
  readonly min?: number;
  readonly max?: number;
  readonly grace: number;
  /** None where scaling sets it. */
  readonly size?: number;
  readonly timeout: number;
  readonly domain?: string;
}
/** Groups of machines, launched as instances are, and what releases and proves them. */
const machines = ({ where, min = 1, max = 2, grace, size, timeout, domain, secrets }: Fleet): Rows =>
  both((machine, name) => {
    const ofGroup = { ...proof, timeout, domain, expected: expectedOf(machine), groupName: name, targetGroupArn };
    const released = { ...ofGroup, address: "balancer.example", template: `${name}-id:3` };
    return {
      [`KeptAmi ${name}`]: {
        newest: newestAmi[machine],
        amiUpdate: "keep",
        occasion: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
      [`LaunchTemplate ${name}`]: {
        ...launched,
        imageId: newestAmi[machine],
        instanceType: types[machine],
        iamInstanceProfile: { name: "hono-app" },
        networkInterfaces: [{ associatePublicIpAddress: String(where === "public"), ...interfaces }],
        blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs: volume }],
        ebsOptimized: "true",
        monitoring: { enabled: true },
        userData: Buffer.from(scriptOf(machine, secrets && { secrets })).toString("base64"),
        updateDefaultVersion: true,
      },
      // In every subnet, behind the load balancer; a machine is terminated only when another serves.
      [`Group ${name}`]: {
        launchTemplate: { id: `${name}-id`, version: "3" },
        minSize: min,
        maxSize: max,
        desiredCapacity: size,
        vpcZoneIdentifiers: subnetIds(where),
        targetGroupArns: [targetGroupArn],
        healthCheckType: "ELB",
        healthCheckGracePeriod: grace,
        defaultInstanceWarmup: 60,
        instanceMaintenancePolicy: { minHealthyPercentage: 100, maxHealthyPercentage: 200 },
        waitForCapacityTimeout: "0",
        enabledMetrics: ["GroupInServiceInstances"],
      },
      [`Rollout ${name}`]: { ...released, size },
      [`GroupVerification ${name}`]: { ...released, min, subnetIds: subnetIds(where) },
    };
  });

const ofFleet = {
  ...both((_, name) => ({
    [`Group ${name}`]: { ignoreChanges: ["launchTemplate"], replaceOnChanges: ["targetGroupArns"] },
  })),
  "LoadBalancer hono-app": ofVpc,
};

test("a fleet: private machines, whose one NAT gateway is in a public subnet, and secrets of another path", async () => {
  const path = "/hono-app/all";
  await runProgram({ fleet: "true", verificationTimeoutSeconds: "30", appSecrets: '["A"]', appSecretsPath: path });
  expect(asked()).toEqual({
    ...shared,
    ...secretsOf(path, "5dff96cc"),
    "Eip hono-app-a": {},
    "NatGateway hono-app-a": { subnetId: "hono-app-public-a-id", allocationId: "hono-app-a-allocation" },
    ...privateSubnets({ natGatewayId: "hono-app-a-id" }),
    ...balancer([forAll], ["http", 80, { protocol: "HTTP", ...forward }]),
    // A machine that boots has five minutes at the least.
    ...machines({ where: "private", grace: 300, size: 1, timeout: 30, secrets: { path, names: ["A"] } }),
  });
  expect(options()).toEqual({ ...stays, ...ofFleet, "Eip hono-app-a": ofVpc });
  expectWaiting({
    "RouteTableAssociation hono-app-private-a": ["Route hono-app-private"],
    // The machines' way out, without which none would become healthy.
    "Balancer hono-app": ["Route hono-app-private"],
    "MachineGroup hono-app-graviton": ["Listener hono-app-http"],
    "MachineGroup hono-app-intel": ["Listener hono-app-http"],
    "GroupVerification hono-app-intel": ["Rollout hono-app-intel"],
  });
});

test("a fleet: machines with addresses of their own", async () => {
  await runProgram({ fleet: "true", egress: "public" });
  expect(asked()).toEqual({
    ...shared,
    ...balancer([forAll], ["http", 80, { protocol: "HTTP", ...forward }]),
    ...machines({ where: "public", grace: 600, size: 1, timeout: 600 }),
  });
});

/** An alarm, of which the topic gets a message when it begins and when it ends. */
const alarm = (metricName: string, statistic: string, threshold: number, evaluationPeriods: number) => ({
  metricName,
  statistic,
  threshold,
  evaluationPeriods,
  period: 60,
  treatMissingData: "notBreaching",
  alarmDescription: expect.stringMatching(/^hono-app, stack dev: \S.*\. What to do: docs\/fleet\.md, "At night"$/),
  alarmActions: [topic],
  okActions: [topic],
});
const ofBalancer = (metric: string, statistic: string, threshold: number, minutes: number, dimensions: object) => {
  const comparison = { namespace: "AWS/ApplicationELB", comparisonOperator: "GreaterThanThreshold", dimensions };
  return { ...alarm(metric, statistic, threshold, minutes), ...comparison };
};

/** An endpoint in the VPC, and what may pass it. */
const endpoint = (service: string, more: object, ...passing: object[]): Rows => ({
  [`VpcEndpoint hono-app-${service.replace(".", "-")}`]: {
    vpcId,
    serviceName: `com.amazonaws.ap-northeast-2.${service}`,
    policy: JSON.stringify(policyOf(...passing.map((each) => ({ ...each, Principal: "*" })))),
    ...more,
  },
});

test("a fleet with all that it can have: endpoints for a way out, HTTPS, scaling and alarms", async () => {
  const domain = "app.example.com";
  const cidrs = ["203.0.113.0/24", "198.51.100.7/32"];
  await runProgram({
    fleet: "true",
    egress: "endpoints",
    machinesMin: "2",
    machinesMax: "6",
    cpuTarget: "60",
    verificationTimeoutSeconds: "1200",
    allowedCidrs: JSON.stringify(cidrs),
    domain,
    certificateDomain: "*.example.com",
    alarmTopic: topic,
  });
  const inVpc = {
    vpcEndpointType: "Interface",
    subnetIds: subnetIds("private"),
    securityGroupIds: ["hono-app-endpoints-id"],
    privateDnsEnabled: true,
  };
  const inS3 = { vpcEndpointType: "Gateway", routeTableIds: ["hono-app-private-id"] };
  const log = { Action: ["logs:CreateLogStream", "logs:PutLogEvents"], Resource: [arn("logs", "log-group:*")] };
  const buckets = ["prod-ap-northeast-2-starport-layer-bucket", "al2023-repos-ap-northeast-2-de612dc2"];
  const get = { Action: ["s3:GetObject"], Resource: buckets.map((bucket) => `arn:aws:s3:::${bucket}/*`) };
  const balancerAlone = { LoadBalancer: "app/hono-app/1" };
  const target = { ...balancerAlone, TargetGroup: "targetgroup/hono-app/1" };
  const redirect = [{ type: "redirect", redirect: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" } }];
  const https = {
    protocol: "HTTPS",
    certificateArn: arn("acm", "certificate/*.example.com"),
    sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    ...forward,
  };
  expect(asked()).toEqual({
    ...shared,
    ...privateSubnets(),
    "SecurityGroup hono-app-endpoints": group,
    "SecurityGroupIngressRule hono-app-endpoints": rule("hono-app-endpoints-id", 443, "hono-app-id"),
    ...endpoint("ecr.api", inVpc, ...pulling),
    ...endpoint("ecr.dkr", inVpc, ...pulling),
    ...endpoint("logs", inVpc, { Effect: "Allow", ...log }),
    ...endpoint("s3", inS3, { Effect: "Allow", ...get }),
    ...balancer(cidrs, ["http", 80, { protocol: "HTTP", defaultActions: redirect }], ["https", 443, https]),
    "MetricAlarm hono-app-unhealthy": ofBalancer("UnHealthyHostCount", "Maximum", 0, 5, target),
    "MetricAlarm hono-app-app-5xx": ofBalancer("HTTPCode_Target_5XX_Count", "Sum", 5, 1, target),
    "MetricAlarm hono-app-balancer-5xx": ofBalancer("HTTPCode_ELB_5XX_Count", "Sum", 5, 1, balancerAlone),
    "MetricAlarm hono-app-certificate": {
      ...alarm("DaysToExpiry", "Minimum", 14, 1),
      namespace: "AWS/CertificateManager",
      comparisonOperator: "LessThanThreshold",
      dimensions: { CertificateArn: https.certificateArn },
      period: 86_400,
      treatMissingData: "ignore",
    },
    ...machines({ where: "private", min: 2, max: 6, grace: 1200, timeout: 1200, domain }),
    ...both((_, name) => ({
      [`MetricAlarm ${name}-missing`]: {
        ...alarm("GroupInServiceInstances", "Minimum", 2, 5),
        namespace: "AWS/AutoScaling",
        comparisonOperator: "LessThanThreshold",
        dimensions: { AutoScalingGroupName: name },
      },
      [`Policy ${name}`]: {
        autoscalingGroupName: name,
        policyType: "TargetTrackingScaling",
        targetTrackingConfiguration: {
          predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" },
          targetValue: 60,
        },
      },
    })),
  });
  // Nobody is sent to HTTPS before it answers, and lets everybody in; an endpoint, while it is there, lets machines in.
  const letIn = cidrs.map((cidr) => `SecurityGroupIngressRule hono-app-balancer-${cidr}-443`);
  expectWaiting({
    "Listener hono-app-http": ["Listener hono-app-https", ...letIn],
    "VpcEndpoint hono-app-logs": ["SecurityGroupIngressRule hono-app-endpoints"],
    "VpcEndpoint hono-app-s3": ["SecurityGroupIngressRule hono-app-endpoints"],
  });
});

test("in China EC2, Systems Manager and ECR's endpoints have names of their own", async () => {
  await mock();
  const repositoryArn = `arn:aws-cn:ecr:cn-north-1:${account}:repository/app`;
  const { instanceProfile } = new InstanceRole("app", { repositoryArn, logGroupArn: "", secretsPath: "/app/dev" });
  const network = { vpcId: "", subnetIds: [], routeTableId: "", machineSecurityGroupId: "" };
  new Endpoints("app", { ...network, repositoryArn });
  await settle(instanceProfile);
  const roles = ["aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"].flatMap((type) => find(type));
  const services = JSON.stringify(roles.map(({ inputs }) => inputs)).match(/[\w.-]+\.amazonaws\.com[.\w]*/g);
  expect(services).toEqual(["ec2.amazonaws.com.cn", "ssm.cn-north-1.amazonaws.com.cn"]);
  const names = find("aws:ec2/vpcEndpoint:VpcEndpoint").map(({ inputs }) => inputs.serviceName);
  const cn = "com.amazonaws.cn-north-1";
  expect(names.sort()).toEqual([`cn.${cn}.ecr.api`, `cn.${cn}.ecr.dkr`, `${cn}.logs`, `${cn}.s3`]);
});

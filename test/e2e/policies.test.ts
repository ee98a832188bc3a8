import { EC2 } from "@aws-sdk/client-ec2";
import { ECR } from "@aws-sdk/client-ecr";
import { IAM } from "@aws-sdk/client-iam";
import { STS } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { type Entry, entries, type PolicyName, policy } from "../../policies/policy.ts";
import { allCalls, aws, configured, deployed, instanceRole, repositoryName, shell, summary } from "../support/stack.ts";

const account = "123456789012";
const boundary = `arn:aws:iam::${account}:policy/boundary`;
const root = new IAM(aws);
const tags = { app: "hono-app", stack: "local" };
const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
});

// A user of its own, so that its calls are recorded apart: with the policies for this stack alone, and the boundary.
const user = { UserName: "tried" };
const arnOf = (name: string) => `arn:aws:iam::${account}:policy/${name}`;
const policies = ["preview", "deploy-bound"].map(arnOf);
let AccessKeyId = "";
let tried: typeof aws;

beforeAll(async () => {
  await deployed();
  const values = { account, region: aws.region, name: "hono-app", stack: "local", boundary };
  await root.createPolicy({ PolicyName: "deploy-bound", PolicyDocument: JSON.stringify(policy("deploy", values)) });
  await root.createUser(user);
  for (const PolicyArn of policies) await root.attachUserPolicy({ ...user, PolicyArn });
  const { AccessKey } = await root.createAccessKey(user);
  AccessKeyId = AccessKey?.AccessKeyId ?? "";
  const credentials = { accessKeyId: AccessKeyId, secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
  tried = { ...aws, credentials };
});

afterAll(async () => {
  await root.deleteAccessKey({ ...user, AccessKeyId });
  for (const PolicyArn of policies) await root.detachUserPolicy({ ...user, PolicyArn });
  await root.deleteUser(user);
  await root.deletePolicy({ PolicyArn: arnOf("deploy-bound") });
});

/** The refusal of a call: the error's name, and what it says is not allowed. */
async function refusal(call: Promise<unknown>): Promise<string> {
  const answer = await call.then(
    () => "allowed",
    ({ name, message }: Error) => `${name}: ${message.replace(/^.*is not authorized to perform: /, "")}`,
  );
  return answer.replace(/ because .*$/, "");
}

describe("the user who deploys", () => {
  test("creates a role with the boundary, and none without it", async () => {
    const iam = new IAM(tried);
    const role = { RoleName: "hono-app-tried", Path: "/hono-app/local/", AssumeRolePolicyDocument: trust, Tags };
    const denied = `AccessDenied: iam:CreateRole on resource: arn:aws:iam::${account}:role/hono-app/local/hono-app-tried`;
    expect(await refusal(iam.createRole(role))).toBe(denied);
    const other = `arn:aws:iam::${account}:policy/deploy`;
    expect(await refusal(iam.createRole({ ...role, PermissionsBoundary: other }))).toBe(denied);
    expect(await refusal(iam.createRole({ ...role, PermissionsBoundary: boundary }))).toBe("allowed");
    expect(await refusal(iam.deleteRolePermissionsBoundary(role))).toMatch("iam:DeleteRolePermissionsBoundary");
    await iam.deleteRole(role);
  });

  test("cannot terminate an instance without the stack's tags, or read its user data, or pass another role", async () => {
    const { intel } = await deployed();
    const all = new EC2(aws);
    const ec2 = new EC2(tried);
    const { Reservations } = await all.describeInstances({ InstanceIds: [intel.id] });
    const { ImageId, SubnetId, SecurityGroups = [] } = Reservations?.[0]?.Instances?.[0] ?? {};
    const launch = { ImageId, InstanceType: "t3.small", MinCount: 1, MaxCount: 1 } as const;
    // Without a public address the local cloud runs no machine for it.
    const NetworkInterfaces = [{ DeviceIndex: 0, AssociatePublicIpAddress: false }];
    const { Instances = [] } = await all.runInstances({ ...launch, NetworkInterfaces });
    const InstanceIds = Instances.map(({ InstanceId = "" }) => InstanceId);
    onTestFinished(async () => void (await all.terminateInstances({ InstanceIds })));
    const [InstanceId = ""] = InstanceIds;
    const on = `on resource: arn:aws:ec2:${aws.region}:${account}:instance/${InstanceId}`;
    const terminated = await refusal(ec2.terminateInstances({ InstanceIds }));
    expect(terminated).toBe(`UnauthorizedOperation: ec2:TerminateInstances ${on}`);
    const read = await refusal(ec2.describeInstanceAttribute({ InstanceId, Attribute: "userData" }));
    expect(read).toBe(`UnauthorizedOperation: ec2:DescribeInstanceAttribute ${on}`);

    const name = "other";
    const [profile, role] = [{ InstanceProfileName: name }, { RoleName: name }];
    await root.createRole({ ...role, AssumeRolePolicyDocument: trust });
    onTestFinished(async () => void (await root.deleteRole(role)));
    await root.createInstanceProfile(profile);
    onTestFinished(async () => void (await root.deleteInstanceProfile(profile)));
    await root.addRoleToInstanceProfile({ ...profile, ...role });
    onTestFinished(async () => void (await root.removeRoleFromInstanceProfile({ ...profile, ...role })));
    const own = { SubnetId, SecurityGroupIds: SecurityGroups.map(({ GroupId = "" }) => GroupId) };
    const TagSpecifications = (["instance", "volume"] as const).map((ResourceType) => ({ ResourceType, Tags }));
    const IamInstanceProfile = { Name: name };
    expect(await refusal(ec2.runInstances({ ...launch, ...own, TagSpecifications, IamInstanceProfile }))).toBe(
      `UnauthorizedOperation: iam:PassRole on resource: arn:aws:iam::${account}:role/other`,
    );
  });
});

test("a role with the boundary still pulls, and can do no more whatever policy it gets", async () => {
  const pulumiUp = ({ credentials: { accessKeyId, secretAccessKey } }: typeof aws) =>
    shell("pulumi up --stack local --yes --skip-preview --non-interactive", {
      env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    });
  let back = "";
  try {
    await configured({ permissionsBoundary: boundary }, async () => {
      const { output } = await pulumiUp(tried);
      // Two roles, and the components that take the boundary: InstanceRole, Network, FlowLogs.
      expect(summary(output)).toEqual({ updated: 5, unchanged: expect.any(Number) });
    });
    const { Role: role } = await root.getRole({ RoleName: instanceRole() });
    const session = await new STS(aws).assumeRole({ RoleArn: role?.Arn, RoleSessionName: "tried" });
    const { AccessKeyId = "", SecretAccessKey = "", SessionToken } = session.Credentials ?? {};
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
    const ecr = new ECR({ ...aws, credentials });
    const imageIds = [{ imageTag: "latest" }];
    expect((await ecr.batchGetImage({ repositoryName, imageIds })).images).toHaveLength(1);
    const everything = { Effect: "Allow", Action: "*", Resource: "*" };
    const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [everything] });
    const given = { RoleName: role?.RoleName, PolicyName: "everything" };
    await root.putRolePolicy({ ...given, PolicyDocument });
    await expect(new IAM({ ...aws, credentials }).createUser({ UserName: "x" })).rejects.toThrow(
      "because no permissions boundary allows the iam:CreateUser action",
    );
    await root.deleteRolePolicy(given);
  } finally {
    // The user who deploys may not remove a boundary.
    back = (await pulumiUp(aws)).output;
  }
  expect(summary(back).updated).toBe(5);
});

test("refuses a boundary that does not exist", async () => {
  const PermissionsBoundary = `arn:aws:iam::${account}:policy/none`;
  const made = root.createRole({ RoleName: "x", AssumeRolePolicyDocument: trust, PermissionsBoundary });
  expect(await refusal(made)).toBe(
    `NoSuchEntityException: Scope ARN: ${PermissionsBoundary} does not exist or is not attachable.`,
  );
});

// Last of all end-to-end tests (sequencer.ts): the calls of all of them are recorded by now.
describe.skipIf(!inject("whole"))("in all end-to-end tests", () => {
  interface Call {
    readonly identity: string;
    readonly action: string;
    readonly resource: string;
    /** Condition keys, the resource's tags among them. */
    readonly context: Readonly<Record<string, unknown>>;
    readonly allowed: boolean;
    /** Statements that allow it. */
    readonly by?: string[];
  }
  let calls: Call[];

  beforeAll(async () => {
    calls = (await allCalls()).map((line) => JSON.parse(line));
  }, 600_000);

  const isUser = (...names: string[]) => {
    const arns = names.map((name) => `arn:aws:iam::${account}:user/${name}`);
    return ({ identity }: Call) => arns.includes(identity);
  };
  const isMachine = ({ identity }: Call) => /assumed-role\/hono-app-[0-9a-f]+\/i-/.test(identity);

  test("the users who deploy and preview asked for nothing that is not allowed", () => {
    // An instance that is gone has no tags; a refresh still asks for its console, and continues without it.
    const isOfGone = ({ action, context }: Call) =>
      action === "ec2:GetConsoleOutput" && !("aws:ResourceTag/stack" in context);
    const denied = calls.filter((call) => !call.allowed && !isOfGone(call));
    expect(denied.filter(isUser("deployer", "previewer"))).toEqual([]);
  });

  /** What a policy allows with no reason given, and no test asked for. */
  function unasked(name: PolicyName, by: (call: Call) => boolean): string[] {
    const asked = new Set(
      calls
        .filter((call) => call.allowed && by(call))
        .flatMap((call) => call.by?.map((sid) => `${sid}: ${call.action}`) ?? []),
    );
    const reasoned = ({ why: all, actions }: Entry) =>
      Object.entries(actions).map(([action, why]) => [action, why ?? all] as const);
    return entries[name]
      .flatMap((entry) => reasoned(entry).flatMap(([action, why]) => (why ? [] : [`${entry.sid}: ${action}`])))
      .filter((each) => !asked.has(each));
  }

  test("every allowed action was asked for, or says why AWS needs it", () => {
    expect(unasked("deploy", isUser("deployer"))).toEqual([]);
    expect(unasked("fleet", isUser("deployer"))).toEqual([]);
    // A fleet is previewed by who deploys it alone.
    expect(unasked("preview", isUser("deployer", "previewer"))).toEqual([]);
    expect(unasked("boundary", isMachine)).toEqual([]);
  });
});

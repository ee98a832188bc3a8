import { beforeEach, expect, test } from "vitest";
import { InstanceRole, sessionPolicyArn } from "../../../components/instance-role.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

const logGroupArn = "arn:aws:logs:ap-northeast-2:123456789012:log-group:app-machines-1";
const repositoryArn = "arn:aws:ecr:ap-northeast-2:123456789012:repository/app-dev";

beforeEach(async () => {
  await mock();
  await settle(new InstanceRole("app", { repositoryArn, logGroupArn }).instanceProfile);
});

test("EC2 alone may take the role, which says what it is for", () => {
  expect(only("aws:iam/role:Role").inputs).toEqual({
    description: expect.stringContaining("Pulls"),
    assumeRolePolicy: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
    },
  });
});

test("it may pull from the one repository and do nothing else there", () => {
  const { policy } = only("aws:iam/rolePolicy:RolePolicy", "app-pull").inputs as { policy: { Statement: unknown } };
  expect(policy.Statement).toEqual([
    { Sid: "Login", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Sid: "Pull",
      Effect: "Allow",
      Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      Resource: repositoryArn,
    },
  ]);
});

test("it may write to the streams of the one log group, and neither read them nor make another group", () => {
  const { policy } = only("aws:iam/rolePolicy:RolePolicy", "app-log").inputs as { policy: { Statement: unknown } };
  expect(policy.Statement).toEqual([
    {
      Sid: "WriteLog",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: `${logGroupArn}:*`,
    },
  ]);
});

test("no machine has the profile before the role may pull, log and be reached", () => {
  expect(only("aws:iam/instanceProfile:InstanceProfile").dependsOn).toEqual(
    expect.arrayContaining([
      "aws:iam/rolePolicy:RolePolicy app-log",
      "aws:iam/rolePolicy:RolePolicy app-pull",
      "aws:iam/rolePolicyAttachment:RolePolicyAttachment app-session",
    ]),
  );
});

test("Session Manager is the one managed policy, and the profile is the role's", () => {
  expect(find("aws:iam/rolePolicyAttachment:RolePolicyAttachment").map(({ inputs }) => inputs.policyArn)).toEqual([
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
  ]);
  expect(sessionPolicyArn(repositoryArn.replace("aws", "aws-cn"))).toBe(
    "arn:aws-cn:iam::aws:policy/AmazonSSMManagedInstanceCore",
  );
  expect(only("aws:iam/instanceProfile:InstanceProfile").inputs.role).toBe("app");
});

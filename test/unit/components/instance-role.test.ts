import { beforeEach, expect, test } from "vitest";
import { InstanceRole, sessionPolicyArn } from "../../../components/instance-role.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

const repositoryArn = "arn:aws:ecr:ap-northeast-2:123456789012:repository/app-dev";

beforeEach(async () => {
  await mock();
  await settle(new InstanceRole("app", { repositoryArn }).instanceProfile);
});

test("EC2 alone may take the role", () => {
  expect(only("aws:iam/role:Role").inputs.assumeRolePolicy).toEqual({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
  });
});

test("it may pull from the one repository and do nothing else there", () => {
  const { policy } = only("aws:iam/rolePolicy:RolePolicy").inputs as { policy: { Statement: unknown } };
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

test("Session Manager is the one managed policy, and the profile is the role's", () => {
  expect(find("aws:iam/rolePolicyAttachment:RolePolicyAttachment").map(({ inputs }) => inputs.policyArn)).toEqual([
    "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
  ]);
  expect(sessionPolicyArn(repositoryArn.replace("aws", "aws-cn"))).toBe(
    "arn:aws-cn:iam::aws:policy/AmazonSSMManagedInstanceCore",
  );
  expect(only("aws:iam/instanceProfile:InstanceProfile").inputs.role).toBe("app");
});

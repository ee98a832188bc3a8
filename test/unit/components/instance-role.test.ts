import { beforeEach, expect, test } from "vitest";
import { InstanceRole } from "../../../components/instance-role.ts";
import { entriesOf } from "../../../policies/policy.ts";
import { mock, only, settle } from "../../support/mocks.ts";

const logGroupArn = "arn:aws:logs:ap-northeast-2:123456789012:log-group:app-machines-1";
const repositoryArn = "arn:aws:ecr:ap-northeast-2:123456789012:repository/app-dev";

beforeEach(async () => {
  await mock();
  await settle(new InstanceRole("app", { repositoryArn, logGroupArn, secretsPath: "/app/dev" }).instanceProfile);
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

test("it may pull from the one repository, write to the streams of the one log group, serve a session, read and decrypt the parameters of its path, and do nothing else", () => {
  const { role, policy } = only("aws:iam/rolePolicy:RolePolicy").inputs as {
    role: string;
    policy: { Statement: unknown };
  };
  expect(role).toBe("app");
  const parameters = "arn:aws:ssm:ap-northeast-2:123456789012:parameter/app/dev/*";
  expect(policy.Statement).toEqual([
    { Sid: "Login", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Sid: "Pull",
      Effect: "Allow",
      Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      Resource: repositoryArn,
    },
    {
      Sid: "WriteLog",
      Effect: "Allow",
      Action: ["logs:CreateLogStream", "logs:PutLogEvents"],
      Resource: `${logGroupArn}:*`,
    },
    {
      Sid: "Session",
      Effect: "Allow",
      Action: Object.keys(entriesOf("boundary").find(({ sid }) => sid === "Session")?.actions ?? {}),
      Resource: "*",
    },
    { Sid: "Secrets", Effect: "Allow", Action: "ssm:GetParameter", Resource: parameters },
    {
      Sid: "Decrypt",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: "arn:aws:kms:ap-northeast-2:123456789012:key/*",
      Condition: {
        StringEquals: { "kms:ViaService": "ssm.ap-northeast-2.amazonaws.com" },
        StringLike: { "kms:EncryptionContext:PARAMETER_ARN": parameters },
      },
    },
  ]);
});

test("no machine has the role's profile before the role has its policy", () => {
  const { inputs, dependsOn } = only("aws:iam/instanceProfile:InstanceProfile");
  expect(inputs.role).toBe("app");
  expect(dependsOn).toContain("aws:iam/rolePolicy:RolePolicy app");
});

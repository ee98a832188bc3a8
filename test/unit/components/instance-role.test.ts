import { beforeEach, expect, test } from "vitest";
import { InstanceRole } from "../../../components/instance-role.ts";
import { entriesOf } from "../../../policies/policy.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

const logGroupArn = "arn:aws:logs:ap-northeast-2:123456789012:log-group:app-machines-1";
const repositoryArn = "arn:aws:ecr:ap-northeast-2:123456789012:repository/app-dev";

beforeEach(() => make({}));

async function make(args: { secretsPath?: string; repositoryArn?: string }): Promise<void> {
  await mock();
  await settle(new InstanceRole("app", { repositoryArn, logGroupArn, ...args }).instanceProfile);
}

test("EC2 alone may take the role, which says what it is for", () => {
  expect(only("aws:iam/role:Role").inputs).toEqual({
    path: "/app/dev/",
    description: expect.stringContaining("Pulls"),
    assumeRolePolicy: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }],
    },
  });
});

test("it may pull from the one repository, write to the streams of the one log group, serve a session, and do nothing else", () => {
  const { role, policy } = only("aws:iam/rolePolicy:RolePolicy").inputs;
  expect(role).toBe("app");
  expect((policy as { Statement: unknown }).Statement).toEqual([
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
  ]);
});

test("with secrets it may read and decrypt the parameters of their path too, by a policy that another path does not change", async () => {
  await make({ secretsPath: "/app/dev" });
  const [name] = find("aws:iam/rolePolicy:RolePolicy").flatMap(({ name }) => (name === "app" ? [] : name));
  expect(name).toMatch(/^app-secrets-[0-9a-f]{8}$/);
  const { inputs } = only("aws:iam/rolePolicy:RolePolicy", name);
  const parameters = "arn:aws:ssm:ap-northeast-2:123456789012:parameter/app/dev/*";
  expect((inputs.policy as { Statement: unknown }).Statement).toEqual([
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

test("in China EC2 and Systems Manager have other names", async () => {
  const inChina = repositoryArn.replace("aws:ecr:ap-northeast-2", "aws-cn:ecr:cn-north-1");
  await make({ secretsPath: "/app/dev", repositoryArn: inChina });
  const made = ["aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"].flatMap((type) => find(type));
  const names = JSON.stringify(made.map(({ inputs }) => inputs)).match(/[\w.-]+\.amazonaws\.com[.\w]*/g);
  expect(names).toEqual(["ec2.amazonaws.com.cn", "ssm.cn-north-1.amazonaws.com.cn"]);
});

test("no machine has the role's profile before the role has its policy", () => {
  const { inputs, dependsOn } = only("aws:iam/instanceProfile:InstanceProfile");
  expect(inputs).toMatchObject({ role: "app", path: "/app/dev/" });
  expect(dependsOn).toContain("aws:iam/rolePolicy:RolePolicy app");
});

test("another path of the secrets is another policy, which the machines have before the old one goes", async () => {
  const names: string[] = [];
  for (const secretsPath of ["/app/dev", "/app/dev2"]) {
    await make({ secretsPath });
    const { dependsOn } = only("aws:iam/instanceProfile:InstanceProfile");
    names.push(...dependsOn.filter((each) => each.includes("app-secrets-")));
  }
  expect(new Set(names).size).toBe(2);
});

import { execFileSync } from "node:child_process";
import {
  DescribeSecurityGroupRulesCommand,
  EC2Client,
  RevokeSecurityGroupIngressCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { ECRClient, PutImageTagMutabilityCommand } from "@aws-sdk/client-ecr";
import { expect, test } from "vitest";
import { answering, cloud, deployed, outputs, succeed, summary } from "./stack.ts";

const aws = {
  endpoint: cloud.endpoint,
  region: "ap-northeast-2",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
};
const ec2 = new EC2Client(aws);

test("a machine that somebody terminates: refresh shows it, up makes another", async () => {
  const before = await deployed();
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [before.intel.id] }));
  const refresh = await succeed("refresh");
  expect(refresh).toMatch(/aws:ec2:Instance hono-app-intel.*delete/);
  await succeed("up");
  const after = await outputs();
  expect(after.intel.id).not.toBe(before.intel.id);
  expect(after.graviton.id).toBe(before.graviton.id);
  expect(await answering(after.intel.url)).toBe(after.intel.id);
});

test("a rule that somebody removes closes the port: refresh shows it, up opens it again", async () => {
  const { graviton } = await deployed();
  const { SecurityGroupRules = [] } = await ec2.send(new DescribeSecurityGroupRulesCommand({}));
  const rule = SecurityGroupRules.find(({ IsEgress, FromPort }) => !IsEgress && FromPort === 80);
  const closed = { GroupId: rule?.GroupId, SecurityGroupRuleIds: [rule?.SecurityGroupRuleId as string] };
  await ec2.send(new RevokeSecurityGroupIngressCommand(closed));
  const answers = () =>
    fetch(graviton.url, { signal: AbortSignal.timeout(1000) }).then(
      () => true,
      () => false,
    );
  await expect.poll(answers, { timeout: 20_000 }).toBe(false);
  expect(await succeed("refresh")).toMatch(/aws:vpc:SecurityGroupIngressRule hono-app-0\.0\.0\.0\/0.*delete/);
  await succeed("up");
  await expect.poll(answers, { timeout: 20_000 }).toBe(true);
});

test("a repository that somebody makes mutable: refresh shows it, up repairs it", async () => {
  await deployed();
  const mutable = { repositoryName: "hono-app-local", imageTagMutability: "MUTABLE" as const };
  await new ECRClient(aws).send(new PutImageTagMutabilityCommand(mutable));
  expect(await succeed("refresh")).toMatch(/aws:ecr:Repository hono-app.*update/);
  expect(summary(await succeed("up")).updated).toBe(1);
  expect(Object.keys(summary(await succeed("refresh")))).toEqual(["unchanged"]);
});

test("with a login that has expired, refresh and destroy still work", async () => {
  await deployed();
  const pulumi = (args: string[], input?: string) =>
    execFileSync("pulumi", ["stack", ...args, "--stack", "local"], {
      cwd: cloud.project,
      env: cloud.env,
      input,
      encoding: "utf8",
    });
  const state = pulumi(["export", "--show-secrets"]);
  const expired = state.replaceAll("123456789012-auth-token", "expired-token");
  expect(expired).not.toBe(state);
  pulumi(["import"], expired);

  const refresh = await succeed("refresh");
  expect(refresh).toContain("unable to verify image tags, leaving state unchanged");
  expect(Object.keys(summary(refresh))).toEqual(["unchanged"]);
  expect(pulumi(["export", "--show-secrets"])).toContain("expired-token");
  expect(Object.keys(summary(await succeed("destroy")))).toEqual(["deleted"]);
});

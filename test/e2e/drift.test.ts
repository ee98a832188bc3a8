import type { FlowLog } from "@aws-sdk/client-ec2";
import type { Image, ImageIdentifier } from "@aws-sdk/client-ecr";
import { expect, test } from "vitest";
import { every } from "../../local/lists.ts";
import { succeeds } from "../../tools/process.ts";
import {
  answering,
  deployed,
  ec2,
  ecr,
  expiredPassword,
  expireLogin,
  iam,
  manifest,
  outputs,
  pulumiStack,
  repositoryName,
  succeed,
  summary,
  tagOf,
} from "../support/stack.ts";

async function onlyFlowLog(): Promise<FlowLog> {
  const [flowLog, ...others] = (await ec2.describeFlowLogs({})).FlowLogs ?? [];
  expect(others).toEqual([]);
  return flowLog ?? {};
}

const policy = async () => JSON.parse((await ecr.getRepositoryPolicy({ repositoryName })).policyText as string);

test("an instance, a rule, a policy and the flow log's role that were deleted by hand, and a subnet changed: refresh shows it, up repairs it", async () => {
  const before = await deployed();
  const policyBefore = await policy();
  await ec2.terminateInstances({ InstanceIds: [before.intel.id] });
  const rules = await every(ec2.paginateDescribeSecurityGroupRules({}), (page) => page.SecurityGroupRules);
  const rule = rules.find(({ IsEgress, FromPort }) => !IsEgress && FromPort === 80);
  const closed = { GroupId: rule?.GroupId, SecurityGroupRuleIds: [rule?.SecurityGroupRuleId as string] };
  await ec2.revokeSecurityGroupIngress(closed);
  await ecr.deleteRepositoryPolicy({ repositoryName });
  const { DeliverLogsPermissionArn: roleArn = "", ...flowLog } = await onlyFlowLog();
  const RoleName = roleArn.split("/").at(-1);
  const { PolicyNames: [PolicyName] = [] } = await iam.listRolePolicies({ RoleName });
  await iam.deleteRolePolicy({ RoleName, PolicyName });
  await iam.deleteRole({ RoleName });
  const subnets = async () =>
    (await ec2.describeSubnets({ Filters: [{ Name: "tag:stack", Values: ["local"] }] })).Subnets ?? [];
  const [subnet] = await subnets();
  await ec2.modifySubnetAttribute({ SubnetId: subnet?.SubnetId, MapPublicIpOnLaunch: { Value: true } });
  // A security group lets a connection go on that it has let in.
  const headers = { connection: "close" };
  const answers = () => succeeds(fetch(before.graviton.url, { headers, signal: AbortSignal.timeout(1000) }));
  await expect.poll(answers, { timeout: 20_000 }).toBe(false);
  const refresh = await succeed("refresh");
  expect(refresh).toMatch(/aws:ec2:Instance hono-app-intel.*delete/);
  expect(refresh).toMatch(/aws:vpc:SecurityGroupIngressRule hono-app-0\.0\.0\.0\/0.*delete/);
  expect(refresh).toMatch(/aws:ecr:RepositoryPolicy hono-app.*delete/);
  expect(refresh).toMatch(/aws:iam:Role hono-app-flow-logs.*delete/);
  expect(refresh).toMatch(/aws:ec2:Subnet hono-app-public-[a-h].*update/);
  // The instance with the verifications, the rule, the policy and the role with its own; the subnet; the flow log.
  expect(summary(await succeed("up"))).toMatchObject({ created: 7, updated: 1, replaced: 1 });
  const { DeliverLogsPermissionArn, LogDestination } = await onlyFlowLog();
  expect(DeliverLogsPermissionArn).toMatch(/role\/hono-app\/local\/hono-app-flow-logs-/);
  expect([DeliverLogsPermissionArn === roleArn, LogDestination]).toEqual([false, flowLog.LogDestination]);
  expect((await subnets()).map(({ MapPublicIpOnLaunch }) => MapPublicIpOnLaunch)).toEqual([false, false]);
  await expect.poll(answers, { timeout: 20_000 }).toBe(true);
  expect(await policy()).toEqual(policyBefore);
  const after = outputs();
  expect(after.intel.id).not.toBe(before.intel.id);
  expect(after.graviton.id).toBe(before.graviton.id);
  expect(await answering(after.intel.url)).toBe(after.intel.id);
});

test("a repository made mutable, a policy edited, tags moved by hand and a login that has expired: refresh shows it, up repairs it", async () => {
  const stack = await deployed();
  const policyBefore = await policy();
  const tag = tagOf(stack.imageRef);
  const { manifests: [entry] = [] } = await manifest(stack.imageRef);
  const image = async (imageId: ImageIdentifier) => {
    const { images = [] } = await ecr.batchGetImage({ repositoryName, imageIds: [imageId] });
    return images[0];
  };
  const named = async () =>
    Promise.all([tag, "latest"].map(async (imageTag) => (await image({ imageTag }))?.imageId?.imageDigest));
  // One tag may be moved, the other only deleted and set again: to images that have no other tag.
  const move = async (imageTag: string, { imageManifest, imageManifestMediaType }: Image = {}) =>
    ecr.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType });
  const one = await image({ imageDigest: entry?.digest });
  // Equal content in other bytes.
  const two = { ...one, imageManifest: `${one?.imageManifest} ` };
  await move("latest", one);
  await expect(move(tag, one)).rejects.toThrow(expect.objectContaining({ name: "ImageTagAlreadyExistsException" }));
  const index = await image({ imageTag: tag });
  await move("kept", index);
  await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: tag }] });
  const { image: moved } = await move(tag, two);
  expect(await named()).toEqual([moved?.imageId?.imageDigest, entry?.digest]);
  await ecr.putImageTagMutability({ repositoryName, imageTagMutability: "MUTABLE" });
  const Statement = [{ Sid: "Open", Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }];
  const policyText = JSON.stringify({ Version: "2012-10-17", Statement });
  await ecr.setRepositoryPolicy({ repositoryName, policyText });
  expireLogin();

  const refresh = await succeed("refresh");
  expect(refresh).toMatch(/unable to verify image tags, leaving state unchanged: .*authorization token has expired/);
  expect(pulumiStack(["export", "--show-secrets"])).toContain(expiredPassword());
  for (const changed of ["ImageIndex", "aws:ecr:Repository", "aws:ecr:RepositoryPolicy"]) {
    expect(refresh).toMatch(new RegExp(`${changed} hono-app.*update`));
  }
  expect(summary(refresh)).toEqual({ updated: 3, unchanged: expect.any(Number) });
  // As the troubleshooting guide advises.
  const up = await succeed("up");
  const digest = moved?.imageId?.imageDigest as string;
  const replaced = `replaced-${digest.slice("sha256:".length, "sha256:".length + 16)}`;
  expect(up).toContain(`${repositoryName}:${tag} names ${digest}; it is put back to ${stack.imageDigest}`);
  expect(up).toContain(`${repositoryName}@${digest} had no other tag; it is kept as ${replaced}`);
  expect(up).not.toMatch(/aws:ec2:Instance/);
  expect(summary(up).updated).toBe(3);
  expect(await policy()).toEqual(policyBefore);
  expect(await named()).toEqual([stack.imageDigest, stack.imageDigest]);
  expect((await image({ imageTag: replaced }))?.imageId?.imageDigest).toBe(digest);
  expect(outputs()).toEqual(stack);
  const again = await succeed("refresh");
  expect(Object.keys(summary(again))).toEqual(["unchanged"]);
  expect(again).not.toContain("unable to verify image tags");
  await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: replaced }, { imageTag: "kept" }] });
});

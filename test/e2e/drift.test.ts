import { execFileSync } from "node:child_process";
import {
  DescribeSecurityGroupRulesCommand,
  EC2Client,
  RevokeSecurityGroupIngressCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { ECR } from "@aws-sdk/client-ecr";
import { expect, test } from "vitest";
import { answering, aws, cloud, deployed, manifest, outputs, succeed, summary, tagOf } from "./stack.ts";

const ec2 = new EC2Client(aws);
const ecr = new ECR(aws);
const repositoryName = "hono-app-local";

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
  await ecr.putImageTagMutability({ repositoryName, imageTagMutability: "MUTABLE" });
  expect(await succeed("refresh")).toMatch(/aws:ecr:Repository hono-app.*update/);
  expect(summary(await succeed("up")).updated).toBe(1);
  expect(Object.keys(summary(await succeed("refresh")))).toEqual(["unchanged"]);
});

test("a repository's policy that somebody edits or deletes: refresh shows it, up repairs it", async () => {
  await deployed();
  const policy = async () => JSON.parse((await ecr.getRepositoryPolicy({ repositoryName })).policyText as string);
  const before = await policy();
  const Statement = [{ Sid: "Open", Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }];
  const policyText = JSON.stringify({ Version: "2012-10-17", Statement });
  await ecr.setRepositoryPolicy({ repositoryName, policyText });
  expect(await succeed("refresh")).toMatch(/aws:ecr:RepositoryPolicy hono-app.*update/);
  expect(summary(await succeed("up")).updated).toBe(1);
  expect(await policy()).toEqual(before);

  await ecr.deleteRepositoryPolicy({ repositoryName });
  expect(await succeed("refresh")).toMatch(/aws:ecr:RepositoryPolicy hono-app.*delete/);
  expect(summary(await succeed("up")).created).toBe(1);
  expect(await policy()).toEqual(before);
});

test("tags that somebody moves: refresh shows it, up puts them back, the machines go on", async () => {
  const stack = await deployed();
  const tag = tagOf(stack.imageRef);
  const { manifests: [entry] = [] } = await manifest(stack.imageRef);
  const { images: [image] = [] } = await ecr.batchGetImage({
    repositoryName,
    imageIds: [{ imageDigest: entry?.digest }],
  });
  const named = async () => {
    const { images = [] } = await ecr.batchGetImage({
      repositoryName,
      imageIds: [{ imageTag: tag }, { imageTag: "latest" }],
    });
    return images.map(({ imageId }) => imageId?.imageDigest);
  };
  // One that may be moved, and one that may only be deleted and set anew.
  const { imageManifest, imageManifestMediaType } = image ?? {};
  const move = (imageTag: string) => ecr.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType });
  await move("latest");
  await expect(move(tag)).rejects.toThrow(expect.objectContaining({ name: "ImageTagAlreadyExistsException" }));
  await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: tag }] });
  await move(tag);
  expect(await named()).toEqual([entry?.digest, entry?.digest]);

  expect(await succeed("refresh")).toMatch(/ImageIndex hono-app.*update/);
  const up = await succeed("up");
  expect(up).toContain(`${repositoryName}:${tag} names ${entry?.digest}; it is put back to ${stack.imageDigest}`);
  expect(summary(up).updated).toBe(1);
  expect(await named()).toEqual([stack.imageDigest, stack.imageDigest]);
  expect(await outputs()).toEqual(stack);
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

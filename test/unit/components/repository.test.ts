import { beforeEach, expect, test } from "vitest";
import { lifecyclePolicy, Repository } from "../../../components/repository.ts";
import { account, mock, only, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

test("scanned, encrypted, its release tags immutable; the policies are the repository's", async () => {
  await settle(new Repository("app", { name: "app-dev", keepReleases: 5 }).url);
  expect(only("aws:ecr/repository:Repository").inputs).toEqual({
    name: "app-dev",
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "latest", filterType: "WILDCARD" }],
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: "KMS" }],
    forceDelete: false,
  });
  const policy = only("aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs;
  expect(policy.repository).toBe("app-dev");
  expect(policy.policy).toEqual(lifecyclePolicy(5));
});

test("without latest every tag is immutable", async () => {
  await settle(new Repository("app", { name: "app-dev", keepReleases: 5, latestTag: false }).url);
  const { inputs } = only("aws:ecr/repository:Repository");
  expect(inputs.imageTagMutability).toBe("IMMUTABLE");
  expect(inputs).not.toHaveProperty("imageTagMutabilityExclusionFilters");
});

test("closed to every other account, and to nobody else", async () => {
  await settle(new Repository("app", { name: "app-dev", keepReleases: 5 }).url);
  const { repository, policy } = only("aws:ecr/repositoryPolicy:RepositoryPolicy").inputs;
  expect(repository).toBe("app-dev");
  expect(policy).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "OnlyThisAccount",
        Effect: "Deny",
        Principal: "*",
        Action: "ecr:*",
        Condition: {
          StringNotEquals: { "aws:PrincipalAccount": account },
          Bool: { "aws:PrincipalIsAWSService": "false" },
        },
      },
    ],
  });
});

test("forceDelete is the stack's choice", async () => {
  await settle(new Repository("app", { name: "app-dev", keepReleases: 5, forceDelete: true }).url);
  expect(only("aws:ecr/repository:Repository").inputs.forceDelete).toBe(true);
});

test("no rule can expire the image in use: releases go by number, and `latest` by none", () => {
  const action = { type: "expire" };
  expect(lifecyclePolicy(5).rules).toEqual([
    {
      rulePriority: 1,
      description: "Keep the newest 5 releases",
      selection: { tagStatus: "tagged", tagPrefixList: ["content-"], countType: "imageCountMoreThan", countNumber: 5 },
      action,
    },
    {
      rulePriority: 2,
      description: "Expire what has no tag 30 days after its push",
      selection: { tagStatus: "untagged", countType: "sinceImagePushed", countUnit: "days", countNumber: 30 },
      action,
    },
  ]);
});

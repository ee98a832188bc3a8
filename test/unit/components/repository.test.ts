import { beforeEach, expect, test } from "vitest";
import { lifecyclePolicy, Repository, repositoryPolicy } from "../../../components/repository.ts";
import { account, mock, only, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

test("scanned, encrypted, its release tags immutable; the policy is the repository's", async () => {
  const repository = new Repository("app", { name: "app-dev", keepReleases: 5, tags: { app: "x" } });
  await settle(repository.url, repository.arn);
  expect(only("aws:ecr/repository:Repository").inputs).toEqual({
    name: "app-dev",
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "latest", filterType: "WILDCARD" }],
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: "KMS" }],
    forceDelete: false,
    tags: { app: "x" },
  });
  const policy = only("aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs;
  expect(policy.repository).toBe("app-dev");
  expect(JSON.parse(policy.policy as string)).toEqual(lifecyclePolicy(5));
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
  expect(JSON.parse(policy as string)).toEqual(repositoryPolicy(account));
  expect(repositoryPolicy("1").Statement).toEqual([
    expect.objectContaining({
      Effect: "Deny",
      Condition: {
        StringNotEquals: { "aws:PrincipalAccount": "1" },
        Bool: { "aws:PrincipalIsAWSService": "false" },
      },
    }),
  ]);
});

test("forceDelete is the stack's choice", async () => {
  await settle(new Repository("app", { name: "app-dev", keepReleases: 5, forceDelete: true }).url);
  expect(only("aws:ecr/repository:Repository").inputs.forceDelete).toBe(true);
});

test("no rule can expire the image in use: releases go by number, and `latest` by none", () => {
  const { rules } = lifecyclePolicy(5);
  expect(rules.map((rule) => rule.rulePriority)).toEqual([1, 2]);
  const [releases, untagged] = rules;
  expect(releases?.selection).toEqual({
    tagStatus: "tagged",
    tagPatternList: ["content-*"],
    countType: "imageCountMoreThan",
    countNumber: 5,
  });
  expect(untagged?.selection).toMatchObject({ tagStatus: "untagged", countType: "sinceImagePushed", countNumber: 30 });
});

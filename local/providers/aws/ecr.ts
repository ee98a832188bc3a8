import { repositoryPrice } from "./prices.ts";
import type { Row } from "./row.ts";
import { when } from "./schemas.ts";
import type { Props } from "./values.ts";

const filters = "ImageTagMutabilityExclusionFilters";

const names = {
  name: "RepositoryName",
  "imageTagMutabilityExclusionFilters.filter": `${filters}[].ImageTagMutabilityExclusionFilterValue`,
  "imageTagMutabilityExclusionFilters.filterType": `${filters}[].ImageTagMutabilityExclusionFilterType`,
  "encryptionConfigurations.encryptionType": "EncryptionConfiguration.EncryptionType",
  "encryptionConfigurations.kmsKey": "EncryptionConfiguration.KmsKey",
  forceDelete: ["EmptyOnDelete", "force"],
};
const update = ["putImageTagMutability", "putImageScanningConfiguration"] as const;
// AWS's defaults, for a property that was taken out of the program.
const absent = { imageTagMutability: "MUTABLE", imageScanningConfiguration: { scanOnPush: false } };

const is = (name: string, value: string) => ({ properties: { [name]: { const: value } }, required: [name] });

// https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html
const rules = {
  uniqueKeys: ["rulePriority"],
  holds: [
    "have its rule of any image last",
    (all: Props[]) =>
      all.every(
        (each) => each.selection?.tagStatus !== "any" || !all.some((other) => other.rulePriority > each.rulePriority),
      ),
  ],
  items: {
    properties: {
      selection: {
        allOf: [
          when(is("tagStatus", "tagged"), { requiredOr: ["tagPatternList", "tagPrefixList"] }),
          when(is("tagStatus", "untagged"), { properties: { tagPatternList: false, tagPrefixList: false } }),
          when(is("countType", "imageCountMoreThan"), { properties: { countUnit: false } }),
          when(is("countType", "sinceImagePushed"), { required: ["countUnit"] }),
        ],
      },
    },
  },
};

export const ecrRows = {
  "aws:ecr/repository:Repository": {
    type: "AWS::ECR::Repository",
    names,
    price: repositoryPrice,
    list: ["describeRepositories", "repositories"],
    calls: { create: "createRepository", update, delete: "deleteRepository" },
    absent,
    // moto and AWS leave out the list where it is empty.
    more: async ({ imageTagMutabilityExclusionFilters = [] }) => ({ imageTagMutabilityExclusionFilters }),
    outputs: { repositoryUrl: "repositoryUri" },
  },
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": {
    type: "AWS::ECR::Repository",
    isPart: true,
    names: { repository: "RepositoryName", policy: ["LifecyclePolicy.LifecyclePolicyText", "lifecyclePolicyText"] },
    price: "a rule",
    partOf: "aws:ecr/repository:Repository",
    rules: { properties: { LifecyclePolicy: { properties: { LifecyclePolicyText: { properties: { rules } } } } } },
    // https://github.com/hashicorp/terraform-provider-aws/issues/49624
    replace: ["policy"],
    deleteBeforeReplace: true,
    calls: { create: "putLifecyclePolicy", get: "getLifecyclePolicy", delete: "deleteLifecyclePolicy" },
  },
  "aws:ecr/repositoryPolicy:RepositoryPolicy": {
    type: "AWS::ECR::Repository",
    isPart: true,
    names: { repository: "RepositoryName", policy: ["RepositoryPolicyText", "policyText"] },
    price: "a policy",
    partOf: "aws:ecr/repository:Repository",
    calls: { create: "setRepositoryPolicy", get: "getRepositoryPolicy", delete: "deleteRepositoryPolicy" },
  },
} satisfies Record<string, Row>;

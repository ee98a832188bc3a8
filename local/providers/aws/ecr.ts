import type { ImageTagMutability, ImageTagMutabilityExclusionFilterType } from "@aws-sdk/client-ecr";
import { ecr } from "./clients.ts";
import { orGone, type Resource } from "./provider.ts";
import { fromTags, toTags } from "./tags.ts";
import type { Props } from "./values.ts";

const mutability = (inputs: Props) => ({
  imageTagMutability: inputs.imageTagMutability as ImageTagMutability | undefined,
  imageTagMutabilityExclusionFilters: inputs.imageTagMutabilityExclusionFilters?.map((item: Props) => ({
    filter: item.filter as string,
    filterType: item.filterType as ImageTagMutabilityExclusionFilterType,
  })),
});

const scanning = (inputs: Props) => ({ scanOnPush: inputs.imageScanningConfiguration?.scanOnPush ?? false });

const repository: Resource = {
  noun: "ECR Repository",
  cloudFormation: {
    type: "AWS::ECR::Repository",
    names: {
      name: "RepositoryName",
      "imageTagMutabilityExclusionFilters.filter":
        "ImageTagMutabilityExclusionFilters[].ImageTagMutabilityExclusionFilterValue",
      "imageTagMutabilityExclusionFilters.filterType":
        "ImageTagMutabilityExclusionFilters[].ImageTagMutabilityExclusionFilterType",
      "encryptionConfigurations.encryptionType": "EncryptionConfiguration.EncryptionType",
      "encryptionConfigurations.kmsKey": "EncryptionConfiguration.KmsKey",
      forceDelete: "EmptyOnDelete",
    },
  },
  autoName: 256,
  inputs: {
    name: ["replace"],
    imageTagMutability: [],
    "imageTagMutabilityExclusionFilters.filter": [],
    "imageTagMutabilityExclusionFilters.filterType": [],
    "imageScanningConfiguration.scanOnPush": [],
    "encryptionConfigurations.encryptionType": ["replace"],
    "encryptionConfigurations.kmsKey": ["replace"],
    forceDelete: [],
    tags: [],
  },
  async create(inputs) {
    await (await ecr()).createRepository({
      repositoryName: inputs.name,
      ...mutability(inputs),
      imageScanningConfiguration: scanning(inputs),
      encryptionConfiguration: inputs.encryptionConfigurations?.[0],
      tags: toTags(inputs.tags),
    });
    return inputs.name;
  },
  async read(id) {
    const api = await ecr();
    const found = await orGone(api.describeRepositories({ repositoryNames: [id] }), "RepositoryNotFoundException");
    const live = found?.repositories?.[0];
    if (!live) return undefined;
    const { tags } = await api.listTagsForResource({ resourceArn: live.repositoryArn });
    return {
      name: live.repositoryName,
      arn: live.repositoryArn,
      registryId: live.registryId,
      repositoryUrl: live.repositoryUri,
      imageTagMutability: live.imageTagMutability,
      imageTagMutabilityExclusionFilters: live.imageTagMutabilityExclusionFilters ?? [],
      imageScanningConfiguration: live.imageScanningConfiguration,
      encryptionConfigurations: live.encryptionConfiguration ? [live.encryptionConfiguration] : [],
      tags: fromTags(tags),
    };
  },
  async update(id, inputs, changed) {
    const api = await ecr();
    if (changed.some((property) => property.startsWith("imageTagMutability"))) {
      // AWS's default, for a property that was taken out of the program.
      const { imageTagMutability = "MUTABLE", ...rest } = mutability(inputs);
      await api.putImageTagMutability({ repositoryName: id, imageTagMutability, ...rest });
    }
    if (changed.includes("imageScanningConfiguration")) {
      await api.putImageScanningConfiguration({ repositoryName: id, imageScanningConfiguration: scanning(inputs) });
    }
  },
  async retag(_id, tags, removed, { arn: resourceArn }) {
    const api = await ecr();
    if (removed.length > 0) await api.untagResource({ resourceArn, tagKeys: removed });
    await api.tagResource({ resourceArn, tags: toTags(tags) });
  },
  async delete(id, { forceDelete: force }) {
    await orGone((await ecr()).deleteRepository({ repositoryName: id, force }), "RepositoryNotFoundException");
  },
};

const lifecyclePolicy: Resource = {
  noun: "ECR Lifecycle Policy",
  cloudFormation: {
    type: "AWS::ECR::Repository",
    isPart: true,
    names: { repository: "RepositoryName", policy: "LifecyclePolicy.LifecyclePolicyText" },
  },
  inputs: { repository: ["required", "replace"], policy: ["required", "json"] },
  async create({ repository, policy }) {
    await (await ecr()).putLifecyclePolicy({ repositoryName: repository, lifecyclePolicyText: policy });
    return repository;
  },
  async read(id) {
    const call = (await ecr()).getLifecyclePolicy({ repositoryName: id });
    const live = await orGone(call, "LifecyclePolicyNotFoundException", "RepositoryNotFoundException");
    return live && { repository: live.repositoryName, registryId: live.registryId, policy: live.lifecyclePolicyText };
  },
  async update(id, { policy }) {
    await (await ecr()).putLifecyclePolicy({ repositoryName: id, lifecyclePolicyText: policy });
  },
  async delete(id) {
    const call = (await ecr()).deleteLifecyclePolicy({ repositoryName: id });
    await orGone(call, "LifecyclePolicyNotFoundException", "RepositoryNotFoundException");
  },
};

const repositoryPolicy: Resource = {
  noun: "ECR Repository Policy",
  cloudFormation: {
    type: "AWS::ECR::Repository",
    isPart: true,
    names: { repository: "RepositoryName", policy: "RepositoryPolicyText" },
  },
  inputs: { repository: ["required", "replace"], policy: ["required", "json"] },
  async create({ repository, policy }) {
    await (await ecr()).setRepositoryPolicy({ repositoryName: repository, policyText: policy });
    return repository;
  },
  async read(id) {
    const call = (await ecr()).getRepositoryPolicy({ repositoryName: id });
    const live = await orGone(call, "RepositoryPolicyNotFoundException", "RepositoryNotFoundException");
    return live && { repository: live.repositoryName, registryId: live.registryId, policy: live.policyText };
  },
  async update(id, { policy }) {
    await (await ecr()).setRepositoryPolicy({ repositoryName: id, policyText: policy });
  },
  async delete(id) {
    const call = (await ecr()).deleteRepositoryPolicy({ repositoryName: id });
    await orGone(call, "RepositoryPolicyNotFoundException", "RepositoryNotFoundException");
  },
};

export const ecrResources = {
  "aws:ecr/repository:Repository": repository,
  "aws:ecr/lifecyclePolicy:LifecyclePolicy": lifecyclePolicy,
  "aws:ecr/repositoryPolicy:RepositoryPolicy": repositoryPolicy,
};

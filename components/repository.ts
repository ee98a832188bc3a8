import { LifecyclePolicy } from "@pulumi/aws/ecr/lifecyclePolicy.js";
import type { LifecyclePolicyDocument } from "@pulumi/aws/ecr/lifecyclePolicyDocument.js";
import { Repository as EcrRepository } from "@pulumi/aws/ecr/repository.js";
import { RepositoryPolicy } from "@pulumi/aws/ecr/repositoryPolicy.js";
import * as pulumi from "@pulumi/pulumi";
import { contentTagPrefix, latestTag } from "./image-reference.ts";
import { policyOf } from "./policy-document.ts";

export interface RepositoryArgs {
  name: string;
  /** Whether `latest` may move. Every other tag is immutable. */
  latestTag: boolean;
  /** How many releases the lifecycle policy keeps. */
  keepReleases: number;
  /** Whether deleting the repository deletes the images in it. Without, AWS answers RepositoryNotEmptyException while images remain. */
  forceDelete: boolean;
}

/** A private ECR repository: scanned on push, encrypted, closed to other accounts, release tags immutable, old releases expired. */
export class Repository extends pulumi.ComponentResource {
  /** `registry/name`, as `docker pull` takes it. */
  readonly url: pulumi.Output<string>;
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: RepositoryArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Repository", name, args, opts);

    const mutable = args.latestTag ? [{ filter: latestTag, filterType: "WILDCARD" }] : undefined;
    const repository = new EcrRepository(
      name,
      {
        name: args.name,
        imageTagMutability: mutable ? "IMMUTABLE_WITH_EXCLUSION" : "IMMUTABLE",
        imageTagMutabilityExclusionFilters: mutable,
        // Basic scanning; without effect where the account has a setting for its whole registry.
        // https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImageScanningConfiguration.html
        imageScanningConfiguration: { scanOnPush: true },
        // AWS's own key of the service, aws/ecr: it costs nothing a month, and pulling needs no permission for it.
        encryptionConfigurations: [{ encryptionType: "KMS" }],
        forceDelete: args.forceDelete,
      },
      { parent: this },
    );
    // The provider replaces the lifecycle policy when its rules change, which Pulumi refuses for a protected resource.
    const replaceable = { parent: this, protect: false };
    new LifecyclePolicy(name, { repository: repository.name, policy: lifecyclePolicy(args.keepReleases) }, replaceable);
    const policy = repositoryPolicy(repository.registryId);
    new RepositoryPolicy(name, { repository: repository.name, policy }, { parent: this });

    this.url = repository.repositoryUrl;
    this.arn = repository.arn;
    this.registerOutputs({ url: this.url, arn: this.arn });
  }
}

/**
 * Refuses every other account, whatever another policy allows; within the account IAM decides. AWS's own services, which scan and replicate
 * images, belong to no account.
 */
export function repositoryPolicy(account: pulumi.Input<string>) {
  return policyOf({
    Sid: "OnlyThisAccount",
    Effect: "Deny",
    Principal: "*",
    Action: "ecr:*",
    Condition: {
      StringNotEquals: { "aws:PrincipalAccount": account },
      Bool: { "aws:PrincipalIsAWSService": "false" },
    },
  });
}

/**
 * Keeps the newest releases, and expires what has no tag and belongs to no index: what an interrupted `up` has pushed, and other builds of a
 * released content.
 *
 * - The release that machines run is among those kept, unless as many newer releases have failed: a rule cannot tell which one runs.
 * - The platforms' images of an index have no tag, but ECR does not expire an image while an index refers to it.
 * - An SBOM, which refers to an image, has no tag either. ECR deletes it within 24 hours of its image; AWS does not say whether the second
 *   rule expires it earlier. `npm run sbom` makes it again.
 * - The rules are in ascending priority, as ECR stores them: in another order they would show a change in every preview.
 *
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
 */
export function lifecyclePolicy(keepReleases: number): LifecyclePolicyDocument {
  return {
    rules: [
      {
        rulePriority: 1,
        description: `Keep the newest ${keepReleases} releases`,
        selection: {
          tagStatus: "tagged",
          tagPrefixList: [contentTagPrefix],
          countType: "imageCountMoreThan",
          countNumber: keepReleases,
        },
        action: { type: "expire" },
      },
      {
        rulePriority: 2,
        description: "Expire what has no tag 30 days after its push",
        selection: { tagStatus: "untagged", countType: "sinceImagePushed", countUnit: "days", countNumber: 30 },
        action: { type: "expire" },
      },
    ],
  };
}

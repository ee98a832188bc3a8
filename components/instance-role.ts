import type { PolicyStatement } from "@pulumi/aws/iam/documents.js";
import { InstanceProfile } from "@pulumi/aws/iam/instanceProfile.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import { RolePolicyAttachment } from "@pulumi/aws/iam/rolePolicyAttachment.js";
import * as pulumi from "@pulumi/pulumi";
import { writePolicy } from "./machine-logs.ts";
import { policyOf } from "./policy-document.ts";

export interface InstanceRoleArgs {
  /** ARN of the one repository that machines may pull from. */
  repositoryArn: pulumi.Input<string>;
  /** ARN of the one log group that machines may write to. */
  logGroupArn: pulumi.Input<string>;
  /**
   * ARN of the policy that limits what the role can do, whatever it is given.
   * @default none
   */
  permissionsBoundary?: string;
}

/** What a machine may do in AWS: pull from one repository, write to one log group, and be reached by Session Manager. */
export class InstanceRole extends pulumi.ComponentResource {
  /** Name of the instance profile; known once every policy is attached. */
  readonly instanceProfile: pulumi.Output<string>;

  constructor(name: string, args: InstanceRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:InstanceRole", name, args, opts);

    const role = new Role(
      name,
      {
        description: "Pulls the app's image, writes its log; reached by Session Manager",
        assumeRolePolicy: trust,
        permissionsBoundary: args.permissionsBoundary,
      },
      { parent: this },
    );
    const pull = new RolePolicy(
      `${name}-pull`,
      { role: role.name, policy: policyOf(...pullStatements(args.repositoryArn)) },
      { parent: this },
    );
    const log = new RolePolicy(
      `${name}-log`,
      { role: role.name, policy: writePolicy(args.logGroupArn) },
      { parent: this },
    );
    const session = new RolePolicyAttachment(
      `${name}-session`,
      { role: role.name, policyArn: pulumi.output(args.repositoryArn).apply(sessionPolicyArn) },
      { parent: this },
    );
    // A profile is eventually consistent and a machine starts pulling at once: the policies come first.
    const profile = new InstanceProfile(name, { role: role.name }, { parent: this, dependsOn: [pull, log, session] });

    this.instanceProfile = profile.name;
    this.registerOutputs({ instanceProfile: this.instanceProfile });
  }
}

const trust = policyOf({ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } });

/** AWS's own policy for Session Manager, in the repository's partition: `aws`, `aws-cn`, `aws-us-gov`. */
export function sessionPolicyArn(repositoryArn: string): string {
  const [, partition] = repositoryArn.split(":");
  return `arn:${partition}:iam::aws:policy/AmazonSSMManagedInstanceCore`;
}

/**
 * The least that `docker login` and `docker pull` need. `ecr:GetAuthorizationToken` supports only `Resource: "*"`.
 *
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/security_iam_id-based-policy-examples.html
 */
export function pullStatements(repositoryArn: pulumi.Input<string>): PolicyStatement[] {
  return [
    { Sid: "Login", Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Sid: "Pull",
      Effect: "Allow",
      Action: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      Resource: repositoryArn,
    },
  ];
}

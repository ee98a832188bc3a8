import { hash } from "node:crypto";
import type { PolicyStatement } from "@pulumi/aws/iam/documents.js";
import { InstanceProfile } from "@pulumi/aws/iam/instanceProfile.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import * as pulumi from "@pulumi/pulumi";
import { writeStatement } from "./machine-logs.ts";
import { iamPath, locationOf, policyOf } from "./policy-document.ts";

export interface InstanceRoleArgs {
  /** ARN of the one repository that machines may pull from. */
  repositoryArn: pulumi.Input<string>;
  /** ARN of the one log group that machines may write to. */
  logGroupArn: pulumi.Input<string>;
  /** Path below which machines may read and decrypt parameters, such as `/hono-app/dev`. @default none */
  secretsPath?: string;
  /** ARN of the policy that limits what the role can do, whatever it is given. @default none */
  permissionsBoundary?: string;
}

/** What a machine may do in AWS: pull from one repository, write to one log group, open Session Manager's sessions, read the app's secrets. */
export class InstanceRole extends pulumi.ComponentResource {
  /** Name of the instance profile, which is made after the role has its policies. */
  readonly instanceProfile: pulumi.Output<string>;

  constructor(name: string, args: InstanceRoleArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:InstanceRole", name, args, opts);

    const { repositoryArn, logGroupArn, secretsPath } = args;
    const parent = { parent: this };
    const path = iamPath(name);
    const role = new Role(
      name,
      {
        path,
        description: "Pulls the app's image, writes its log; reached by Session Manager",
        assumeRolePolicy: trust(repositoryArn),
        permissionsBoundary: args.permissionsBoundary,
        // AWS deletes no role that still has a policy, and tools that manage an organization's accounts attach theirs to every role.
        // https://github.com/hashicorp/terraform-provider-aws/issues/883
        forceDetachPolicies: true,
      },
      parent,
    );
    const allow = (id: string, ...statements: PolicyStatement[]) =>
      new RolePolicy(id, { role: role.name, policy: policyOf(...statements) }, parent);
    const policies = [allow(name, ...pullStatements(repositoryArn), writeStatement(logGroupArn), sessionStatement)];
    if (secretsPath) {
      // The path is in the policy's name: the policy for the old path stays until the new machines are proven, since a rollback may launch
      // machines that read it.
      const id = `${name}-secrets-${hash("sha256", secretsPath).slice(0, 8)}`;
      policies.push(allow(id, ...secretStatements(repositoryArn, secretsPath)));
    }
    // A machine pulls as soon as it has its profile: the policies come first.
    const profile = new InstanceProfile(name, { path, role: role.name }, { ...parent, dependsOn: policies });

    this.instanceProfile = profile.name;
    this.registerOutputs({ instanceProfile: this.instanceProfile });
  }
}

function trust(repositoryArn: pulumi.Input<string>) {
  const Service = pulumi.interpolate`ec2.${locationOf(repositoryArn).domain}`;
  return policyOf({ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service } });
}

/**
 * The least that Session Manager's agent needs. AWS's own policy for it, AmazonSSMManagedInstanceCore, has Run Command and more, and lets
 * a machine read every parameter of the account.
 *
 * @see https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
 */
const sessionStatement: PolicyStatement = {
  Sid: "Session",
  Effect: "Allow",
  Action: [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
  ],
  Resource: "*",
};

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

/**
 * Reading the app's secrets, in the repository's account and region: all parameters below the path, since a rollback may launch machines that
 * read one which the new release does not name.
 *
 * @see https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
 */
function secretStatements(repositoryArn: pulumi.Input<string>, path: string): PolicyStatement[] {
  const { partition, region, account, domain } = locationOf(repositoryArn);
  const parameters = pulumi.interpolate`arn:${partition}:ssm:${region}:${account}:parameter${path}/*`;
  return [
    { Sid: "Secrets", Effect: "Allow", Action: "ssm:GetParameter", Resource: parameters },
    {
      Sid: "Decrypt",
      Effect: "Allow",
      Action: "kms:Decrypt",
      Resource: pulumi.interpolate`arn:${partition}:kms:${region}:${account}:key/*`,
      Condition: {
        StringEquals: { "kms:ViaService": pulumi.interpolate`ssm.${region}.${domain}` },
        StringLike: { "kms:EncryptionContext:PARAMETER_ARN": parameters },
      },
    },
  ];
}

import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { VpcEndpoint } from "@pulumi/aws/ec2/vpcEndpoint.js";
import type { PolicyDocument, PolicyStatement } from "@pulumi/aws/iam/documents.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import * as pulumi from "@pulumi/pulumi";
import { pullStatements } from "./instance-role.ts";
import { placeOf, policyOf } from "./policy-document.ts";
import { tcp } from "./tcp.ts";

export interface EndpointsArgs {
  vpcId: pulumi.Input<string>;
  /** A subnet in each zone of the machines. */
  subnetIds: pulumi.Input<string>[];
  /** Of those subnets: S3 is reached by a route. */
  routeTableId: pulumi.Input<string>;
  /** Security group of the machines that use the endpoints. */
  machineSecurityGroupId: pulumi.Input<string>;
  /** ARN of the one repository that machines may pull from. */
  repositoryArn: pulumi.Input<string>;
}

/**
 * What machines without any way out reach of AWS, and no more: ECR for the one repository, S3 for its layers and Amazon Linux's packages,
 * and CloudWatch for logs. Session Manager would need two more, ssm and ssmmessages.
 */
export class Endpoints extends pulumi.ComponentResource {
  constructor(name: string, args: EndpointsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Endpoints", name, args, opts);
    const { vpcId, subnetIds, routeTableId } = args;
    const policies = pulumi.output(args.repositoryArn).apply(endpointPolicies);
    const { region, domain } = placeOf(args.repositoryArn);
    // In China ECR's have a name of their own: https://github.com/aws/aws-cdk/pull/16139
    const ofEcr = domain.apply((name) => name.split(".").reverse().join("."));
    const tags = { Name: `${name}-endpoints` };

    const group = new SecurityGroup(
      `${name}-endpoints`,
      { vpcId, description: "HTTPS from the machines in", tags },
      { parent: this },
    );
    const rule = new SecurityGroupIngressRule(
      `${name}-endpoints`,
      {
        ...tcp(443),
        securityGroupId: group.id,
        description: "HTTPS from the machines",
        referencedSecurityGroupId: args.machineSecurityGroupId,
      },
      { parent: this },
    );
    const inSubnets = {
      vpcEndpointType: "Interface",
      subnetIds,
      securityGroupIds: [group.id],
      privateDnsEnabled: true,
    };
    for (const service of services) {
      new VpcEndpoint(
        `${name}-${service.replace(".", "-")}`,
        {
          vpcId,
          serviceName: pulumi.interpolate`${service.startsWith("ecr") ? ofEcr : "com.amazonaws"}.${region}.${service}`,
          ...(service === "s3" ? { vpcEndpointType: "Gateway", routeTableIds: [routeTableId] } : inSubnets),
          policy: pulumi.jsonStringify(policies[service]),
          tags: { Name: `${name}-${service}` },
        },
        // While an endpoint is there, which AWS takes minutes to delete, the service's name leads to it: it must let machines in.
        { parent: this, dependsOn: rule },
      );
    }
  }
}

/** S3 alone has a gateway, which is free; the others have interfaces in the VPC, which cost something each. */
const services = ["ecr.api", "ecr.dkr", "logs", "s3"] as const;

/**
 * What may pass each endpoint. A repository's layers are in a bucket of ECR, Amazon Linux's packages in one of its own.
 *
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
 * @see https://docs.aws.amazon.com/linux/al2023/ug/repository-s3-access.html
 */
function endpointPolicies(repositoryArn: string): Readonly<Record<(typeof services)[number], PolicyDocument>> {
  const [, partition, , region, account] = repositoryArn.split(":");
  const policy = (...statements: PolicyStatement[]) =>
    policyOf(...statements.map((statement) => ({ ...statement, Principal: "*" })));
  const allow = (Action: string[], Resource: string[]) => policy({ Effect: "Allow", Action, Resource });
  const pull = policy(...pullStatements(repositoryArn));
  return {
    "ecr.api": pull,
    "ecr.dkr": pull,
    logs: allow(
      ["logs:CreateLogStream", "logs:PutLogEvents"],
      [`arn:${partition}:logs:${region}:${account}:log-group:*`],
    ),
    s3: allow(
      ["s3:GetObject"],
      [
        `arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`,
        `arn:${partition}:s3:::al2023-repos-${region}-de612dc2/*`,
      ],
    ),
  };
}

import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { VpcEndpoint } from "@pulumi/aws/ec2/vpcEndpoint.js";
import type { PolicyDocument, PolicyStatement } from "@pulumi/aws/iam/documents.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import * as pulumi from "@pulumi/pulumi";
import { pullStatements } from "./instance-role.ts";
import { locationOf, policyOf } from "./policy-document.ts";
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
    const parent = { parent: this };
    const policies = endpointPolicies(args.repositoryArn);
    const { region, domain } = locationOf(args.repositoryArn);
    // In China ECR's endpoints are named by the reversed domain, the others are not: https://github.com/aws/aws-cdk/pull/16139
    const ofEcr = domain.apply((name) => name.split(".").reverse().join("."));
    const tags = { Name: `${name}-endpoints` };

    const description = "HTTPS from the machines in";
    const group = new SecurityGroup(`${name}-endpoints`, { vpcId, description, tags }, parent);
    const rule = new SecurityGroupIngressRule(
      `${name}-endpoints`,
      {
        ...tcp(443),
        securityGroupId: group.id,
        description: "HTTPS from the machines",
        referencedSecurityGroupId: args.machineSecurityGroupId,
      },
      parent,
    );
    const securityGroupIds = [group.id];
    const inSubnets = { vpcEndpointType: "Interface", subnetIds, securityGroupIds, privateDnsEnabled: true };
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
        // The service's name leads to the endpoint for as long as that exists, and AWS takes minutes to delete one: the rule goes after it.
        { ...parent, dependsOn: rule },
      );
    }
  }
}

/** S3 has a gateway, which is free; each of the others has an interface in every subnet, which is paid by the hour. */
const services = ["ecr.api", "ecr.dkr", "logs", "s3"] as const;

/**
 * What may pass each endpoint. A repository's layers are in a bucket of ECR, Amazon Linux's packages in one of its own.
 *
 * @see https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html#ecr-minimum-s3-perms
 * @see https://docs.aws.amazon.com/linux/al2023/ug/repository-s3-access.html
 */
function endpointPolicies(repository: pulumi.Input<string>): Record<(typeof services)[number], PolicyDocument> {
  const { partition, region, account } = locationOf(repository);
  const policy = (...statements: PolicyStatement[]) =>
    policyOf(...statements.map((statement) => ({ ...statement, Principal: "*" })));
  const allow = (Action: string[], ...Resource: pulumi.Output<string>[]) =>
    policy({ Effect: "Allow", Action, Resource });
  const pull = policy(...pullStatements(repository));
  const logGroups = pulumi.interpolate`arn:${partition}:logs:${region}:${account}:log-group:*`;
  const layers = pulumi.interpolate`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`;
  const packages = pulumi.interpolate`arn:${partition}:s3:::al2023-repos-${region}-de612dc2/*`;
  return {
    "ecr.api": pull,
    "ecr.dkr": pull,
    logs: allow(["logs:CreateLogStream", "logs:PutLogEvents"], logGroups),
    s3: allow(["s3:GetObject"], layers, packages),
  };
}

import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { FlowLog } from "@pulumi/aws/ec2/flowLog.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import * as pulumi from "@pulumi/pulumi";
import type { InstanceRoleArgs } from "./instance-role.ts";
import { writeStatement } from "./machine-logs.ts";
import { iamPath, locationOf, policyOf } from "./policy-document.ts";

export interface FlowLogsArgs extends Pick<InstanceRoleArgs, "permissionsBoundary"> {
  vpcId: pulumi.Input<string>;
  /** Days for which CloudWatch keeps a record. */
  retentionInDays: number;
}

/**
 * A record, in CloudWatch, of the traffic that the VPC's security groups refused. Refused traffic is what EC2.6 asks for; accepted
 * traffic would be billed by the gigabyte, and the app's own log has it. On Nitro, as all of t3 and t4g are, a record covers a minute at
 * most, whatever maxAggregationInterval says: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html
 */
export class FlowLogs extends pulumi.ComponentResource {
  constructor(name: string, args: FlowLogsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:FlowLogs", name, args, opts);
    const { vpcId, retentionInDays, permissionsBoundary } = args;
    const parent = { parent: this };
    const id = `${name}-flow-logs`;
    // The stack is in the name, by which people look for it.
    const group = new LogGroup(`${id}-${pulumi.getStack()}`, { retentionInDays }, parent);
    const role = new Role(
      id,
      {
        path: iamPath(name),
        description: "Writes the VPC's flow log",
        assumeRolePolicy: deliveryTrust(group.arn),
        permissionsBoundary,
        // As the machines' role: instance-role.ts says why.
        forceDetachPolicies: true,
      },
      parent,
    );
    const write = writeStatement(group.arn, "logs:DescribeLogStreams");
    const policy = new RolePolicy(id, { role: role.name, policy: policyOf(write) }, parent);
    new FlowLog(
      name,
      { vpcId, trafficType: "REJECT", logDestination: group.arn, iamRoleArn: role.arn },
      // Without its policy the flow log reports delivery failures. EC2 takes no second flow log to the same log group: where this one must be
      // replaced, as when somebody has deleted its role, the old one goes first.
      { ...parent, dependsOn: policy, deleteBeforeReplace: true },
    );
  }
}

/**
 * Only the flow log service may take the role, and only for a flow log of the log group's own account and region, so that no other account
 * can have the service act for it ("confused deputy").
 *
 * @see https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
 */
function deliveryTrust(logGroupArn: pulumi.Input<string>) {
  const { partition, region, account } = locationOf(logGroupArn);
  return policyOf({
    Effect: "Allow",
    Action: "sts:AssumeRole",
    Principal: { Service: "vpc-flow-logs.amazonaws.com" },
    Condition: {
      StringEquals: { "aws:SourceAccount": account },
      ArnLike: { "aws:SourceArn": pulumi.interpolate`arn:${partition}:ec2:${region}:${account}:vpc-flow-log/*` },
    },
  });
}

import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { FlowLog } from "@pulumi/aws/ec2/flowLog.js";
import { Role } from "@pulumi/aws/iam/role.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import * as pulumi from "@pulumi/pulumi";
import type { InstanceRoleArgs } from "./instance-role.ts";
import { writeStatement } from "./machine-logs.ts";
import { iamPath, placeOf, policyOf } from "./policy-document.ts";

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

    // The stack is in the name, by which people look for it.
    const logs = `${name}-flow-logs-${pulumi.getStack()}`;
    const group = new LogGroup(logs, { retentionInDays: args.retentionInDays }, { parent: this });
    const role = new Role(
      `${name}-flow-logs`,
      {
        path: iamPath(name),
        description: "Writes the VPC's flow log",
        assumeRolePolicy: deliveryTrust(group.arn),
        permissionsBoundary: args.permissionsBoundary,
        // As of the machines' role.
        forceDetachPolicies: true,
      },
      { parent: this },
    );
    const policy = new RolePolicy(
      `${name}-flow-logs`,
      { role: role.name, policy: policyOf(writeStatement(group.arn, "logs:DescribeLogStreams")) },
      { parent: this },
    );
    new FlowLog(
      name,
      { vpcId: args.vpcId, trafficType: "REJECT", logDestination: group.arn, iamRoleArn: role.arn },
      // Without the policy in place, the flow log reports delivery failures. EC2 takes no second one to the same log group, so that with another
      // role, as when somebody has deleted this one, the old one goes first.
      { parent: this, dependsOn: policy, deleteBeforeReplace: true },
    );
  }
}

/**
 * The flow log service alone may take the role, and only for a flow log of the log group's own account and region: on behalf of nobody
 * else ("confused deputy").
 *
 * @see https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
 */
function deliveryTrust(logGroupArn: pulumi.Input<string>) {
  const { partition, region, account } = placeOf(logGroupArn);
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

import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import type { PolicyStatement } from "@pulumi/aws/iam/documents.js";
import * as pulumi from "@pulumi/pulumi";

export interface MachineLogsArgs {
  /** Days for which CloudWatch keeps a line. */
  retentionInDays: number;
}

/** Where machines log: a log group of the stack, with a stream for each machine, which is named by the instance's id and outlives it. */
export class MachineLogs extends pulumi.ComponentResource {
  readonly groupName: pulumi.Output<string>;
  readonly groupArn: pulumi.Output<string>;

  constructor(name: string, args: MachineLogsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:MachineLogs", name, args, opts);

    const group = new LogGroup(`${name}-machines`, { retentionInDays: args.retentionInDays }, { parent: this });

    this.groupName = group.name;
    this.groupArn = group.arn;
    this.registerOutputs({ groupName: this.groupName, groupArn: this.groupArn });
  }
}

/**
 * Writing to the one log group. No logs:CreateLogGroup, with which a line that comes late would create the group again after its deletion,
 * to be kept for ever.
 *
 * @param more Further actions on the group.
 */
export function writeStatement(logGroupArn: pulumi.Input<string>, ...more: string[]): PolicyStatement {
  return {
    Sid: "WriteLog",
    Effect: "Allow",
    Action: ["logs:CreateLogStream", "logs:PutLogEvents", ...more],
    Resource: pulumi.interpolate`${logGroupArn}:*`,
  };
}

export interface LogStream {
  readonly logGroup: string;
  readonly instanceId: string;
  readonly region: string;
  /** Profile of the AWS configuration files. */
  readonly profile?: string;
}

/** The command that prints what a machine has logged, whether or not it is still there. */
export function tailCommand({ logGroup, instanceId, region, profile }: LogStream): string {
  const as = profile === undefined ? "" : ` --profile ${profile}`;
  return `aws logs tail ${logGroup} --log-stream-names ${instanceId} --since 1d --region ${region}${as}`;
}

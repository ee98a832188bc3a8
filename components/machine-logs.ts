import type { PolicyStatement } from "@pulumi/aws/iam/documents.js";
import * as pulumi from "@pulumi/pulumi";
import type { AwsClient } from "./aws-client.ts";

/**
 * Writing to one log group. Not creating it: a late line would make the group again after its deletion, with lines that are kept for ever.
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

export interface LogStream extends AwsClient {
  readonly logGroup: string;
  readonly instanceId: string;
}

/** The command that prints what a machine has logged, even after it is gone: its stream is named by the instance's id. */
export function tailCommand({ logGroup, instanceId, region, profile }: LogStream): string {
  const as = profile === undefined ? "" : ` --profile ${profile}`;
  return `aws logs tail ${logGroup} --log-stream-names ${instanceId} --since 1d --region ${region}${as}`;
}

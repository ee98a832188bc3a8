import { autoscalingRows } from "./autoscaling.ts";
import { cloudwatchRows } from "./cloudwatch.ts";
import { ec2Rows } from "./ec2.ts";
import { ecrRows } from "./ecr.ts";
import { elbRows } from "./elb.ts";
import { iamRows } from "./iam.ts";
import { instanceRow } from "./instance.ts";
import type { Row } from "./row.ts";

const all = {
  ...ecrRows,
  ...cloudwatchRows,
  ...ec2Rows,
  ...iamRows,
  "aws:ec2/instance:Instance": instanceRow,
  ...elbRows,
  ...autoscalingRows,
};

export type Token = keyof typeof all;

/**
 * Every resource type of the provider, by its Pulumi token. One that needs another stands below it: what an interrupted command left is
 * deleted from the end. The provider, the search for orphans, the fault tests, the prices, the controls and the diagram read this.
 */
export const rows: Readonly<Record<Token, Row>> = all;

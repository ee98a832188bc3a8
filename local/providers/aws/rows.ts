import { autoscalingRows } from "./autoscaling.ts";
import { cloudwatchRows } from "./cloudwatch.ts";
import { ec2Rows } from "./ec2.ts";
import { ecrRows } from "./ecr.ts";
import { elbRows } from "./elb.ts";
import { iamRows } from "./iam.ts";
import { instanceRow } from "./instance.ts";
import type { Resource } from "./provider.ts";
import { define, type Row } from "./row.ts";

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
 * Every resource type of the provider as data, by its Pulumi token. One that needs another stands below it: what an interrupted command left is
 * deleted from the end. The provider, the search for orphans, the fault tests, the prices, the controls and the diagram read this.
 */
export const rows: Readonly<Record<Token, Row>> = all;

/** Every resource type with its calls. */
export const resources: Readonly<Record<Token, Resource>> = Object.fromEntries(
  Object.entries(rows).map(([token, row]) => {
    const owner = row.partOf as Token | undefined;
    return [token, define(token, row, owner && { row: rows[owner], resource: () => resources[owner] })];
  }),
) as Record<Token, Resource>;

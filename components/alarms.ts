import { MetricAlarm } from "@pulumi/aws/cloudwatch/metricAlarm.js";
import * as pulumi from "@pulumi/pulumi";

export interface AlarmsArgs {
  /** ARN of the SNS topic that gets a message when an alarm begins, and another when it ends. */
  topicArn: string;
  /** What CloudWatch calls the load balancer and its targets. */
  dimensions: Readonly<Record<"LoadBalancer" | "TargetGroup", pulumi.Input<string>>>;
}

/** Alarms for machines that are not well, and for requests that failed. */
export class Alarms extends pulumi.ComponentResource {
  constructor(name: string, args: AlarmsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Alarms", name, args, opts);
    const { LoadBalancer, TargetGroup } = args.dimensions;
    for (const { suffix, of, meaning, ...alarm } of alarms) {
      new MetricAlarm(
        `${name}-${suffix}`,
        {
          ...alarm,
          ...alarmInputs(args.topicArn, name, meaning),
          namespace: "AWS/ApplicationELB",
          dimensions: of === "targets" ? { LoadBalancer, TargetGroup } : { LoadBalancer },
          comparisonOperator: "GreaterThanThreshold",
        },
        { parent: this },
      );
    }
  }
}

/** What every alarm has: its topic, and what it means. */
export function alarmInputs(topicArn: string, name: string, meaning: string) {
  return {
    // The message shows this, and no tags.
    alarmDescription: `${name}, stack ${pulumi.getStack()}: ${meaning}. What to do: docs/fleet.md, "At night"`,
    period: 60,
    // CloudWatch has no data for a minute without requests, nor of a group in its first minute.
    treatMissingData: "notBreaching",
    alarmActions: [topicArn],
    okActions: [topicArn],
  };
}

const errors = { statistic: "Sum", threshold: 5, evaluationPeriods: 1 };

/** @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html */
const alarms = [
  {
    suffix: "unhealthy",
    of: "targets",
    metricName: "UnHealthyHostCount",
    statistic: "Maximum",
    threshold: 0,
    // A new machine counts as unhealthy until it has booted, which takes about a minute (docs/speed.md).
    evaluationPeriods: 5,
    meaning: "A machine has failed the load balancer's health check for five minutes",
  },
  {
    suffix: "app-5xx",
    of: "targets",
    metricName: "HTTPCode_Target_5XX_Count",
    ...errors,
    meaning: "The app returned more than five 5xx responses in one minute",
  },
  {
    suffix: "balancer-5xx",
    of: "balancer",
    metricName: "HTTPCode_ELB_5XX_Count",
    ...errors,
    meaning: "The load balancer itself returned more than five 5xx responses in one minute",
  },
] as const;

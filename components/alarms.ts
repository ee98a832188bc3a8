import { MetricAlarm } from "@pulumi/aws/cloudwatch/metricAlarm.js";
import * as pulumi from "@pulumi/pulumi";

export interface AlarmsArgs {
  /** ARN of the SNS topic that gets a message when an alarm begins, and another when it ends. */
  topicArn: string;
  /** What CloudWatch calls the load balancer, its targets, and its certificate, if it has one. */
  dimensions: Readonly<Record<"LoadBalancer" | "TargetGroup", pulumi.Input<string>>> & { CertificateArn?: string };
}

/** Alarms for machines that are not well, for requests that failed, and for a certificate that has not been renewed. */
export class Alarms extends pulumi.ComponentResource {
  constructor(name: string, args: AlarmsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Alarms", name, args, opts);
    const { LoadBalancer, TargetGroup, CertificateArn } = args.dimensions;
    const certificate = CertificateArn && { CertificateArn };
    const dimensions = { targets: { LoadBalancer, TargetGroup }, balancer: { LoadBalancer }, certificate };
    for (const { suffix, of, meaning, ...alarm } of alarms) {
      if (!dimensions[of]) continue;
      new MetricAlarm(
        `${name}-${suffix}`,
        {
          ...alarmInputs(args.topicArn, name, meaning),
          namespace: "AWS/ApplicationELB",
          comparisonOperator: "GreaterThanThreshold",
          ...alarm,
          dimensions: dimensions[of],
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
  {
    suffix: "certificate",
    of: "certificate",
    namespace: "AWS/CertificateManager",
    metricName: "DaysToExpiry",
    statistic: "Minimum",
    comparisonOperator: "LessThanThreshold",
    // ACM renews weeks earlier: https://docs.aws.amazon.com/config/latest/developerguide/acm-certificate-expiration-check.html
    threshold: 14,
    evaluationPeriods: 1,
    // Reported twice a day, and no longer when it has expired: the alarm then stays.
    period: 86_400,
    treatMissingData: "ignore",
    meaning: "The certificate expires in less than 14 days, and has not been renewed",
  },
] as const;

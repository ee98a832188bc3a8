import { alarmPrice } from "./prices.ts";
import type { Row } from "./row.ts";
import { schemas } from "./schemas.ts";
import type { Props } from "./values.ts";

// "Invalid region ca-central-1 specified. Only us-west-2 is supported": https://github.com/cds-snc/notification-terraform/pull/128
const actions = { items: { pattern: `^arn:[^:]+:[^:]+:${schemas.region}:` } };

const retention = ["putRetentionPolicy", "deleteRetentionPolicy"] as const;

export const cloudwatchRows = {
  "aws:cloudwatch/logGroup:LogGroup": {
    type: "AWS::Logs::LogGroup",
    names: { name: "LogGroupName" },
    without: ["deletionProtectionEnabled", "kmsKeyId"],
    replace: ["logGroupClass"],
    price: "only what is written to it is charged",
    alsoId: "logGroupNamePrefix",
    list: ["describeLogGroups", "logGroups"],
    calls: { create: "createLogGroup", update: [retention], delete: "deleteLogGroup" },
    absent: { retentionInDays: 0 }, // kept for ever
  },
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    type: "AWS::CloudWatch::Alarm",
    names: { name: "AlarmName", okActions: "OKActions", dimensions: "Dimensions" },
    without: [
      ...["actionConfiguration", "evaluateLowSampleCountPercentile", "evaluationCriteria", "evaluationInterval"],
      ...["evaluationWindow", "extendedStatistic", "metrics", "thresholdMetricId", "warmUpConfiguration"],
    ],
    required: ["comparisonOperator", "evaluationPeriods"],
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, and for the data points
    // https://github.com/hashicorp/terraform/issues/24070
    rules: {
      required: ["Namespace", "Period", "Statistic", "Threshold"],
      properties: {
        DatapointsToAlarm: { maximum: { $data: "1/EvaluationPeriods" } },
        ...{ AlarmActions: actions, InsufficientDataActions: actions, OKActions: actions },
      },
      holds: [
        "not evaluate more than a day, or with periods of at least an hour more than seven",
        ({ Period, EvaluationPeriods }: Props) => !(Period * EvaluationPeriods > (Period < 3600 ? 86_400 : 604_800)),
      ],
    },
    sets: ["alarmActions", "insufficientDataActions", "okActions"],
    price: alarmPrice(1),
    list: ["describeAlarms", "MetricAlarms"],
    calls: { create: "putMetricAlarm", delete: "deleteAlarms" },
    // The provider has a map of them.
    more: async ({ dimensions = [] }) => ({
      dimensions: Object.fromEntries(dimensions.map(({ name, value }: Props) => [name, value])),
    }),
  },
} satisfies Record<string, Row>;

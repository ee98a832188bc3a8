import { alarmPrice } from "./prices.ts";
import type { Row } from "./row.ts";
import type { Props } from "./values.ts";

export const cloudwatchRows = {
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    type: "AWS::CloudWatch::Alarm",
    nested: true,
    names: { name: "AlarmName", okActions: "OKActions", dimensions: "Dimensions" },
    only: [
      ...[
        "actionsEnabled",
        "alarmActions",
        "alarmDescription",
        "comparisonOperator",
        "datapointsToAlarm",
        "dimensions",
      ],
      ...["evaluationPeriods", "insufficientDataActions", "metricName", "namespace", "period", "statistic", "tags"],
      ...["threshold", "treatMissingData", "unit"],
    ],
    required: ["comparisonOperator", "evaluationPeriods"],
    sets: ["alarmActions", "insufficientDataActions", "okActions"],
    price: alarmPrice(1),
    id: "AlarmName",
    list: ["describeAlarms", "MetricAlarms"],
    calls: { create: "putMetricAlarm", update: ["putMetricAlarm"], delete: "deleteAlarms" },
    more: async ({ dimensions = [] }) => ({
      dimensions: Object.fromEntries(dimensions.map(({ name, value }: Props) => [name, value])),
    }),
    outputs: { arn: "AlarmArn" },
  },
} satisfies Record<string, Row>;

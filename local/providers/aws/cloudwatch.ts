import { alarmPrice } from "./prices.ts";
import type { Row } from "./row.ts";
import type { Props } from "./values.ts";

export const cloudwatchRows = {
  "aws:cloudwatch/metricAlarm:MetricAlarm": {
    type: "AWS::CloudWatch::Alarm",
    names: { name: "AlarmName", okActions: "OKActions", dimensions: "Dimensions" },
    without: [
      ...["actionConfiguration", "evaluateLowSampleCountPercentile", "evaluationCriteria", "evaluationInterval"],
      ...["evaluationWindow", "extendedStatistic", "metrics", "thresholdMetricId", "warmUpConfiguration"],
    ],
    required: ["comparisonOperator", "evaluationPeriods"],
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

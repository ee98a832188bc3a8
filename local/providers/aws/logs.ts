import type { Row } from "./row.ts";

const retention = ["putRetentionPolicy", "deleteRetentionPolicy"] as const;

export const logsRows = {
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
} satisfies Record<string, Row>;

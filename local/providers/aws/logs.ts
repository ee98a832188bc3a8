import type { Row } from "./row.ts";

export const logsRows = {
  "aws:cloudwatch/logGroup:LogGroup": {
    type: "AWS::Logs::LogGroup",
    names: { name: "LogGroupName" },
    without: ["deletionProtectionEnabled", "kmsKeyId"],
    replace: ["logGroupClass"],
    price: "only what is written to it is charged",
    id: "LogGroupName",
    alsoId: "logGroupNamePrefix",
    list: ["describeLogGroups", "logGroups"],
    calls: {
      create: "createLogGroup",
      update: [["putRetentionPolicy", "deleteRetentionPolicy"]],
      delete: "deleteLogGroup",
    },
    // The real provider's word for "kept for ever".
    absent: { retentionInDays: 0 },
  },
} satisfies Record<string, Row>;

import { expect, test } from "vitest";
import { FlowLogs } from "../../../components/flow-logs.ts";
import { mock, only, settle } from "../../support/mocks.ts";

test("the flow log service alone may take the role, and only for flow logs of the log group's account and region", async () => {
  await mock();
  await settle(new FlowLogs("app", { vpcId: "vpc-1", retentionInDays: 7 }).urn);
  const { assumeRolePolicy, description } = only("aws:iam/role:Role").inputs;
  expect(description).toBe("Writes the VPC's flow log");
  expect(assumeRolePolicy).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Effect: "Allow",
        Action: "sts:AssumeRole",
        Principal: { Service: "vpc-flow-logs.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": "123456789012" },
          ArnLike: { "aws:SourceArn": "arn:aws:ec2:ap-northeast-2:123456789012:vpc-flow-log/*" },
        },
      },
    ],
  });
});

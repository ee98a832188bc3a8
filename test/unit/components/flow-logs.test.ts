import { beforeEach, expect, test } from "vitest";
import { FlowLogs } from "../../../components/flow-logs.ts";
import { mock, only, settle } from "../../support/mocks.ts";

const logGroupArn = "arn:aws:logs:ap-northeast-2:123456789012:log-group:app-flow-logs-dev";

beforeEach(async () => {
  await mock();
  await settle(new FlowLogs("app", { vpcId: "vpc-1", retentionInDays: 7 }).urn);
});

test("the flow log is of the VPC's refused traffic, and there when its role may write it", () => {
  const { inputs, dependsOn, deleteBeforeReplace } = only("aws:ec2/flowLog:FlowLog");
  expect(inputs).toEqual({
    vpcId: "vpc-1",
    trafficType: "REJECT",
    logDestination: logGroupArn,
    iamRoleArn: "arn:aws:iam::123456789012:role/app-flow-logs",
  });
  expect(dependsOn).toContain("aws:iam/rolePolicy:RolePolicy app-flow-logs");
  expect(deleteBeforeReplace).toBe(true);
  expect(only("hono-app:index:FlowLogs").outputs).toEqual({});
});

test("its role writes to its log group, and does nothing else", () => {
  expect(only("aws:iam/rolePolicy:RolePolicy").inputs.policy).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "WriteLog",
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
        Resource: `${logGroupArn}:*`,
      },
    ],
  });
});

test("the flow log service alone may take the role, and only for flow logs of the log group's account and region", () => {
  const { assumeRolePolicy, ...others } = only("aws:iam/role:Role").inputs;
  expect(others).toEqual({ path: "/app/dev/", description: "Writes the VPC's flow log" });
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

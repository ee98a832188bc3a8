// One client per service, loaded when it is first used: a run that changes nothing needs few of them, and each costs
// 50 to 200 ms. Endpoint, region and credentials come from the environment, as for every AWS SDK.

export { alive, every } from "../../lists.ts";

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export const ec2 = once(async () => new (await import("@aws-sdk/client-ec2")).EC2({}));
export const ecr = once(async () => new (await import("@aws-sdk/client-ecr")).ECR({}));
export const iam = once(async () => new (await import("@aws-sdk/client-iam")).IAM({}));
export const logs = once(async () => new (await import("@aws-sdk/client-cloudwatch-logs")).CloudWatchLogs({}));
export const ssm = once(async () => new (await import("@aws-sdk/client-ssm")).SSM({}));
export const sts = once(async () => new (await import("@aws-sdk/client-sts")).STS({}));

// One client per service, loaded when it is first used: a run that changes nothing needs few of them, and each costs
// 50 to 200 ms. Endpoint, region and credentials come from the environment, as for every AWS SDK.

export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export const acm = once(async () => new (await import("@aws-sdk/client-acm")).ACM({}));
export const autoscaling = once(async () => new (await import("@aws-sdk/client-auto-scaling")).AutoScaling({}));
export const cloudwatch = once(async () => new (await import("@aws-sdk/client-cloudwatch")).CloudWatch({}));
export const ec2 = once(async () => new (await import("@aws-sdk/client-ec2")).EC2({}));
export const ecr = once(async () => new (await import("@aws-sdk/client-ecr")).ECR({}));
export const elb = once(
  async () => new (await import("@aws-sdk/client-elastic-load-balancing-v2")).ElasticLoadBalancingV2({}),
);
export const iam = once(async () => new (await import("@aws-sdk/client-iam")).IAM({}));
export const logs = once(async () => new (await import("@aws-sdk/client-cloudwatch-logs")).CloudWatchLogs({}));
export const ssm = once(async () => new (await import("@aws-sdk/client-ssm")).SSM({}));
export const sts = once(async () => new (await import("@aws-sdk/client-sts")).STS({}));

/** By CloudFormation's name of the service: its client, and its SDK, which has the schema of each operation. */
export const services = {
  AutoScaling: { name: "Auto Scaling", client: autoscaling, sdk: () => import("@aws-sdk/client-auto-scaling") },
  CloudWatch: { name: "CloudWatch", client: cloudwatch, sdk: () => import("@aws-sdk/client-cloudwatch") },
  EC2: { name: "EC2", client: ec2, sdk: () => import("@aws-sdk/client-ec2") },
  ECR: { name: "ECR", client: ecr, sdk: () => import("@aws-sdk/client-ecr") },
  ElasticLoadBalancingV2: {
    name: "ELBv2",
    client: elb,
    sdk: () => import("@aws-sdk/client-elastic-load-balancing-v2"),
  },
  IAM: { name: "IAM", client: iam, sdk: () => import("@aws-sdk/client-iam") },
  Logs: { name: "CloudWatch Logs", client: logs, sdk: () => import("@aws-sdk/client-cloudwatch-logs") },
} as const;

type Clients = { [Name in keyof typeof services]: Awaited<ReturnType<(typeof services)[Name]["client"]>> };

/** The name of an operation of one of these services, such as `createVpc`. */
export type Operation = {
  [Name in keyof Clients]: Exclude<keyof Clients[Name], "config" | "middlewareStack" | "send" | "destroy">;
}[keyof Clients];

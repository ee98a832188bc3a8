import { createRequire } from "node:module";

// One client per service, loaded when it is first used: a run that changes nothing needs few of them, and each costs
// 50 to 200 ms. Endpoint, region and credentials come from the environment, as for every AWS SDK.

export function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * The stack's `aws:` configuration. It is read from the environment that the engine gives every plugin, since the SDK's server drops the
 * arguments of Configure, and with them those of an explicit provider.
 */
export const config = (): Readonly<Record<string, string>> => JSON.parse(process.env.PULUMI_CONFIG ?? "{}");

const require = createRequire(import.meta.url);
/** A service's SDK. Not import(), which first reads a file to find out its format: 0.1 s for EC2's. */
export const sdk = <Sdk>(name: string): Sdk => require(`@aws-sdk/client-${name}`);

export const acm = once(() => new (sdk<typeof import("@aws-sdk/client-acm")>("acm").ACM)({}));
export const autoscaling = once(
  () => new (sdk<typeof import("@aws-sdk/client-auto-scaling")>("auto-scaling").AutoScaling)({}),
);
const cloudwatch = once(() => new (sdk<typeof import("@aws-sdk/client-cloudwatch")>("cloudwatch").CloudWatch)({}));
export const ec2 = once(() => new (sdk<typeof import("@aws-sdk/client-ec2")>("ec2").EC2)({}));
export const ecr = once(() => new (sdk<typeof import("@aws-sdk/client-ecr")>("ecr").ECR)({}));
type Elb = typeof import("@aws-sdk/client-elastic-load-balancing-v2");
const elb = once(() => new (sdk<Elb>("elastic-load-balancing-v2").ElasticLoadBalancingV2)({}));
export const iam = once(() => new (sdk<typeof import("@aws-sdk/client-iam")>("iam").IAM)({}));
type Logs = typeof import("@aws-sdk/client-cloudwatch-logs");
const logs = once(() => new (sdk<Logs>("cloudwatch-logs").CloudWatchLogs)({}));
export const ssm = once(() => new (sdk<typeof import("@aws-sdk/client-ssm")>("ssm").SSM)({}));
export const sts = once(() => new (sdk<typeof import("@aws-sdk/client-sts")>("sts").STS)({}));

/** By CloudFormation's name of the service: its own name, its client, and its SDK, which has the schema of each operation. */
export const services = {
  AutoScaling: { name: "Auto Scaling", client: autoscaling, sdk: "auto-scaling" },
  CloudWatch: { name: "CloudWatch", client: cloudwatch, sdk: "cloudwatch" },
  EC2: { name: "EC2", client: ec2, sdk: "ec2" },
  ECR: { name: "ECR", client: ecr, sdk: "ecr" },
  ElasticLoadBalancingV2: { name: "ELBv2", client: elb, sdk: "elastic-load-balancing-v2" },
  IAM: { name: "IAM", client: iam, sdk: "iam" },
  Logs: { name: "CloudWatch Logs", client: logs, sdk: "cloudwatch-logs" },
} as const;

type Clients = { [Name in keyof typeof services]: ReturnType<(typeof services)[Name]["client"]> };

/** The name of an operation of one of these services, such as `createVpc`. */
export type Operation = {
  [Name in keyof Clients]: Exclude<keyof Clients[Name], "config" | "middlewareStack" | "send" | "destroy">;
}[keyof Clients];

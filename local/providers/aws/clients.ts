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

/** What each service's SDK is, by the end of its package's name. */
interface Sdks {
  acm: typeof import("@aws-sdk/client-acm");
  "auto-scaling": typeof import("@aws-sdk/client-auto-scaling");
  cloudwatch: typeof import("@aws-sdk/client-cloudwatch");
  "cloudwatch-logs": typeof import("@aws-sdk/client-cloudwatch-logs");
  ec2: typeof import("@aws-sdk/client-ec2");
  ecr: typeof import("@aws-sdk/client-ecr");
  "elastic-load-balancing-v2": typeof import("@aws-sdk/client-elastic-load-balancing-v2");
  iam: typeof import("@aws-sdk/client-iam");
  ssm: typeof import("@aws-sdk/client-ssm");
  sts: typeof import("@aws-sdk/client-sts");
}

const require = createRequire(import.meta.url);
// Not import(), which first reads a file to find out its format: 0.1 s for EC2's.
const sdk = <Name extends keyof Sdks>(name: Name): Sdks[Name] => require(`@aws-sdk/client-${name}`);

export const acm = once(() => new (sdk("acm").ACM)({}));
export const autoscaling = once(() => new (sdk("auto-scaling").AutoScaling)({}));
export const cloudwatch = once(() => new (sdk("cloudwatch").CloudWatch)({}));
export const ec2 = once(() => new (sdk("ec2").EC2)({}));
export const ecr = once(() => new (sdk("ecr").ECR)({}));
export const elb = once(() => new (sdk("elastic-load-balancing-v2").ElasticLoadBalancingV2)({}));
export const iam = once(() => new (sdk("iam").IAM)({}));
export const logs = once(() => new (sdk("cloudwatch-logs").CloudWatchLogs)({}));
export const ssm = once(() => new (sdk("ssm").SSM)({}));
export const sts = once(() => new (sdk("sts").STS)({}));

/** By CloudFormation's name of the service: its client, and its SDK, which has the schema of each operation. */
export const services = {
  AutoScaling: { name: "Auto Scaling", client: autoscaling, sdk: () => sdk("auto-scaling") },
  CloudWatch: { name: "CloudWatch", client: cloudwatch, sdk: () => sdk("cloudwatch") },
  EC2: { name: "EC2", client: ec2, sdk: () => sdk("ec2") },
  ECR: { name: "ECR", client: ecr, sdk: () => sdk("ecr") },
  ElasticLoadBalancingV2: { name: "ELBv2", client: elb, sdk: () => sdk("elastic-load-balancing-v2") },
  IAM: { name: "IAM", client: iam, sdk: () => sdk("iam") },
  Logs: { name: "CloudWatch Logs", client: logs, sdk: () => sdk("cloudwatch-logs") },
} as const;

type Clients = { [Name in keyof typeof services]: ReturnType<(typeof services)[Name]["client"]> };

/** The name of an operation of one of these services, such as `createVpc`. */
export type Operation = {
  [Name in keyof Clients]: Exclude<keyof Clients[Name], "config" | "middlewareStack" | "send" | "destroy">;
}[keyof Clients];

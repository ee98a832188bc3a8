/** What AWS asks for, and where each figure was read. `npm run cost` computes with nothing else. */
export const prices = {
  region: "ap-northeast-2",
  currency: "USD",
  /** The day on which the price list was read; older than a year, `npm run cost` says so. */
  asOf: "2026-10-05",
  /** 365 days of 24 hours, by twelve. */
  hoursPerMonth: 730,

  /**
   * Where the figures come from. AWS's price list of the region could not be fetched where this table was made: the figures are those
   * that others took from it, which agree with each other where both have one. None is calculated from another region's or size's.
   */
  sources: {
    priceList: {
      url: "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current/ap-northeast-2/index.csv",
      read: "2026-10-05",
      what: "editions of 2026-09-11 to 2026-10-02, with AmazonVPC, AmazonECR and AWSDataTransfer, as quoted on that day in a published cost calculation for the region: t3.micro, t3.small, t4g.small, gp3, public IPv4, ECR, data transfer",
    },
    catalog: {
      url: "https://github.com/skypilot-org/skypilot-catalog/blob/e385a0d348eda9cefd9806423e7725944dc249e4/catalogs/v8/aws/vms.csv",
      read: "2026-11-24",
      what: "on-demand prices of EC2 instance types by availability zone, generated from AWS's price list: every size of t4g and t3",
    },
    cpuCredits: {
      url: "https://aws.amazon.com/ec2/pricing/on-demand/",
      read: "2026-11-25",
      what: "surplus credits, the same in every region: $0.05 per vCPU hour of t3 as AWS published it with the family, $0.04 of t4g as quoted from this page in gitlab-org/ci-cd/docker-machine merge request 118",
    },
    flowLog: {
      url: "https://aws.amazon.com/cloudwatch/pricing/",
      read: "2026-11-25",
      what: "APN2-VendedLog-Bytes of the price list AmazonCloudWatch, first 10 TB, as quoted in a published catalogue of costs",
    },
    detailedMonitoring: {
      url: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ec2-metricscollected.html",
      read: "2026-11-24",
      what: "an instance has seven metrics; the price of one is APN2-CW:MetricMonitorUsage in the price list AmazonCloudWatch, first 10,000, as quoted in a published catalogue of costs",
    },
  },

  /** On demand, Linux, shared tenancy; per hour. A size that is not here has no known price. */
  instances: {
    "t4g.micro": 0.0104,
    "t4g.small": 0.0208,
    "t4g.medium": 0.0416,
    "t4g.large": 0.0832,
    "t4g.xlarge": 0.1664,
    "t4g.2xlarge": 0.3328,
    "t3.micro": 0.013,
    "t3.small": 0.026,
    "t3.medium": 0.052,
    "t3.large": 0.104,
    "t3.xlarge": 0.208,
    "t3.2xlarge": 0.416,
  } as Readonly<Record<string, number>>,
  /** gp3, per GiB and month; 3,000 IOPS and 125 MB/s are in it. */
  gp3: 0.0912,
  /** Per public IPv4 address and hour, in use or not. */
  publicIpv4: 0.005,
  /** Private repositories, per GB and month. */
  ecr: 0.1,
  /** Per metric and month, of the first 10,000. */
  metric: 0.3,
  /** Metrics of an instance with detailed monitoring; those of status checks and CPU credits are free. */
  metricsPerInstance: 7,
} as const;

/** What is charged by use, which nobody knows beforehand: named beside the sum, and not in it. */
export const notIncluded = [
  "data transfer to the internet: the first 100 GB a month of an account are free, then $0.126 per GB",
  "data between the two availability zones: $0.01 per GB in each direction",
  "the flow log of refused traffic: $0.76 per GB; a public address is probed all day, and each record covers a minute at most",
  "CPU credits, of a machine that is busier than its baseline for 24 hours: $0.05 (t3) and $0.04 (t4g) per vCPU hour above it, at most $58 and $47 a month for a .small; a boot spends about one credit, less than $0.001",
  "both pairs of machines while a release is proven, and after one that failed until the next pulumi up that succeeds",
  "ECR's requests to AWS KMS: cents; images scanned by Amazon Inspector, if the account has switched it on",
  "taxes, free tiers and credits of the account",
] as const;

/** A part of the price: how many of what, at how much a month each. */
export interface Item {
  readonly what: string;
  readonly quantity: number;
  /** USD a month for one. */
  readonly each: number;
}

/** A resource as the program registers it, or as the engine keeps it. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** What a resource type costs: nothing, for a reason, or the parts that its inputs lead to. */
export type Price = { readonly free: string } | { readonly items: (inputs: Resource["inputs"]) => Item[] };

/** A resource that the table cannot price; the message says what of it. */
export class UnknownPriceError extends Error {}

// Two platforms of about 60 MB compressed; later releases share the layers below the bundle, and the bundle has 10 KB.
const assumedRegistryGb = 0.12;

/** Every resource type that the program registers, here or under a component of somebody else's. */
export const resourcePrices: Readonly<Record<string, Price>> = {
  "aws:ec2/instance:Instance": { items: instanceItems },
  "aws:ecr/repository:Repository": {
    items: () => [
      { what: `ECR storage, GB (assumed: ${assumedRegistryGb})`, quantity: assumedRegistryGb, each: prices.ecr },
    ],
  },
  "awsx:ec2:Vpc": { items: vpcItems },

  "aws:ecr/lifecyclePolicy:LifecyclePolicy": { free: "a rule" },
  "aws:ecr/repositoryPolicy:RepositoryPolicy": { free: "a policy" },
  "aws:iam/role:Role": { free: "IAM is free" },
  "aws:iam/rolePolicy:RolePolicy": { free: "IAM is free" },
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": { free: "IAM is free" },
  "aws:iam/instanceProfile:InstanceProfile": { free: "IAM is free" },
  "aws:cloudwatch/logGroup:LogGroup": { free: "only what is written to it is charged" },
  "aws:ec2/flowLog:FlowLog": { free: "only what it writes is charged" },
  "aws:ec2/vpc:Vpc": { free: "a VPC is free; addresses and gateways in it are not" },
  "aws:ec2/subnet:Subnet": { free: "part of the VPC" },
  "aws:ec2/internetGateway:InternetGateway": { free: "only what passes it is charged" },
  "aws:ec2/routeTable:RouteTable": { free: "part of the VPC" },
  "aws:ec2/route:Route": { free: "part of the VPC" },
  "aws:ec2/routeTableAssociation:RouteTableAssociation": { free: "part of the VPC" },
  "aws:ec2/securityGroup:SecurityGroup": { free: "part of the VPC" },
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": { free: "part of the VPC" },
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": { free: "part of the VPC" },
  "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": { free: "part of the VPC" },
  "docker-build:index:Image": { free: "built by the person's own builder, stored in the repository" },
  "pulumi-nodejs:dynamic/hono-app:ImageIndex": { free: "requests to the repository" },
  "pulumi-nodejs:dynamic/hono-app:Verification": { free: "a request to the machines" },
  "pulumi-nodejs:dynamic:Resource": { free: "a request to the machines" },
};

/** The price of a type. The project's own components and the engine's resources are nothing but names. */
export function priceOf(type: string): Price | undefined {
  if (/^(hono-app:index:|pulumi:)/.test(type)) return { free: "a name for what is in it" };
  return Object.hasOwn(resourcePrices, type) ? resourcePrices[type] : undefined;
}

function instanceItems(inputs: Resource["inputs"]): Item[] {
  const { instanceType, rootBlockDevice, associatePublicIpAddress, monitoring } = inputs;
  const type = String(instanceType);
  const perHour = prices.instances[type];
  if (perHour === undefined) throw new UnknownPriceError(`no price is known for the instance type ${type}`);
  const items: Item[] = [{ what: `EC2 ${type}, on demand, Linux`, quantity: 1, each: perHour * prices.hoursPerMonth }];

  const volume = (rootBlockDevice ?? {}) as { volumeType?: string; volumeSize?: number; iops?: number };
  const { volumeType, volumeSize } = volume;
  if (volumeType !== "gp3" || typeof volumeSize !== "number" || volume.iops !== undefined) {
    throw new UnknownPriceError("its root volume is not a gp3 volume of a given size and the usual speed");
  }
  items.push({ what: "EBS gp3, GiB", quantity: volumeSize, each: prices.gp3 });
  if (associatePublicIpAddress === true) {
    items.push({ what: "public IPv4 address", quantity: 1, each: prices.publicIpv4 * prices.hoursPerMonth });
  }
  if (monitoring === true) {
    items.push({
      what: "CloudWatch detailed monitoring, metrics",
      quantity: prices.metricsPerInstance,
      each: prices.metric,
    });
  }
  return items;
}

// The component makes a NAT gateway for each zone unless it is told not to, and its children are not seen before a deployment.
function vpcItems(inputs: Resource["inputs"]): Item[] {
  const { strategy } = (inputs.natGateways ?? {}) as { strategy?: string };
  if (strategy !== "None")
    throw new UnknownPriceError('its natGateways.strategy is not "None", and the table has no NAT gateway');
  return [];
}

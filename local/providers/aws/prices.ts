/**
 * AWS's prices. `npm run cost` uses no others. AWS's price list of the region could not be fetched where this table was made: these are the
 * amounts that others copied from it, and their copies agree. None is calculated from another region or size. Where each was read:
 *
 * - t3.micro, t3.small, t4g.small, gp3, public IPv4, ECR, data transfer: on 2026-10-05, as quoted on that day in a published cost calculation for
 *   the region, of the editions of 2026-09-11 to 2026-10-02, with AmazonVPC, AmazonECR and AWSDataTransfer, of
 *   https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonEC2/current/ap-northeast-2/index.csv
 * - every size of t4g and t3, by availability zone, generated from AWS's price list: on 2026-11-24,
 *   https://github.com/skypilot-org/skypilot-catalog/blob/e385a0d348eda9cefd9806423e7725944dc249e4/catalogs/v8/aws/vms.csv
 * - surplus CPU credits, the same in every region: $0.05 per vCPU hour of t3 as AWS published it with the family, $0.04 of t4g as quoted from
 *   https://aws.amazon.com/ec2/pricing/on-demand/ in gitlab-org/ci-cd/docker-machine merge request 118, on 2026-11-25
 * - logs: APN2-VendedLog-Bytes (the flow log, first 10 TB), APN2-DataProcessing-Bytes (the machines) and APN2-TimedStorage-ByteHrs of the price
 *   list AmazonCloudWatch, as quoted in a published catalogue of costs, on 2026-11-25; https://aws.amazon.com/cloudwatch/pricing/
 * - application load balancer, its capacity units, NAT gateway (AmazonEC2), interface endpoints (AmazonVPC) and alarms (AmazonCloudWatch): on
 *   2026-11-25, as read from the price lists on 2026-10-01 in a published catalogue of costs; the load balancer's and the NAT gateway's agree
 *   with a published bill of the region; https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSELB/current/ap-northeast-2/index.json
 * - detailed monitoring: an instance has seven metrics; the price of one is APN2-CW:MetricMonitorUsage in AmazonCloudWatch, first 10,000, as quoted
 *   in a published catalogue of costs, on 2026-11-24;
 *   https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ec2-metricscollected.html
 */
export const prices = {
  region: "ap-northeast-2",
  currency: "USD",
  /** The day on which the price list was read; older than a year, `npm run cost` says so. */
  asOf: "2026-10-05",
  /** 365 days of 24 hours, by twelve. */
  hoursPerMonth: 730,

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
  /** Application load balancer, per hour; what it carries is charged by capacity units. */
  loadBalancer: 0.0225,
  /** NAT gateway, per hour; its public address is charged as any. */
  natGateway: 0.059,
  /** Interface endpoint of a VPC, per zone and hour. Gateway endpoints are free. */
  interfaceEndpoint: 0.013,
  /** Alarm of one metric, per month. */
  alarm: 0.1,
  /** Private repositories, per GB and month. */
  ecr: 0.1,
  /** Per metric and month, of the first 10,000. */
  metric: 0.3,
  /** Metrics of an instance with detailed monitoring; those of status checks and CPU credits are free. */
  metricsPerInstance: 7,
} as const;

/** A part of the price: how many of what, at how much a month each. */
export interface Item {
  readonly what: string;
  readonly quantity: number;
  /** Where it varies: how many at most. */
  readonly most?: number;
  /** USD a month for one. */
  readonly each: number;
}

type Inputs = Readonly<Record<string, unknown>>;

/** The inputs of the resource that has the same name and this type. */
type Beside = (type: string) => Inputs | undefined;

/** Why a resource type costs nothing, or the parts of its price that its inputs lead to; a text says what is charged by use, beside them. */
export type Price = string | ((inputs: Inputs, beside: Beside) => (Item | string)[]);

/** A resource that the table cannot price; the message says what of it. */
export class UnknownPriceError extends Error {}

const monthly = (what: string, perHour: number, quantity = 1): Item => ({
  what,
  quantity,
  each: perHour * prices.hoursPerMonth,
});

export const instancePrice = (inputs: Inputs) => [
  ...machineItems(inputs),
  "both pairs of machines while a release is proven, and after one that failed until the next pulumi up that succeeds",
];

/** The machines that a group always has, and those that it has at most. What one costs is in the launch template of the group's name. */
export function groupPrice({ minSize, maxSize }: Inputs, beside: Beside): (Item | string)[] {
  const template = beside("aws:ec2/launchTemplate:LaunchTemplate");
  if (template === undefined) throw new UnknownPriceError("no launch template of its name says what it launches");
  const first = (value: unknown) => ([value].flat()[0] ?? {}) as Inputs;
  const most = beside("aws:autoscaling/policy:Policy") && Number(maxSize);
  const machine = machineItems({
    instanceType: template.instanceType,
    rootBlockDevice: first(template.blockDeviceMappings).ebs,
    associatePublicIpAddress: String(first(template.networkInterfaces).associatePublicIpAddress) === "true",
    monitoring: first(template.monitoring).enabled,
  });
  return [
    ...machine.map(({ quantity, ...item }) => ({
      ...item,
      quantity: quantity * Number(minSize),
      ...(most && { most: quantity * most }),
    })),
    "as many machines again, for the minutes in which a release replaces those of a group",
  ];
}

export const loadBalancerPrice: Price = ({ subnets, internal }) => [
  monthly("application load balancer", prices.loadBalancer),
  ...(internal === true ? [] : [address(zonesOf(subnets))]),
  "what the load balancer carries: $0.008 an hour for each capacity unit, such as 25 new connections a second or 1 GB an hour; $5.84 for one all month",
];

export const natGatewayPrice: Price = () => [
  monthly("NAT gateway", prices.natGateway),
  "what passes the NAT gateway, as machines that boot pull: $0.059 per GB",
];

export const addressPrice = () => [address()];

export const endpointPrice: Price = ({ vpcEndpointType, subnetIds }) =>
  vpcEndpointType === "Interface"
    ? [
        monthly("VPC endpoint, zones", prices.interfaceEndpoint, zonesOf(subnetIds)),
        "what passes the VPC endpoints: $0.01 per GB",
      ]
    : [];

/** @param count Alarms that the resource makes. */
export const alarmPrice =
  (count: number): Price =>
  () => [{ what: "CloudWatch alarm", quantity: count, each: prices.alarm }];

const address = (quantity = 1) => monthly("public IPv4 address", prices.publicIpv4, quantity);

/** How many subnets there are; where a preview does not know them, the two that the network has. */
const zonesOf = (subnets: unknown) => (Array.isArray(subnets) ? subnets.length : 2);

function machineItems(inputs: Inputs): Item[] {
  const { instanceType, rootBlockDevice, associatePublicIpAddress, monitoring } = inputs;
  const type = String(instanceType);
  const perHour = prices.instances[type];
  if (perHour === undefined) throw new UnknownPriceError(`no price is known for the instance type ${type}`);
  const volume = (rootBlockDevice ?? {}) as { volumeType?: string; volumeSize?: number; iops?: number };
  const { volumeType, volumeSize } = volume;
  if (volumeType !== "gp3" || typeof volumeSize !== "number" || volume.iops !== undefined) {
    throw new UnknownPriceError("its root volume is not a gp3 volume of a given size and the usual speed");
  }
  const metrics = { quantity: prices.metricsPerInstance, each: prices.metric };
  return [
    monthly(`EC2 ${type}, on demand, Linux`, perHour),
    { what: "EBS gp3, GiB", quantity: volumeSize, each: prices.gp3 },
    ...(associatePublicIpAddress === true ? [address()] : []),
    ...(monitoring === true ? [{ what: "CloudWatch detailed monitoring, metrics", ...metrics }] : []),
  ];
}

// Two platforms of about 60 MB compressed; later releases share the layers below the bundle, and the bundle has 10 KB.
const assumedRegistryGb = 0.12;

export const repositoryPrice: Price = () => [
  { what: `ECR storage, GB (assumed: ${assumedRegistryGb})`, quantity: assumedRegistryGb, each: prices.ecr },
];

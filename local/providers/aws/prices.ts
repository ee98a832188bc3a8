/** AWS's prices, and where each was read. `npm run cost` uses no others. */
export const prices = {
  region: "ap-northeast-2",
  currency: "USD",
  /** The day on which the price list was read; older than a year, `npm run cost` says so. */
  asOf: "2026-10-05",
  /** 365 days of 24 hours, by twelve. */
  hoursPerMonth: 730,

  /**
   * Where the amounts come from. AWS's price list of the region could not be fetched where this table was made: these are the amounts that
   * others copied from it, and their copies agree. None is calculated from another region or size.
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
    logs: {
      url: "https://aws.amazon.com/cloudwatch/pricing/",
      read: "2026-11-25",
      what: "APN2-VendedLog-Bytes (the flow log, first 10 TB), APN2-DataProcessing-Bytes (the machines) and APN2-TimedStorage-ByteHrs of the price list AmazonCloudWatch, as quoted in a published catalogue of costs",
    },
    loadBalancer: {
      url: "https://aws.amazon.com/elasticloadbalancing/pricing/",
      read: "2026-11-25",
      what: "an Application Load Balancer's hour in the region, as on a published bill: 11.57 for 514 hours",
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
  /** An Application Load Balancer, per hour; what passes it is charged beside that. */
  loadBalancer: 0.0225,
  /** A NAT gateway, per hour; what passes it is charged too. */
  natGateway: 0.059,
  /** An interface endpoint in one availability zone, per hour; what passes it is charged too. A gateway endpoint is free. */
  interfaceEndpoint: 0.013,
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
  /** USD a month for one. */
  readonly each: number;
}

type Inputs = Readonly<Record<string, unknown>>;

/** Why a resource type costs nothing, or the parts of its price that its inputs lead to. */
export type Price = string | ((inputs: Inputs) => Item[]);

/** A resource that the table cannot price; the message says what of it. */
export class UnknownPriceError extends Error {}

export function instancePrice(inputs: Inputs): Item[] {
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
    items.push(...hourly("public IPv4 address", prices.publicIpv4));
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

const hourly = (what: string, price: number, quantity = 1): Item[] => [
  { what, quantity, each: price * prices.hoursPerMonth },
];

export const publicAddress: Price = () => hourly("public IPv4 address", prices.publicIpv4);
export const natGateway: Price = () => hourly("NAT gateway", prices.natGateway);
export const interfaceEndpoint: Price = ({ vpcEndpointType, subnetIds }) =>
  vpcEndpointType === "Interface"
    ? hourly("VPC endpoint, zones", prices.interfaceEndpoint, Array.isArray(subnetIds) ? subnetIds.length : 1)
    : [];

// Two platforms of about 60 MB compressed; later releases share the layers below the bundle, and the bundle has 10 KB.
const assumedRegistryGb = 0.12;

export const repositoryPrice: Price = () => [
  { what: `ECR storage, GB (assumed: ${assumedRegistryGb})`, quantity: assumedRegistryGb, each: prices.ecr },
];

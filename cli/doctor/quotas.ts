import { AutoScaling } from "@aws-sdk/client-auto-scaling";
import { type _InstanceType, EC2, type EC2ClientConfig, type Tag } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ServiceQuotas, type ServiceQuotasClientConfig } from "@aws-sdk/client-service-quotas";
import { every } from "../../local/lists.ts";

/** What a stack needs of the resources that quotas limit, and the tags of those that it has. */
export interface StackNeeds {
  /** One of each architecture. */
  readonly instanceTypes: readonly string[];
  readonly fleet?: {
    /** Of each architecture; where the fleet scales, at most. */
    readonly machines: number;
    readonly egress: string;
  };
  readonly tags: Readonly<Record<string, string>>;
}

/** A quota of the account in the stack's region. */
export interface Quota {
  readonly what: string;
  readonly service: "ec2" | "vpc" | "elasticloadbalancing" | "autoscaling";
  readonly code: string;
  /** The value that holds for the account; undefined where it may not be read, with the reason in `problem`. */
  readonly limit?: number;
  readonly problem?: string;
  /** What everything in the account uses, and what the stack uses of that. */
  readonly used: number;
  readonly own: number;
  /** What a first `up` adds, and what a release adds until its new machines are verified and the old ones deleted. */
  readonly firstUp: number;
  readonly release: number;
}

interface Counted {
  readonly Tags?: readonly Tag[];
  /** @default 1 */
  readonly units?: number;
}

type Limited = Pick<Quota, "what" | "service" | "code" | "firstUp"> & {
  /** @default 0 */
  readonly release?: number;
  readonly read: () => Promise<readonly Counted[]>;
};

/** Families of the quota that t4g and t3 count towards: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html */
const standard = /^(a|c|d|h|i|im|is|m|r|t|z)\d/;

/** Reads every page of what is in use, and the quotas; where a quota may not be read, the reason is in its `problem`. */
export async function readQuotas(
  client: EC2ClientConfig & ServiceQuotasClientConfig,
  needs: StackNeeds,
): Promise<Quota[]> {
  const isOwn = ({ Tags = [] }: Counted) =>
    Object.entries(needs.tags).every(([key, value]) => Tags.some((tag) => tag.Key === key && tag.Value === value));
  const sum = (counted: readonly Counted[]) => counted.reduce((total, { units = 1 }) => total + units, 0);
  const limited = await limitedFor(client, needs);
  return Promise.all(
    limited.map(async ({ read, release = 0, ...quota }) => {
      const [counted, limit] = await Promise.all([read(), readLimit(client, quota)]);
      return { ...quota, ...limit, release, used: sum(counted), own: sum(counted.filter(isOwn)) };
    }),
  );
}

/**
 * By the codes that Service Quotas lists for their names.
 *
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
 * @see https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html
 * @see https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
 */
const quotas = {
  vcpus: { service: "ec2", code: "L-1216C47A", what: "vCPUs of On-Demand Standard instances" },
  vpcs: { service: "vpc", code: "L-F678F1CE", what: "VPCs" },
  balancers: { service: "elasticloadbalancing", code: "L-53DA6B97", what: "Application Load Balancers" },
  targetGroups: { service: "elasticloadbalancing", code: "L-B22855CB", what: "target groups" },
  groups: { service: "autoscaling", code: "L-CDE20ADC", what: "Auto Scaling groups" },
  templates: { service: "ec2", code: "L-FB451C26", what: "launch templates" },
  addresses: { service: "ec2", code: "L-0263D0A3", what: "Elastic IP addresses" },
  natGateways: { service: "vpc", code: "L-FE5A380F", what: "NAT gateways in the availability zone that has most" },
  gatewayEndpoints: { service: "vpc", code: "L-1B52E74A", what: "gateway endpoints" },
} as const;

async function limitedFor(client: EC2ClientConfig, { instanceTypes, fleet }: StackNeeds): Promise<Limited[]> {
  const ec2 = new EC2(client);
  const vcpus = async (names: readonly string[]) => {
    const InstanceTypes = [...new Set(names)] as _InstanceType[];
    const types = await every(ec2.paginateDescribeInstanceTypes({ InstanceTypes }), (page) => page.InstanceTypes);
    return (name = "") => types.find((type) => type.InstanceType === name)?.VCpuInfo?.DefaultVCpus ?? 0;
  };
  const unitsOf = await vcpus(instanceTypes);
  const machines = instanceTypes.reduce((total, name) => total + unitsOf(name), 0) * (fleet?.machines ?? 1);
  const running = async () => {
    const Filters = [{ Name: "instance-state-name", Values: ["pending", "running"] }];
    const reservations = await every(ec2.paginateDescribeInstances({ Filters }), (page) => page.Reservations);
    const counted = reservations
      .flatMap(({ Instances = [] }) => Instances)
      .filter((each) => standard.test(each.InstanceType ?? "") && each.InstanceLifecycle !== "spot");
    const unitsOf = await vcpus([...instanceTypes, ...counted.map(({ InstanceType = "" }) => InstanceType)]);
    return counted.map(({ Tags, InstanceType }) => ({ Tags, units: unitsOf(InstanceType) }));
  };
  const always: Limited[] = [
    { ...quotas.vcpus, firstUp: machines, release: machines, read: running },
    { ...quotas.vpcs, firstUp: 1, read: () => every(ec2.paginateDescribeVpcs({}), (page) => page.Vpcs) },
  ];
  if (!fleet) return always;
  const [elb, scaling] = [new ElasticLoadBalancingV2(client), new AutoScaling(client)];
  /** Elastic Load Balancing gives the tags of 20 resources at a time, and not in its lists. */
  const withTags = async (arns: (string | undefined)[]): Promise<Counted[]> => {
    const tagged: Counted[] = [];
    for (let from = 0; from < arns.length; from += 20) {
      const ResourceArns = arns.slice(from, from + 20) as string[];
      tagged.push(...((await elb.describeTags({ ResourceArns })).TagDescriptions ?? []));
    }
    return tagged;
  };
  const balancers = async () => {
    const all = await every(elb.paginateDescribeLoadBalancers({}), (page) => page.LoadBalancers);
    return withTags(all.filter(({ Type }) => Type === "application").map(({ LoadBalancerArn }) => LoadBalancerArn));
  };
  const targetGroups = async () => {
    const all = await every(elb.paginateDescribeTargetGroups({}), (page) => page.TargetGroups);
    return withTags(all.map(({ TargetGroupArn }) => TargetGroupArn));
  };
  const groups = () => every(scaling.paginateDescribeAutoScalingGroups({}), (page) => page.AutoScalingGroups);
  const templates = () => every(ec2.paginateDescribeLaunchTemplates({}), (page) => page.LaunchTemplates);
  const addresses = async () => (await ec2.describeAddresses({})).Addresses ?? [];
  const natGateways = async () => {
    const Filter = [{ Name: "state", Values: ["pending", "available"] }];
    const gateways = await every(ec2.paginateDescribeNatGateways({ Filter }), (page) => page.NatGateways);
    const subnets = await every(ec2.paginateDescribeSubnets({}), (page) => page.Subnets);
    const zoneOf = ({ SubnetId }: { SubnetId?: string }) =>
      subnets.find((subnet) => subnet.SubnetId === SubnetId)?.AvailabilityZone ?? "";
    const zones = Object.values(Object.groupBy(gateways, zoneOf)).map((zone = []) => zone);
    return zones.sort((a, b) => b.length - a.length)[0] ?? [];
  };
  const gatewayEndpoints = () => {
    const Filters = [{ Name: "vpc-endpoint-type", Values: ["Gateway"] }];
    return every(ec2.paginateDescribeVpcEndpoints({ Filters }), (page) => page.VpcEndpoints);
  };
  const nat: Limited[] = [
    { ...quotas.addresses, firstUp: 1, read: addresses },
    { ...quotas.natGateways, firstUp: 1, read: natGateways },
  ];
  // Of interface endpoints the quota is 50 in a VPC, and the stack's own has no others than its three.
  const endpoints: Limited[] = [{ ...quotas.gatewayEndpoints, firstUp: 1, read: gatewayEndpoints }];
  return [
    ...always,
    { ...quotas.balancers, firstUp: 1, read: balancers },
    { ...quotas.targetGroups, firstUp: 1, read: targetGroups },
    { ...quotas.groups, firstUp: 2, read: groups },
    { ...quotas.templates, firstUp: 2, read: templates },
    ...(fleet.egress === "nat" ? nat : fleet.egress === "endpoints" ? endpoints : []),
  ];
}

async function readLimit(client: ServiceQuotasClientConfig, { service, code }: Pick<Quota, "service" | "code">) {
  try {
    const { Quota } = await new ServiceQuotas(client).getServiceQuota({ ServiceCode: service, QuotaCode: code });
    return { limit: Quota?.Value };
  } catch (error) {
    return { problem: (error as Error).name };
  }
}

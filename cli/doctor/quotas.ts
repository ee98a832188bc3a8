import type { _InstanceType, EC2ClientConfig, Instance, Tag } from "@aws-sdk/client-ec2";
import type { ServiceQuotasClientConfig } from "@aws-sdk/client-service-quotas";

/** What a stack's machines are, and the tags of what it has made. */
export interface StackNeeds {
  readonly instanceTypes: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** A quota of the account in the stack's region. */
export interface Quota {
  readonly what: string;
  readonly service: "ec2" | "vpc";
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

/** The most that will be in use at one time, until the next release is done. */
export const needed = ({ used, own, firstUp, release }: Quota) => used + Math.max(firstUp - own, 0) + release;

/** Families of the quota that t4g and t3 count towards: https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html */
const standard = /^(a|c|d|h|i|im|is|m|r|t|z)\d/;

/** Reads every page of what is in use, and the quotas. A quota that may not be read is said to be so. */
export async function readQuotas(
  client: EC2ClientConfig & ServiceQuotasClientConfig,
  { instanceTypes, tags }: StackNeeds,
): Promise<Quota[]> {
  const ec2 = await import("@aws-sdk/client-ec2");
  const api = { client: new ec2.EC2Client(client) };
  const isOwn = ({ Tags = [] }: { Tags?: Tag[] }) =>
    Object.entries(tags).every(([key, value]) => Tags.some((tag) => tag.Key === key && tag.Value === value));

  const Filters = [{ Name: "instance-state-name", Values: ["pending", "running"] }];
  const [instancePages, vpcPages, vcpuLimit, vpcLimit] = await Promise.all([
    Array.fromAsync(ec2.paginateDescribeInstances(api, { Filters })),
    Array.fromAsync(ec2.paginateDescribeVpcs(api, {})),
    readLimit(client, "ec2", "L-1216C47A"),
    readLimit(client, "vpc", "L-F678F1CE"),
  ]);
  const vpcs = vpcPages.flatMap(({ Vpcs = [] }) => Vpcs);
  const counted = instancePages
    .flatMap(({ Reservations = [] }) => Reservations.flatMap(({ Instances = [] }) => Instances))
    .filter((instance) => standard.test(instance.InstanceType ?? "") && instance.InstanceLifecycle !== "spot");

  const InstanceTypes = [...new Set([...instanceTypes, ...typesOf(counted)])] as _InstanceType[];
  const typePages = await Array.fromAsync(ec2.paginateDescribeInstanceTypes(api, { InstanceTypes }));
  const types = typePages.flatMap(({ InstanceTypes = [] }) => InstanceTypes);
  const vcpus = (names: readonly string[]) =>
    names.reduce(
      (sum, name) => sum + (types.find((type) => type.InstanceType === name)?.VCpuInfo?.DefaultVCpus ?? 0),
      0,
    );
  const machines = vcpus(instanceTypes);
  return [
    {
      what: "vCPUs of On-Demand Standard instances",
      ...vcpuLimit,
      used: vcpus(typesOf(counted)),
      own: vcpus(typesOf(counted.filter(isOwn))),
      firstUp: machines,
      release: machines,
    },
    { what: "VPCs", ...vpcLimit, used: vpcs.length, own: vpcs.filter(isOwn).length, firstUp: 1, release: 0 },
  ];
}

const typesOf = (instances: readonly Instance[]) => instances.map(({ InstanceType = "" }) => InstanceType);

async function readLimit(client: ServiceQuotasClientConfig, service: Quota["service"], code: string) {
  const { ServiceQuotasClient, GetServiceQuotaCommand } = await import("@aws-sdk/client-service-quotas");
  try {
    const request = new GetServiceQuotaCommand({ ServiceCode: service, QuotaCode: code });
    const { Quota } = await new ServiceQuotasClient(client).send(request);
    return { service, code, limit: Quota?.Value };
  } catch (error) {
    return { service, code, problem: (error as Error).name };
  }
}

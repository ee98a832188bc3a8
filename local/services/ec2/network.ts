// What the API says of a network, as traffic meets it.
import { BlockList } from "node:net";
import type {
  EC2,
  Instance,
  IpPermission,
  NatGateway,
  NetworkInterface,
  RouteTable,
  SecurityGroup,
  VpcEndpoint,
} from "@aws-sdk/client-ec2";
import { localAddressOf } from "../../address.ts";
import { every, liveInstances } from "../../lists.ts";

export interface Network {
  readonly instances: readonly Instance[];
  readonly interfaces: readonly NetworkInterface[];
  readonly groups: readonly SecurityGroup[];
  readonly routeTables: readonly RouteTable[];
  readonly natGateways: readonly NatGateway[];
  readonly endpoints: readonly VpcEndpoint[];
}

/** Traffic that is allowed: from or to these ranges of addresses, of this local cloud or outside it. */
export interface Allowed {
  readonly protocol: string;
  readonly ports?: readonly [first: number, last: number];
  readonly ranges: readonly string[];
}

/** An address of the local cloud, what may reach it, and what it may reach itself; anything, where that is not said. */
export interface Opening {
  readonly address: string;
  readonly ingress: readonly Allowed[];
  readonly egress?: readonly Allowed[];
}

/** What of AWS a machine reaches: its API, ECR's registry with the layers that are in S3, and Docker Hub. */
export type Reach = ReturnType<typeof reachOf>;

/** All that the API has; of instances, those that are alive. Where there is nothing to reach, the rest is not asked for. */
export async function describeNetwork(ec2: EC2): Promise<Network> {
  const [instances, interfaces] = await Promise.all([
    liveInstances(ec2),
    every(ec2.paginateDescribeNetworkInterfaces({}), (page) => page.NetworkInterfaces),
  ]);
  const network = { instances, interfaces, groups: [], routeTables: [], natGateways: [], endpoints: [] };
  if (instances.length === 0 && !interfaces.some(isBalancer)) return network;
  const [groups, routeTables, natGateways, endpoints] = await Promise.all([
    every(ec2.paginateDescribeSecurityGroups({}), (page) => page.SecurityGroups),
    every(ec2.paginateDescribeRouteTables({}), (page) => page.RouteTables),
    every(ec2.paginateDescribeNatGateways({}), (page) => page.NatGateways),
    every(ec2.paginateDescribeVpcEndpoints({}), (page) => page.VpcEndpoints),
  ]);
  return { ...network, groups, routeTables, natGateways, endpoints };
}

const isBalancer = ({ Description = "" }: NetworkInterface) => Description.startsWith("ELB ");

/** The addresses at which something answers: machines, and load balancers, whose own requests are to machines of this network alone. */
export function openingsOf({ instances, interfaces, groups }: Network): Opening[] {
  const places = [
    ...instances.map((each) => ({ address: localAddressOf(each), worn: idsOf(each.SecurityGroups), sends: false })),
    ...interfaces
      .filter(isBalancer)
      .map((each) => ({ address: localAddressOf(each), worn: idsOf(each.Groups), sends: true })),
  ];
  const members = (id?: string) =>
    places.filter(({ worn }) => id !== undefined && worn.includes(id)).map(({ address }) => `${address}/32`);
  const allowed = ({ IpProtocol = "-1", FromPort, ToPort = FromPort, ...sources }: IpPermission): Allowed => ({
    protocol: IpProtocol,
    ports: FromPort === undefined || ToPort === undefined || IpProtocol === "icmp" ? undefined : [FromPort, ToPort],
    ranges: [
      ...(sources.IpRanges ?? []).map(({ CidrIp = "" }) => CidrIp),
      ...(sources.UserIdGroupPairs ?? []).flatMap(({ GroupId }) => members(GroupId)),
    ],
  });
  return places.map(({ address, worn, sends }) => {
    const own = groupsOf(worn, groups);
    return {
      address,
      ingress: own.flatMap(({ IpPermissions = [] }) => IpPermissions.map(allowed)),
      egress: sends ? own.flatMap(({ IpPermissionsEgress = [] }) => IpPermissionsEgress.map(allowed)) : undefined,
    };
  });
}

/**
 * How far a machine's requests come: by its subnet's route to the internet, which it uses with a public address or through a NAT gateway
 * in a public subnet, or by endpoints in its VPC. Where there is an endpoint a service's name, or the route to it, leads there and nowhere else.
 *
 * @see https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
 */
export function reachOf(instance: Instance, network: Network) {
  const own = groupsOf(idsOf(instance.SecurityGroups), network.groups);
  const goesOut = permits(own.flatMap(({ IpPermissionsEgress = [] }) => IpPermissionsEgress));
  const isOnline = goesOut && hasInternet(instance, network);
  const reaches = (service: string) => {
    const leads = (each: VpcEndpoint) => each.ServiceName?.endsWith(`.${service}`) && leadsTo(each, instance, network);
    const endpoint = network.endpoints.find(leads);
    return endpoint ? goesOut && admits(endpoint, instance, network) : isOnline;
  };
  return { api: reaches("ecr.api"), registry: reaches("ecr.dkr") && reaches("s3"), hub: isOnline };
}

function hasInternet({ PublicIpAddress, SubnetId, VpcId }: Instance, network: Network): boolean {
  const { GatewayId, NatGatewayId } = wayOut(network, VpcId, SubnetId) ?? {};
  if (GatewayId?.startsWith("igw-")) return PublicIpAddress !== undefined;
  const nat = network.natGateways.find((each) => each.NatGatewayId === NatGatewayId && each.State === "available");
  return nat !== undefined && !!wayOut(network, nat.VpcId, nat.SubnetId)?.GatewayId?.startsWith("igw-");
}

/** A subnet's route to everywhere; that of the VPC's main table, where the subnet has none of its own. */
const wayOut = (network: Network, vpc?: string, subnet?: string) =>
  tableOf(network, vpc, subnet)?.Routes?.find(({ DestinationCidrBlock }) => DestinationCidrBlock === "0.0.0.0/0");

const tableOf = ({ routeTables }: Network, vpc?: string, subnet?: string) =>
  routeTables.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnet)) ??
  routeTables.find(({ VpcId, Associations = [] }) => VpcId === vpc && Associations.some(({ Main }) => Main));

/** Whether requests of the machine go to an endpoint: by the subnet's routes, or by the service's name in the VPC. */
function leadsTo(endpoint: VpcEndpoint, { VpcId, SubnetId }: Instance, network: Network): boolean {
  if (endpoint.VpcId !== VpcId || endpoint.State?.toLowerCase() !== "available") return false;
  const table = tableOf(network, VpcId, SubnetId)?.RouteTableId ?? "";
  if (endpoint.VpcEndpointType === "Gateway") return endpoint.RouteTableIds?.includes(table) ?? false;
  return endpoint.PrivateDnsEnabled === true && (endpoint.SubnetIds?.length ?? 0) > 0;
}

/** Whether an endpoint's own security groups let the machine in. A gateway has none. */
function admits(endpoint: VpcEndpoint, instance: Instance, network: Network): boolean {
  if (endpoint.VpcEndpointType === "Gateway") return true;
  const groups = groupsOf(idsOf(endpoint.Groups), network.groups);
  return permits(
    groups.flatMap(({ IpPermissions = [] }) => IpPermissions),
    ({ IpRanges = [], UserIdGroupPairs = [] }) =>
      IpRanges.some(({ CidrIp = "" }) => contains(CidrIp, instance.PrivateIpAddress ?? "")) ||
      UserIdGroupPairs.some(({ GroupId = "" }) => idsOf(instance.SecurityGroups).includes(GroupId)),
  );
}

/** Whether HTTPS is allowed, to or from what is asked for. */
const permits = (permissions: readonly IpPermission[], concerns = (_: IpPermission) => true) =>
  permissions.some((permission) => {
    const { IpProtocol = "-1", FromPort = 0, ToPort = 65535 } = permission;
    return ["-1", "tcp"].includes(IpProtocol) && FromPort <= 443 && 443 <= ToPort && concerns(permission);
  });

function contains(range: string, address: string): boolean {
  const [network = "", bits] = range.split("/");
  const list = new BlockList();
  list.addSubnet(network, Number(bits));
  return list.check(address);
}

const groupsOf = (ids: readonly string[], groups: readonly SecurityGroup[]) =>
  groups.filter(({ GroupId = "" }) => ids.includes(GroupId));

const idsOf = (groups: readonly { GroupId?: string }[] = []) => groups.map(({ GroupId = "" }) => GroupId);

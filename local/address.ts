/**
 * The loopback address that stands for an IPv4 address of the emulated EC2. Only the last two octets tell addresses apart: a VPC is a /16 at
 * most, and moto takes public addresses from one. The cloud's own prefix replaces the first two.
 */
export function toLocalAddress(address: string, prefix = process.env.LOCAL_CLOUD_PREFIX ?? ""): string {
  const octets = address.split(".");
  if (octets.length !== 4) throw new Error(`not an IPv4 address: "${address}"`);
  if (!/^127\.\d+$/.test(prefix)) throw new Error(`LOCAL_CLOUD_PREFIX must look like 127.18, not "${prefix}"`);
  return [prefix, ...octets.slice(2)].join(".");
}

/** An instance or a network interface, as EC2 describes it. */
interface Addressed {
  readonly PublicIpAddress?: string;
  readonly PrivateIpAddress?: string;
}

/**
 * Where an instance or a network interface is reached, and where its requests come from: its public address where it has one, else its
 * private one. The interfaces that a load balancer has in its subnets (description `ELB app/NAME/ID`) have private addresses alone: it
 * listens on those, and what it sends to its targets comes from there, as on AWS.
 */
export function localAddressOf(
  { PublicIpAddress, PrivateIpAddress }: Addressed,
  prefix = process.env.LOCAL_CLOUD_PREFIX,
): string {
  return toLocalAddress(PublicIpAddress ?? PrivateIpAddress ?? "", prefix);
}

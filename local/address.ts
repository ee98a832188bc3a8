/**
 * The loopback address that stands for a public address of the emulated EC2. Only the last two octets tell machines
 * apart (moto gives every machine an address in one /16), so the cloud's own prefix replaces the first two.
 */
export function toLocalAddress(publicAddress: string, prefix = process.env.LOCAL_CLOUD_PREFIX ?? ""): string {
  const octets = publicAddress.split(".");
  if (octets.length !== 4) throw new Error(`not an IPv4 address: "${publicAddress}"`);
  if (!/^127\.\d+$/.test(prefix)) throw new Error(`LOCAL_CLOUD_PREFIX must look like 127.18, not "${prefix}"`);
  return [prefix, ...octets.slice(2)].join(".");
}

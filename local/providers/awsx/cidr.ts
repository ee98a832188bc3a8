/** awsx's "Auto": the block is split evenly among the zones, and each zone's subnet starts where its part does. */
export function subnetBlocks(vpcBlock: string, zones: number, mask: number): string[] {
  const [address = "", length = ""] = vpcBlock.split("/");
  const zoneMask = Number(length) + Math.ceil(Math.log2(zones));
  if (mask < zoneMask)
    throw new Error(`cidrMask ${mask}: ${zones} zones of ${vpcBlock} have room for /${zoneMask} at most`);
  const start = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return Array.from({ length: zones }, (_, zone) => {
    const base = start + zone * 2 ** (32 - zoneMask);
    return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".")}/${mask}`;
  });
}

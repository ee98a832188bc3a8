/**
 * awsx's "Auto": the block is split evenly among the zones, and each zone's subnets follow one another from where its part starts.
 *
 * @returns The blocks of each zone.
 */
export function subnetBlocks(vpcBlock: string, zones: number, mask: number, perZone = 1): string[][] {
  const [address = "", length = ""] = vpcBlock.split("/");
  const zoneMask = Number(length) + Math.ceil(Math.log2(zones));
  const room = zoneMask + Math.ceil(Math.log2(perZone));
  if (mask < room)
    throw new Error(
      `cidrMask ${mask}: ${zones} zones of ${vpcBlock} with ${perZone} subnets each have room for /${room} at most`,
    );
  const start = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return Array.from({ length: zones }, (_, zone) =>
    Array.from({ length: perZone }, (_, index) => {
      const base = start + zone * 2 ** (32 - zoneMask) + index * 2 ** (32 - mask);
      return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".")}/${mask}`;
    }),
  );
}

import { closeSync, openSync, readSync } from "node:fs";
import { ARCHITECTURES } from "./architecture.ts";

/** All of a file that is read: e_machine, which ends here, is the last field needed. */
const ELF_HEADER_BYTES = 20;

/**
 * The machine that an ELF file is made for, as `uname -m` would name it; null when the bytes are no ELF header.
 * A machine outside the table is named by its number, so that an error can report it.
 */
export function elfMachine(header: Uint8Array): string | null {
  const isElf = header[0] === 0x7f && header[1] === 0x45 && header[2] === 0x4c && header[3] === 0x46;
  if (!isElf || header.length < ELF_HEADER_BYTES) return null;
  const bigEndian = header[5] === 2;
  const machine = new DataView(header.buffer, header.byteOffset, header.byteLength).getUint16(18, !bigEndian);
  const known = Object.values(ARCHITECTURES).find(({ elf }) => elf === machine);
  return known ? known.machine : `e_machine ${machine}`;
}

/** Reads the header alone: the binaries in question have a hundred megabytes. */
export function readElfMachine(file: string): string | null {
  const descriptor = openSync(file, "r");
  try {
    const header = new Uint8Array(ELF_HEADER_BYTES);
    const length = readSync(descriptor, header, 0, ELF_HEADER_BYTES, 0);
    return elfMachine(header.subarray(0, length));
  } finally {
    closeSync(descriptor);
  }
}

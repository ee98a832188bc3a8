/**
 * The same architecture has another name at every layer that can be asked for it: `uname -m` on the machine, the
 * image's configuration, `process.arch`, and the e_machine number of an ELF header
 * (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
 */
export const ARCHITECTURES = {
  arm64: { machine: "aarch64", image: "arm64", process: "arm64", elf: 183, family: "AWS Graviton" },
  x86_64: { machine: "x86_64", image: "amd64", process: "x64", elf: 62, family: "Intel or AMD" },
} as const;

export type Architecture = keyof typeof ARCHITECTURES;

type Layer = "machine" | "image" | "process";

/** The architecture that a layer means by a name, or null for a name that none of them uses. */
export function architectureOf(layer: Layer, name: string | null): Architecture | null {
  const found = Object.entries(ARCHITECTURES).find(([, names]) => names[layer] === name);
  return found ? (found[0] as Architecture) : null;
}

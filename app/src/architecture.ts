/**
 * Every name of each architecture, by EC2's. Nothing else in the project writes one down: all code reads this table, which is in the app
 * because the image is built from app/ alone.
 *
 * - `platform`: Docker's `--platform`
 * - `image`: the image configuration's `architecture`, as `docker image inspect` prints it; Debian's name too
 * - `machine`: what `uname -m` prints
 * - `process`: `process.arch` of Node and Bun
 * - `elf`: e_machine of an ELF header, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
 * - `family`: what the app's page calls the processors
 */
export const ARCHITECTURES = {
  arm64: {
    platform: "linux/arm64",
    image: "arm64",
    machine: "aarch64",
    process: "arm64",
    elf: 183,
    family: "AWS Graviton",
  },
  x86_64: {
    platform: "linux/amd64",
    image: "amd64",
    machine: "x86_64",
    process: "x64",
    elf: 62,
    family: "Intel or AMD",
  },
} as const;

export type Architecture = keyof typeof ARCHITECTURES;

export type Names = (typeof ARCHITECTURES)[Architecture];

type Layer = "machine" | "image" | "process";

/** The architecture that a layer means by a name; null for a name that it does not use. */
export function architectureOf(layer: Layer, name: string | null): Architecture | null {
  const found = Object.entries(ARCHITECTURES).find(([, names]) => names[layer] === name);
  return found ? (found[0] as Architecture) : null;
}

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ARCHITECTURES } from "../app/src/architecture.ts";
import { checkHost } from "./host.mjs";
import { readIfThere } from "./paths.ts";
import { run, step } from "./process.ts";

/** The architecture that this machine emulates. */
const other = Object.values(ARCHITECTURES).find(({ process: name }) => name !== process.arch) ?? ARCHITECTURES.arm64;

/** Programs that only a system package can bring, with the Debian package that does. */
const programs = {
  dockerd: "docker.io",
  docker: "docker.io",
  containerd: "containerd",
  runc: "runc",
  haproxy: "haproxy",
  iptables: "iptables",
  ip: "iproute2",
  mmdebstrap: "mmdebstrap",
  [`qemu-${other.machine}-static`]: "qemu-user-static",
  "update-binfmts": "binfmt-support",
  openssl: "openssl",
  python3: "python3",
};

/**
 * Docker Engine and the emulation of the other architecture. Installed on Debian and Ubuntu.
 *
 * @throws Error that says what to install where they are missing and cannot be installed.
 */
export async function ensureSystem(): Promise<void> {
  checkHost();
  const missing = Object.entries(programs).filter(([name]) => !isOnPath(name));
  const packages = new Set<string>(missing.map(([, name]) => name));
  // mmdebstrap checks Debian's signatures, also on Ubuntu.
  if (!existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) packages.add("debian-archive-keyring");
  await installPackages([...packages]);
  await ensureEmulation();
}

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));

/** @throws Error that says what to install where this is not Debian or Ubuntu. */
export async function installPackages(packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return;
  if (!isOnPath("apt-get")) {
    throw new Error(`missing system packages: install what Debian calls ${packages.join(", ")}, then run this again`);
  }
  await step(`system packages: ${packages.join(", ")}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run(["apt-get", "update", "-q"], { env });
    await run(["apt-get", "install", "-y", "-q", "--no-install-recommends", ...packages], { env });
  });
}

/** Containers of the other architecture need the kernel to hand their binaries to QEMU. */
async function ensureEmulation(): Promise<void> {
  const entry = `qemu-${other.machine}`;
  const status = `/proc/sys/fs/binfmt_misc/${entry}`;
  const enabled = () => readIfThere(status)?.startsWith("enabled");
  if (enabled()) return;
  if (!existsSync("/proc/sys/fs/binfmt_misc/status")) {
    await run(["mount", "-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"]);
  }
  if (!enabled()) await run(["update-binfmts", "--enable", entry]);
}

// Stops a build whose binaries are not of the target's architecture. It reads ELF headers and runs nothing: a
// `RUN app --version` passes wherever binfmt_misc emulates the wrong architecture.
// Usage: bun check-binaries.ts ARCHITECTURE IMAGE_ROOT [FOLDER…]

import { existsSync, readdirSync, realpathSync } from "node:fs";
import { join, resolve, sep } from "node:path";
import { ARCHITECTURES, architectureOf } from "./src/architecture.ts";
import { readElfMachine } from "./src/elf.ts";

/** Its path in oven/bun: https://github.com/oven-sh/bun/blob/main/dockerhub/distroless/Dockerfile */
const RUNTIME = "usr/local/bin/bun";

/**
 * @param target Docker's name of the architecture, from BuildKit's TARGETARCH
 * @param root the root file system of the image that is built upon; must hold the runtime
 * @param folders what is added to it
 * @returns a sentence for each binary that is of another architecture; empty when all is well
 */
export function checkBinaries(target: string, root: string, folders: string[] = []): string[] {
  const architecture = architectureOf("image", target);
  if (!architecture) {
    const known = Object.values(ARCHITECTURES).map(({ image }) => image);
    return [`TARGETARCH is ${JSON.stringify(target)}; known are ${known.join(" and ")}.`];
  }
  const expected = ARCHITECTURES[architecture].machine;
  const runtime = join(root, RUNTIME);
  if (!existsSync(runtime)) return [`${runtime} is missing: the base image has no Bun where it is expected.`];
  // An absolute link would be followed to this build's own bun, which is always right.
  if (!realpathSync(runtime).startsWith(realpathSync(root) + sep)) return [`${runtime} links out of the base image.`];
  return [runtime, ...[root, ...folders].flatMap(sharedObjects)].flatMap((file) => {
    const found = readElfMachine(file) ?? "no ELF file";
    return found === expected ? [] : [`${file}: expected ${expected} (linux/${target}), found ${found}.`];
  });
}

/** Walks by itself, since Bun's `recursive` follows links to folders, and Debian's /usr/bin/X11 links to its own parent. */
function sharedObjects(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sharedObjects(path);
    return entry.isFile() && /\.(node|so(\.\d+)*)$/.test(entry.name) ? [path] : [];
  });
}

if (import.meta.main) {
  const [target, root, ...folders] = process.argv.slice(2);
  if (!target || !root) {
    console.error("Usage: bun check-binaries.ts ARCHITECTURE IMAGE_ROOT [FOLDER…]");
    process.exit(2);
  }
  const problems = checkBinaries(target, resolve(root), folders);
  for (const problem of problems.slice(0, 5)) console.error(`Wrong binary: ${problem}`);
  // A base of the wrong architecture is wrong in hundreds of files.
  if (problems.length > 5) console.error(`Wrong binary: ${problems.length - 5} more like these.`);
  process.exit(problems.length > 0 ? 1 : 0);
}

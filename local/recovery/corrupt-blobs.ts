import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Cloud } from "../cloud.ts";

/** Larger than any index or manifest of this project, smaller than any layer with a runtime in it. */
const manifestLimit = 64 * 1024;

/**
 * Deletes from the registry's disk what is not the bytes that its name promises, and the manifests that need it: a push sends what is
 * missing, and takes for good what is there.
 *
 * @returns Their digests.
 */
export function removeBrokenBlobs(cloud: Cloud): string[] {
  const folder = join(cloud.dir, "registry", "data", "docker", "registry", "v2", "blobs", "sha256");
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("/data"));
  const blobs = new Map(found.map((path) => [path.split("/").at(-2) ?? "", join(folder, path)]));
  const broken = new Set<string>();
  for (const [hash, file] of blobs) {
    if (createHash("sha256").update(readFileSync(file)).digest("hex") !== hash) broken.add(hash);
  }
  // An index needs a manifest that needs a layer: until nothing more is found.
  for (let known = -1; known < broken.size; ) {
    known = broken.size;
    for (const [hash, file] of blobs) {
      if (broken.has(hash) || statSync(file).size > manifestLimit) continue;
      const text = readFileSync(file, "utf8");
      if ([...broken].some((each) => text.includes(`sha256:${each}`))) broken.add(hash);
    }
  }
  for (const hash of broken) rmSync(blobs.get(hash) ?? "");
  return [...broken].map((hash) => `sha256:${hash}`);
}

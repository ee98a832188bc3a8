import { hash } from "node:crypto";
import { readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Cloud } from "../cloud.ts";
import { blobsOf } from "../services/registry.ts";

/** Larger than any index or manifest of this project, smaller than any layer with a runtime in it. */
const manifestLimit = 64 * 1024;

/**
 * Deletes from the registry's disk the blobs whose bytes do not have their name's digest, and the manifests that refer to them. A push sends
 * only blobs that are missing, and would not replace them.
 *
 * @returns Their digests.
 */
export function removeCorruptBlobs(cloud: Pick<Cloud, "dir">): string[] {
  const blobs = new Map(blobsOf(cloud).map((file) => [basename(dirname(file)), file]));
  const corrupt = new Set<string>();
  for (const [name, file] of blobs) {
    if (hash("sha256", readFileSync(file)) !== name) corrupt.add(name);
  }
  // An index refers to manifests, which refer to layers: repeated until nothing more is found.
  for (let known = -1; known < corrupt.size; ) {
    known = corrupt.size;
    for (const [name, file] of blobs) {
      if (corrupt.has(name) || statSync(file).size > manifestLimit) continue;
      const text = readFileSync(file, "utf8");
      if ([...corrupt].some((each) => text.includes(`sha256:${each}`))) corrupt.add(name);
    }
  }
  for (const name of corrupt) rmSync(blobs.get(name) ?? "");
  return [...corrupt].map((name) => `sha256:${name}`);
}

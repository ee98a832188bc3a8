import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** The project. */
export const root = dirname(import.meta.dirname);

/** Everything that the set-up makes; ignored by git. */
export const home = join(root, ".local");

/** A file's text; undefined where there is none, or none that can be read. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** All files below a folder; none if it does not exist. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** A short name for the given texts and the contents of the given files and folders. */
export function hashOf(texts: readonly string[], paths: readonly string[]): string {
  const sum = createHash("sha256").update(JSON.stringify(texts));
  for (const path of paths) {
    const files = statSync(path).isDirectory() ? filesBelow(path) : [path];
    for (const file of files.sort()) sum.update(`\0${relative(path, file)}\0`).update(readFileSync(file));
  }
  return sum.digest("hex").slice(0, 12);
}

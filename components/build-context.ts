import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { posix } from "node:path";
import dockerignore from "@balena/dockerignore";
import { RunError } from "@pulumi/pulumi";
import { contentTagPrefix } from "./image-reference.ts";

// With `/` on Windows too, where Node takes either: the path is in the state, where another one would be a change.
const { dirname, join } = posix;

/** A file or symbolic link of a build context. */
export interface ContextEntry {
  /** Relative to the context, with `/` between its parts. */
  readonly path: string;
  readonly kind: "file" | "executable" | "symlink";
  /** A file's bytes, or a symbolic link's target. */
  readonly content: Buffer;
}

/**
 * Reads what Docker would send of a build context: all files that `.dockerignore` does not exclude, in the order of their paths. Of a file's
 * mode only the owner's execute bit counts, as in git: the rest depends on the umask.
 *
 * @throws Error when the folder has no Dockerfile.
 */
export function readContext(folder: string): ContextEntry[] {
  if (!existsSync(join(folder, "Dockerfile"))) {
    throw new RunError(
      `the build context ${JSON.stringify(folder)} has no Dockerfile; it must be a folder with a Dockerfile in it`,
    );
  }
  const ignoreFile = join(folder, ".dockerignore");
  const rules = dockerignore.default().add(existsSync(ignoreFile) ? readFileSync(ignoreFile, "utf8") : "");
  // The builder reads these two even where .dockerignore excludes them.
  const always = new Set(["Dockerfile", ".dockerignore"]);
  const paths = pathsIn(folder)
    .filter((path) => always.has(path) || !rules.ignores(path))
    .sort(); // by code unit: a locale's order would differ between machines
  return paths.flatMap((path): ContextEntry[] => {
    const file = join(folder, path);
    const status = lstatSync(file);
    if (status.isSymbolicLink()) return [{ path, kind: "symlink", content: Buffer.from(readlinkSync(file)) }];
    if (!status.isFile()) return [];
    return [{ path, kind: status.mode & 0o100 ? "executable" : "file", content: readFileSync(file) }];
  });
}

/** The paths of everything in a folder and the folders below it. Node's `recursive` would follow links to folders, which Docker sends as links. */
function pathsIn(folder: string, within = ""): string[] {
  return readdirSync(join(folder, within), { withFileTypes: true }).flatMap((entry) => {
    const path = join(within, entry.name);
    return entry.isDirectory() ? pathsIn(folder, path) : [path];
  });
}

/**
 * The tag of a release: equal for equal content, on any machine, in any clone, whatever its umask and times.
 *
 * @param options Everything else that decides what is built, such as the platforms.
 */
export function contentTag(entries: readonly ContextEntry[], options: unknown): string {
  const hash = createHash("sha256").update(JSON.stringify(options));
  for (const { path, kind, content } of entries) {
    // Length prefixes make the encoding unambiguous.
    hash.update(`\n${kind} ${Buffer.byteLength(path)} ${content.length}\n${path}\n`).update(content);
  }
  return contentTagPrefix + hash.digest("hex").slice(0, 16);
}

/**
 * Copies the context to `<folder>/<tag>`. The docker-build provider hashes file modes and compares paths, so that copy has the same in every
 * clone.
 *
 * @returns The copy's path, relative if `folder` is.
 */
export function stageContext(entries: readonly ContextEntry[], folder: string, tag: string): string {
  const target = join(folder, tag);
  if (existsSync(target)) return target;
  mkdirSync(folder, { recursive: true });
  // Whole or not at all, also when two commands run at once or one is killed.
  const staging = mkdtempSync(join(folder, `.${tag}-`));
  const umask = process.umask(0o022);
  try {
    chmodSync(staging, 0o755);
    for (const { path, kind, content } of entries) {
      const file = join(staging, path);
      mkdirSync(dirname(file), { recursive: true });
      // Times are left alone: BuildKit takes a file of equal size and time for unchanged.
      if (kind === "symlink") symlinkSync(content.toString(), file);
      else writeFileSync(file, content, { mode: kind === "executable" ? 0o755 : 0o644 });
    }
    renameSync(staging, target);
  } catch (error) {
    if (!existsSync(target)) throw error; // another command has made the same
  } finally {
    process.umask(umask);
    rmSync(staging, { recursive: true, force: true });
  }
  return target;
}

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./paths.ts";

/** Copies the files that git tracks or would add into `folder`, with their uncommitted changes: a checkout, without packages and tools. */
export function checkOut(folder: string): void {
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const file of list.toString().split("\0").filter(Boolean)) {
    if (!existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file), { verbatimSymlinks: true });
  }
}

/** A checkout whose packages and tools are links to the project's. */
export function makeClone(folder: string): void {
  checkOut(folder);
  for (const name of ["node_modules", ".local"]) symlinkSync(join(root, name), join(folder, name));
}

import { hash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { home, readIfThere, root } from "./paths.ts";
import { run, step, succeeds } from "./process.ts";
import { installPackages } from "./system.ts";

/**
 * The Python packages of `tools/python/<name>/requirements.txt`, from PyPI, in a virtual environment of their own.
 *
 * @returns The folder of its programs.
 */
export async function ensureVenv(name: string): Promise<string> {
  const venv = join(home, name);
  const requirements = join(root, "tools", "python", name, "requirements.txt");
  const programs = join(venv, "bin");
  // An environment belongs to the Python that made it. Its own link to that one is asked: `python3` may be a slow script, as pyenv's is.
  const python = () => run([join(programs, "python"), "--version"]).catch(() => "none");
  const key = async () => hash("sha256", readFileSync(requirements, "utf8") + (await python()));
  const stamp = join(venv, ".installed");
  if (readIfThere(stamp) === (await key())) return programs;
  // Debian keeps a part of Python that virtual environments need in a package of its own.
  if (!(await succeeds(["python3", "-c", "import ensurepip"]))) await installPackages(["python3-venv"]);
  await step(`${name}, from PyPI`, async () => {
    rmSync(venv, { recursive: true, force: true });
    await run(["python3", "-m", "venv", venv]);
    const options = ["--quiet", "--no-deps", "--disable-pip-version-check"];
    await run([join(programs, "pip"), "install", ...options, "-r", requirements]);
    writeFileSync(stamp, await key());
  });
  return programs;
}

import { hash } from "node:crypto";
import { mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { exclusively } from "./lock.ts";
import { home, readIfThere, root } from "./paths.ts";
import { run, step, succeeds } from "./process.ts";
import { storeOf, tidy } from "./store.ts";
import { installPackages } from "./system.ts";

/** The programs of an environment that {@link ensureVenv} has made. */
export const programsOf = (name: string) => join(home, "python", name, "bin");

/**
 * The Python packages of `tools/python/<name>/requirements.txt`, from PyPI, in a virtual environment of their own, which the user's other
 * clones have too.
 *
 * @returns The folder of its programs.
 */
export async function ensureVenv(name: string): Promise<string> {
  const requirements = join(root, "tools", "python", name, "requirements.txt");
  const link = dirname(programsOf(name));
  // An environment belongs to the Python that made it.
  const keyOf = async (python: string) =>
    hash("sha256", readFileSync(requirements, "utf8") + (await run([python, "--version"]).catch(() => "none")));
  const stampOf = (venv: string) => join(venv, ".installed");
  // Its own link to that Python is asked: `python3` may be a slow script, as pyenv's is.
  const isWhole = async (venv: string) => readIfThere(stampOf(venv)) === (await keyOf(join(venv, "bin", "python")));

  if (!(await isWhole(link))) {
    // Debian keeps a part of Python that virtual environments need in a package of its own.
    if (!(await succeeds(run(["python3", "-c", "import ensurepip"])))) await installPackages(["python3-venv"]);
    const venv = storeOf("python", (await keyOf("python3")).slice(0, 16));
    await exclusively(`hono-app-python:${venv}`, async () => {
      if (await isWhole(venv)) return;
      await step(`${name}, from PyPI`, async () => {
        rmSync(venv, { recursive: true, force: true });
        await run(["python3", "-m", "venv", venv]);
        const options = ["--quiet", "--no-deps", "--disable-pip-version-check"];
        await run([join(venv, "bin", "pip"), "install", ...options, "-r", requirements]);
        writeFileSync(stampOf(venv), await keyOf(join(venv, "bin", "python")));
      });
    });
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { recursive: true, force: true });
    symlinkSync(venv, link);
  }
  tidy(realpathSync(link));
  return programsOf(name);
}

import { cpSync, existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { temporaryFolder, writeProgram } from "../../support/process.ts";

test("a user's clones share what is installed from PyPI, until Python is another", async () => {
  const folder = temporaryFolder(onTestFinished);
  const pips = join(folder, "pips");
  const program = (name: string, script: string) => writeProgram(join(folder, name), script);
  const python = (version: string) => program("python", `echo Python ${version}`);
  python("3.11.2");
  program("pip", `echo installed >>${pips}; mkdir -p "$(dirname "$0")"`);
  // As `python3 -m venv FOLDER`.
  const venv = `mkdir -p "$3/bin" && ln -s ${folder}/python "$3/bin/python" && ln -s ${folder}/pip "$3/bin/pip"`;
  program("python3", `case $1 in -m) ${venv};; *) exec ${folder}/python;; esac`);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
  const clones = ["first", "second"].map((name) => join(folder, name)) as [string, string];
  const files = [...globSync("tools/*.*"), "tools/python/moto", "app/src", "package.json"];
  for (const clone of clones) for (const file of files) cpSync(file, join(clone, file), { recursive: true });
  const [first, second] = clones;
  const ensure = async (clone: string) => {
    const { ensureVenv } = await import(join(clone, "tools/python.ts"));
    const programs = await ensureVenv("moto");
    expect([programs, existsSync(join(programs, "pip"))]).toEqual([join(clone, ".local/python/moto/bin"), true]);
    return readFileSync(pips, "utf8").split("\n").length - 1;
  };
  expect(await ensure(first)).toBe(1);
  expect(await ensure(second)).toBe(1);
  python("3.11.3");
  expect(await ensure(first)).toBe(2);
  expect(await ensure(second)).toBe(2);
});

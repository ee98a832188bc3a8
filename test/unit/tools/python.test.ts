import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run } from "../../../tools/process.ts";
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
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}`, XDG_CACHE_HOME: join(folder, "cache") };
  const ensure = async (clone: string) => {
    const cwd = join(folder, clone);
    for (const path of ["tools", "app/src", "package.json"]) cpSync(path, join(cwd, path), { recursive: true });
    const script = 'import("./tools/python.ts").then(async (it) => console.log(await it.ensureVenv("moto")))';
    const programs = await run(["node", "--eval", script], { cwd, env });
    expect(programs.trim()).toBe(join(cwd, ".local/python/moto/bin"));
    return readFileSync(pips, "utf8").split("\n").length - 1;
  };
  expect(await ensure("first")).toBe(1);
  expect(await ensure("second")).toBe(1);
  expect(await ensure("second")).toBe(1);
  python("3.11.3");
  expect(await ensure("first")).toBe(2);
  expect(await ensure("second")).toBe(2);
});

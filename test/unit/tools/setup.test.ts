import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { temporaryFolder, writeProgram } from "../../support/process.ts";

/** A clone in which nothing is installed. */
let clone: string;
const { engines } = JSON.parse(readFileSync("package.json", "utf8"));

beforeEach(() => {
  clone = temporaryFolder(onTestFinished);
  for (const file of ["engines.js", "tools/setup.mjs", "tools/host.mjs", ".npmrc"]) cpSync(file, join(clone, file));
  needs(engines.node);
  writeFileSync(join(clone, "package-lock.json"), '{ "lockfileVersion": 3, "packages": { "": {} } }');
});

function needs(node: string): void {
  writeFileSync(join(clone, "package.json"), JSON.stringify({ name: "clone", type: "module", engines: { node } }));
}

/** `node tools/setup.mjs …`, not as root, with an npm that needs no network. */
function setup(args: string[]) {
  writeProgram(join(clone, "bin", "npm"), 'echo "added 1 package"; mkdir node_modules; command -v node >npm-ran-on');
  const env = { ...process.env, PATH: [join(clone, "bin"), process.env.PATH].join(delimiter) };
  const options = { cwd: clone, encoding: "utf8", env } as const;
  // Not another user in fact, who could not reach a clone in a private folder.
  const user = ["--import", "data:text/javascript,process.getuid=()=>65534"];
  return spawnSync(process.execPath, [...user, "tools/setup.mjs", ...args], options);
}

test("in a fresh clone, stdout is the command's alone: eval of what it prints runs nothing else", () => {
  const { stdout, stderr, status } = setup(["echo", "export A=1"]);
  expect({ stdout, status }).toEqual({ stdout: "export A=1\n", status: 0 });
  expect(stderr).toContain("npm packages");
});

test("where no local cloud can run, a command that needs one ends with a sentence, and nothing is installed", () => {
  const { status, stdout, stderr } = setup(["--local-cloud", "echo", "ran"]);
  expect(stderr).toMatch(
    /^the local cloud runs Docker Engines and needs Linux and root; this is (user \d+: try sudo|\w+$)/m,
  );
  expect([status, stdout]).toEqual([1, ""]);
  expect([".local", "node_modules"].filter((name) => existsSync(join(clone, name)))).toEqual([]);
  for (const help of ["--help", "-h"])
    expect(setup(["--local-cloud", "echo", "usage", help]).stdout).toBe(`usage ${help}\n`);
});

test("npm ci refuses a Node that is too old, and says which one is needed", () => {
  needs(">=99.1");
  const { stderr, status } = spawnSync("npm", ["ci", "--loglevel=error"], { cwd: clone, encoding: "utf8" });
  expect(status).not.toBe(0);
  expect(stderr).toContain('Required: {"node":">=99.1"}');
});

test("where the machine's Node is too old, packages are installed and the command is run with one that is not", () => {
  needs(">=99.1");
  const version = /nodeVersion = "(.+)"/.exec(readFileSync("tools/setup.mjs", "utf8"))?.[1] as string;
  const fetched = join(clone, ".local", "node", version);
  const node = join(fetched, "node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  writeProgram(node, "");
  writeFileSync(join(fetched, ".installed"), "");
  expect(setup(["sh", "-c", "command -v node"]).stdout).toBe(`${node}\n`);
  expect(readFileSync(join(clone, "npm-ran-on"), "utf8")).toBe(`${node}\n`);
});

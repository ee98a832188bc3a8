// Starts a command of this project on the Node that it needs, with its packages installed.
// The machine's own Node may be older, so this file is plain JavaScript, for Node 18 and up. What it says goes to stderr: stdout is the
// command's.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isOld, neededNode } from "../engines.js";
import { checkHost } from "./host.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const home = join(root, ".local");
const compileCache = join(home, "node-compile-cache");
const nodeVersion = "24.21.0";
const quietly = ["--ignore-scripts", "--no-audit", "--no-fund"];

/** Runs a step, its output kept back unless it fails; says that it goes on while it is silent. */
function step(title, command, args, options = {}) {
  const started = Date.now();
  console.error(`${title} …`);
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], ...options });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    const ticker = setInterval(() => console.error(`${title} … ${Math.round((Date.now() - started) / 1000)} s`), 5000);
    child.on("error", (error) => {
      output += error.message;
      finish(1);
    });
    child.on("close", finish);
    function finish(code) {
      clearInterval(ticker);
      if (code !== 0) {
        console.error(`${output}\n${title}: "${command} ${args.join(" ")}" failed`);
        process.exit(1);
      }
      resolve();
    }
  });
}

/** The folder of a Node that runs TypeScript itself, from npm's own packages where the machine's is older. */
async function ensureNode() {
  if (!isOld) return dirname(process.execPath);
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(home, "node", nodeVersion);
  const bin = join(folder, "node_modules", name, "bin");
  const stamp = join(folder, ".installed");
  if (!existsSync(stamp)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const args = ["install", "--prefix", folder, ...quietly, "--no-save", `${name}@${nodeVersion}`];
    await step(`Node ${nodeVersion} (this machine has ${process.versions.node}; ${neededNode} is needed)`, "npm", args);
    writeFileSync(stamp, "");
  }
  return bin;
}

/**
 * The packages of package-lock.json, installed once for each content of that file. The first time, what the local cloud is built from is
 * fetched meanwhile; what cannot be had is said when it is needed.
 */
async function ensurePackages(env, isForCloud) {
  // Some packages are programs: those of another system that shares the folder, such as a dev container, are others.
  const lock = createHash("sha256")
    .update(`${process.platform} ${process.arch} `)
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(root, "node_modules", ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  // What was compiled of earlier packages, and at each run of the tests: Node itself removes nothing.
  rmSync(compileCache, { recursive: true, force: true });
  const installed = step("npm packages", "npm", ["ci", ...quietly], { env });
  if (isForCloud) {
    const others = spawn("node", [join(root, "local", "fetch.ts")], { env, stdio: "inherit" });
    process.on("exit", () => others.kill());
    await once(others, "exit");
  }
  await installed;
  writeFileSync(stamp, lock);
}

const given = process.argv.slice(2);
const needsHost = given[0] === "--local-cloud";
const [command, ...args] = needsHost ? given.slice(1) : given;
if (command === undefined) {
  console.error(`usage: node tools/setup.mjs [--local-cloud] COMMAND [ARGUMENT ...]

  --local-cloud   the command runs a local cloud: where none can run, nothing is installed`);
  process.exit(2);
}
const isForCloud = needsHost && !args.some((arg) => arg === "--help" || arg === "-h");
if (isForCloud) {
  try {
    checkHost();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
const node = await ensureNode();
const path = [node, join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);
// Compiled once, the imports of every later command cost a third less.
const env = { ...process.env, PATH: path, NODE_COMPILE_CACHE: compileCache };
await ensurePackages(env, isForCloud);

const child = spawn(command, args, { cwd: root, env, stdio: "inherit" });
// The terminal tells the child itself; what is sent to this process alone is handed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
child.on("error", (error) => {
  console.error(`${command}: ${error.message}`);
  process.exit(127);
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal];
});

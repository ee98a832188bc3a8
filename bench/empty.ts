// An empty Pulumi program, run as the local cloud's commands run theirs: the cost of an `up` or preview itself.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCloud } from "../local/cloud.ts";
import { root } from "../tools/paths.ts";

const cloud = await openCloud();
const cwd = join(cloud.dir, "empty");
const pulumi = (...args: string[]) => spawnSync("pulumi", args, { cwd, env: cloud.env, stdio: "inherit" }).status;
if (!existsSync(cwd)) {
  mkdirSync(cwd);
  writeFileSync(join(cwd, "Pulumi.yaml"), "name: empty\nruntime:\n  name: nodejs\n  options:\n    typescript: false\n");
  writeFileSync(join(cwd, "package.json"), '{ "type": "module", "main": "index.js" }\n');
  writeFileSync(join(cwd, "index.js"), "");
  symlinkSync(join(root, "node_modules"), join(cwd, "node_modules"));
  pulumi("stack", "init", "empty");
}
const options = process.argv[2] === "preview" ? ["preview"] : ["up", "--yes", "--skip-preview"];
process.exitCode = pulumi(...options, "--stack", "empty") ?? 1;

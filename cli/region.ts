import { readFileSync } from "node:fs";
import { readConfig } from "../tools/stack-config.ts";
import { readStackFile } from "./cost.ts";
import { runMain } from "./shared/run-main.ts";

/** `node cli/region.ts STACK` prints the stack's region. The workflows log in to AWS with it, and the CLI reads the configuration only after that. */
async function main(): Promise<void> {
  const [stack = ""] = process.argv.slice(2);
  const region = readConfig(readFileSync("Pulumi.yaml", "utf8"), readStackFile(stack))["aws:region"];
  process.stdout.write(`${region}\n`);
}

if (import.meta.main) await runMain(main);

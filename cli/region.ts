import { readFileSync } from "node:fs";
import { readConfig } from "../tools/stack-config.ts";
import { readStackFile } from "./cost.ts";
import { runCommand } from "./shared/command.ts";

const usage = `usage: node cli/region.ts STACK

Prints the stack's region. The workflows log in to AWS with it, and the Pulumi CLI reads the configuration only after that.
`;

await runCommand(usage, ([stack = ""]) => {
  const region = readConfig(readFileSync("Pulumi.yaml", "utf8"), readStackFile(stack))["aws:region"];
  process.stdout.write(`${region}\n`);
});

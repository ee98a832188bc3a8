import { runCommand } from "../../cli/shared/command.ts";
import { stackConfig } from "../../tools/stack-config.ts";

const usage = `usage: node .github/scripts/region.ts STACK

Prints the stack's region. The workflows log in to AWS with it, and the Pulumi CLI reads the configuration only after that.
`;

await runCommand(usage, ([stack = ""]) => {
  process.stdout.write(`${stackConfig(stack)["aws:region"]}\n`);
});

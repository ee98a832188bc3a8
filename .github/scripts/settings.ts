import { runCommand } from "../../cli/shared/command.ts";
import { projectName } from "../../tools/project.ts";
import { secretsProvider, stackConfig } from "../../tools/stack-config.ts";

const usage = `usage: node .github/scripts/settings.ts STACK

Prints, as a step's outputs, what a job needs of the stack's configuration before the Pulumi CLI reads it: the region, with which it logs in to
AWS, the name of the builder, and what encrypts the secrets, which the CLI needs where it makes the stack.
`;

await runCommand(usage, ([stack = ""]) => {
  const config = stackConfig(stack);
  process.stdout.write(
    `region=${config["aws:region"]}\nbuilder=${config[`${projectName}:builder`]}\nsecretsprovider=${secretsProvider(stack)}\n`,
  );
});

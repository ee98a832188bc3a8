import { say } from "../local/step.ts";
import { build } from "./build.ts";
import { findEngine } from "./engine.ts";
import { readOptions, runCommand, usage } from "./options.ts";
import { inspectImage } from "./registry.ts";
import { printSizes } from "./sizes.ts";

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  switch (options.kind) {
    case "help":
      return void process.stdout.write(usage);
    case "sizes":
      say(`image: the sizes of ${options.image}`);
      return printSizes(options.image, await findEngine());
    case "inspect":
      say(`image: the platforms of ${options.image}`);
      return void process.stdout.write(await inspectImage(options.image, [], (await findEngine()).env));
    case "build":
      say(`image: ${options.tags.join(", ")} from ${options.context}/`);
      return build(options, await findEngine());
  }
}

await runCommand(main, usage);

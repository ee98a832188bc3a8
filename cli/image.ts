import { say } from "../tools/process.ts";
import { build } from "./image/build.ts";
import { printSizes } from "./image/sizes.ts";
import { findEngine } from "./shared/engine.ts";
import { readOptions, runCommand, usage } from "./shared/options.ts";
import { inspectImage } from "./shared/registry.ts";

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

import { say } from "../tools/process.ts";
import { build } from "./image/build.ts";
import { findEngine } from "./image/engine.ts";
import { readOptions, usage } from "./image/options.ts";
import { printSizes } from "./image/sizes.ts";
import { runCommand } from "./shared/command.ts";
import { inspectImage } from "./shared/registry.ts";

await runCommand(usage, async (args) => {
  const options = readOptions(args);
  switch (options.kind) {
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
});

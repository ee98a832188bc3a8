import { CommandError, run, say, step, succeeds } from "../../tools/process.ts";
import { inspectImage, isDenied, loginNeeded } from "../shared/registry.ts";
import { type Builder, ensureBuilder } from "./builder.ts";
import { type EmulatedStep, emulatedStep, remedy } from "./emulation.ts";
import type { Engine } from "./engine.ts";
import type { BuildOptions } from "./options.ts";

/** Builds the image, and leaves it in the engine or in a registry. */
export async function build(options: BuildOptions, engine: Engine): Promise<void> {
  const platforms = options.platforms ?? [engine.platform];
  const builder = await ensureBuilder(options.builder, platforms, engine.env);
  const command = [
    ...["docker", "buildx", "build", "--builder", builder.name, "--platform", platforms.join(",")],
    // As the stack builds it: no times, so that equal content gives equal digests; and no attestations, which `imagetools inspect` shows
    // as platforms named unknown/unknown.
    ...["--build-arg", "SOURCE_DATE_EPOCH=0", "--provenance=false"],
    ...options.passed,
  ];
  const tags = options.tags.flatMap((tag) => ["--tag", tag]);
  if (options.push) {
    const output = ["--output", "type=image,push=true,oci-mediatypes=true"];
    await watch([...command, ...naming, ...output, ...tags, options.context], builder, engine);
    for (const tag of options.tags) {
      say(`\ndocker buildx imagetools inspect ${tag}`);
      process.stdout.write(await inspectImage(tag, [], engine.env));
    }
  } else {
    // Into the cache alone: the exporter to the engine would refuse a build that names its platform.
    await watch([...command, ...naming, "--output", "type=cacheonly", options.context], builder, engine);
    await step(`loading ${options.tags.join(", ")}`, () =>
      run([...command, ...tags, "--load", options.context], { env: engine.env }),
    );
    await tellHowToRun(options.tags[0] as string, platforms[0] as string, engine);
  }
}

/** Whether a line says that a registry asks for a login. A line that a build step printed, which begins with its seconds, does not count. */
export const isRefusal = (line: string): boolean => !/^(#\d+ )?\d+\.\d+ /.test(line) && isDenied(line);

/** Makes BuildKit name each step's platform even in a build for one platform. */
const naming = ["--build-arg", "BUILDKIT_MULTI_PLATFORM=1"];

/** Builds, shows the progress, and warns of each emulated step. */
async function watch(command: readonly string[], builder: Builder, { env }: Engine): Promise<void> {
  const emulated = new Map<string, EmulatedStep>();
  let denied = false;
  const onLine = (line: string) => {
    process.stderr.write(`${line}\n`);
    denied ||= isRefusal(line);
    const found = emulatedStep(line, builder);
    const key = JSON.stringify(found);
    // A step's line is repeated after lines of other steps.
    if (found && !emulated.has(key)) {
      emulated.set(key, found);
      const { instruction, stage, platform, on } = found;
      say(`warning: emulated: ${instruction}${stage ? ` (stage ${stage})` : ""} is ${platform}, on ${on}`);
    }
  };
  const result = await run([...command, "--progress=plain"], { env, onLine }).catch((error: CommandError) => error);
  if (emulated.size > 0) {
    const steps = [...emulated.values()];
    say(
      `\nwarning: ${steps.length === 1 ? "a step of this build is" : `${steps.length} steps of this build are`} emulated. ${remedy(steps, builder)}\n`,
    );
  }
  if (result instanceof CommandError) {
    throw new Error(denied ? loginNeeded : `the build failed (${result.outcome}): the reason is above`);
  }
}

async function tellHowToRun(tag: string, platform: string, { env, platform: own }: Engine): Promise<void> {
  const inspected = await run(["docker", "image", "inspect", "--format", "{{.Architecture}}", tag], { env });
  const architecture = inspected.trim();
  if (`linux/${architecture}` !== platform) {
    throw new Error(
      `${tag} is ${architecture} after it was built for ${platform}: another command loaded an image of that name meanwhile`,
    );
  }
  // The local cloud's engine has no bridge: it leaves the machine's firewall alone.
  const hasBridge = await succeeds(run(["docker", "network", "inspect", "bridge"], { env }));
  const flags = [
    ...(hasBridge ? ["--publish", "3000:3000"] : ["--network", "host"]),
    ...(platform === own ? [] : ["--platform", platform]),
  ];
  process.stdout.write(`${tag}: "Architecture": "${architecture}"\n`);
  say(`run it:  docker run --rm ${flags.join(" ")} ${tag}${platform === own ? "" : "   (emulated on this machine)"}
ask it:  curl http://localhost:3000`);
}

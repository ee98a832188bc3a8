import type { Builder } from "./builder.ts";

/** A build step that runs the binaries of another architecture than its machine's. */
export type EmulatedStep = NonNullable<ReturnType<typeof emulatedStep>>;

/**
 * Finds, in a line of Buildx's plain progress, a RUN that is emulated. BuildKit itself says there which platform a step runs on, whatever
 * stage or base image it has that from: `#9 [linux/arm64 deps 3/4] RUN …`, and `[linux/amd64->arm64 …]` for one that runs on amd64 for arm64.
 * Builds for a single platform leave it out, unless they are asked to name it (BUILDKIT_MULTI_PLATFORM).
 */
export function emulatedStep(line: string, builder: Builder) {
  const match = /^#\d+ \[(linux\/\S+?)(?:->(\S+))? (?:(\S+) +)? ?\d+\/\d+\] (RUN .*)$/.exec(line);
  if (!match) return undefined;
  const [, platform = "", target, stage, instruction = ""] = match;
  const on = nodeFor(target === undefined ? platform : `linux/${target}`, builder)?.platforms[0];
  if (on === undefined || withoutVariant(on) === withoutVariant(platform)) return undefined;
  // `on` is the builder's own platform; the stage of a Dockerfile that has one alone may be without a name.
  return { platform, on, ...(stage && { stage }), instruction: instruction.replace(/\s+/g, " ") };
}

/** The node on which Buildx builds for a platform: one to which it is pinned, else the first that can. */
function nodeFor(platform: string, { nodes }: Builder) {
  return (
    nodes.find(({ fixed }) => fixed.includes(platform)) ?? nodes.find(({ platforms }) => platforms.includes(platform))
  );
}

/** `linux/amd64/v3` is the same architecture as `linux/amd64`. */
const withoutVariant = (platform: string): string => platform.split("/").slice(0, 2).join("/");

export function remedy(steps: readonly EmulatedStep[], builder: Builder): string {
  const [platform] = new Set(steps.map((step) => step.platform));
  return `Emulated steps take several times as long, and Bun is known to crash in them (the guide's problem 3). Either
  let the stage run on the builder's own architecture:  FROM --platform=$BUILDPLATFORM …, with ARG TARGETARCH for what is built for
  or add a machine of that architecture:                docker buildx create --append --name ${builder.name} --platform ${platform} ssh://USER@HOST`;
}

import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { platforms as allPlatforms } from "../../components/architecture.ts";
import { latestTag } from "../../components/image-reference.ts";
import { projectName } from "../../tools/project.ts";
import { stackConfig } from "../../tools/stack-config.ts";
import { UsageError } from "../shared/command.ts";

const defaultBuilder = stackConfig()[`${projectName}:builder`] ?? "";

export const usage = `usage: npm run image -- [OPTIONS]

Builds app/ into an image, as the guide does with docker buildx.

  --platform LIST     ${allPlatforms.join(" or ")}, or both with a comma between them
                      (default: the engine's own; with --push: both)
  --load              puts the image into the local engine (the default); one platform only
  --push              pushes it to the registry that --tag names; docker login comes first
  --tag NAME          the image's name, more than once for several (default for the engine: hono-app:latest,
                      or ${allPlatforms.map((platform) => `hono-app:${platform.split("/")[1]}`).join(" and ")} where --platform is given)
  --context DIR       folder with the Dockerfile (default: app)
  --build-context NAME=DIR, --build-arg NAME=VALUE
                      as docker buildx build has them
  --builder NAME      the Buildx builder, made where there is none (default: ${defaultBuilder})

  --inspect NAME      builds nothing: shows the platforms of an image in a registry, as docker buildx imagetools inspect does
  --sizes NAME        builds nothing: shows how large an image in a registry is, for each platform
  --help
`;

export type BuildOptions = Extract<ReturnType<typeof readOptions>, { kind: "build" }>;

/** Reads the command line; what Docker would refuse only after a build is refused here. @throws UsageError */
export function readOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      platform: { type: "string" },
      load: { type: "boolean", default: false },
      push: { type: "boolean", default: false },
      tag: { type: "string", short: "t", multiple: true },
      context: { type: "string", default: "app" },
      "build-context": { type: "string", multiple: true, default: [] },
      "build-arg": { type: "string", multiple: true, default: [] },
      builder: { type: "string", default: defaultBuilder },
      inspect: { type: "string" },
      sizes: { type: "string" },
    },
  });
  for (const kind of ["inspect", "sizes"] as const) {
    const image = values[kind];
    if (image === undefined) continue;
    if (args.some((arg) => arg.startsWith("-") && !new RegExp(`^--${kind}(=|$)`).test(arg))) {
      throw new UsageError(`--${kind} goes with no other option: it builds nothing`);
    }
    return { kind, image };
  }
  const { context, push, builder } = values;
  if (push && values.load) throw new UsageError("--load and --push exclude each other: give one, then the other");
  if (!existsSync(join(context, "Dockerfile"))) {
    throw new UsageError(
      `--context is ${JSON.stringify(context)}, which has no Dockerfile; allowed: a folder that has one`,
    );
  }
  // Docker takes a name of one part for docker.io/library/…, which belongs to Docker.
  const unpushable = values.tag?.find((tag) => !tag.includes("/"));
  if (push && (values.tag === undefined || unpushable !== undefined)) {
    throw new UsageError(
      `--push needs a --tag that names a registry, and ${unpushable ? `${JSON.stringify(unpushable)} does not` : "none is given"}; ` +
        "such as yourusername/hono-app:latest (Docker Hub) or ghcr.io/yourusername/hono-app:1.0.0",
    );
  }
  const platforms = values.platform === undefined ? (push ? allPlatforms : undefined) : parsePlatforms(values.platform);
  if (!push && platforms !== undefined && platforms.length > 1) throw new UsageError(severalPlatforms(platforms));
  return {
    kind: "build" as const,
    context,
    push,
    builder,
    // Otherwise the engine's own.
    ...(platforms && { platforms }),
    tags: values.tag ?? [defaultTag(context, platforms?.[0])],
    // To `docker buildx build`, as they are.
    passed: [
      ...values["build-context"].flatMap((value) => ["--build-context", value]),
      ...values["build-arg"].flatMap((value) => ["--build-arg", value]),
    ],
  };
}

function parsePlatforms(list: string): string[] {
  const platforms = [...new Set(list.split(","))];
  const unknown = platforms.find((platform) => !(allPlatforms as readonly string[]).includes(platform));
  if (unknown !== undefined) {
    throw new UsageError(
      `--platform is ${JSON.stringify(list)}; allowed: ${allPlatforms.join(", ")}, or both with a comma between them`,
    );
  }
  return platforms;
}

/** The guide's problem 1, with its two ways out. */
function severalPlatforms(platforms: readonly string[]): string {
  const both = platforms.join(",");
  return `--load takes one platform and was given ${both}: Docker's classic image store holds one under a tag, and BuildKit would end there with
"docker exporter does not currently support exporting manifest lists". Either
  A (recommended) push to a registry:  npm run image -- --platform ${both} --tag yourusername/hono-app --push
  B load a single platform:            npm run image -- --platform ${platforms[0]} --load`;
}

/** The guide's names: `hono-app:latest` for the machine's own platform, `hono-app:arm64` for one that was asked for. */
function defaultTag(context: string, platform: string | undefined): string {
  const folder = basename(resolve(context)).toLowerCase();
  return `${folder === "app" ? "hono-app" : folder}:${platform?.split("/")[1] ?? latestTag}`;
}

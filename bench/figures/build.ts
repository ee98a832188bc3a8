import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseBuilder } from "../../cli/builder.ts";
import { emulatedStep } from "../../cli/emulation.ts";
import { inspectImage } from "../../cli/registry.ts";
import { architectures, platforms } from "../../components/architecture.ts";
import { builder } from "../../local/buildkit/buildkitd.ts";
import { root } from "../../local/paths.ts";
import { step } from "../../local/step.ts";
import { atMost, atMostTimes, type Row, timesFaster } from "../figure.ts";
import type { Place } from "../place.ts";
import { withoutEmulation } from "../without-emulation.ts";

export interface Build {
  /** Stage of bench/Dockerfile. @default app/Dockerfile is built, as the stack does */
  readonly target?: string;
  /** @default every platform of the stack */
  readonly platforms?: readonly string[];
  /** Repository in the local cloud's registry that it is pushed to. @default it is built and goes nowhere */
  readonly push?: string;
  /** @default "gzip" for new layers; the base's are left as they are */
  readonly compression?: "gzip" | "zstd";
  readonly noCache?: boolean;
  /** @default the local cloud's */
  readonly builder?: string;
}

/** The command that builds, as the stack's provider does: the same builder, no attestations, no times. */
export function buildCommand(place: Place, options: Build): string[] {
  const { target, push, compression } = options;
  const version = /^ARG BUN_VERSION=(.+)$/m.exec(readFileSync(join(place.project, "app", "Dockerfile"), "utf8"))?.[1];
  const output = [
    "type=image,oci-mediatypes=true",
    ...(push ? [`name=${place.cloud.registry}/${push}`, "push=true"] : []),
    ...(compression ? [`compression=${compression}`, "force-compression=true"] : []),
  ];
  return [
    ...["docker-buildx", "build", "--builder", options.builder ?? builder, "--progress=plain", "--provenance=false"],
    ...["--platform", (options.platforms ?? platforms).join(","), "--output", output.join(",")],
    ...["--build-arg", "SOURCE_DATE_EPOCH=0"],
    ...(options.noCache ? ["--no-cache"] : []),
    ...(target ? ["--file", "bench/Dockerfile", "--target", target, "--build-arg", `BUN_VERSION=${version}`] : []),
    ...(target ? ["--build-context", "bench=bench"] : []),
    ...(target ? ["--build-context", `node-server=${join(root, "node_modules", "@hono", "node-server")}`] : []),
    "app",
  ];
}

/** The platform that this machine builds natively. */
export const native = Object.values(architectures).find((each) => each.process === process.arch)?.platform as string;

/** Builds: cold, after an edit, emulation, bytes pushed, sizes. */
export async function measureBuilds(place: Place): Promise<Row[]> {
  const rows: Row[] = [];
  // The base is present, and what is edited has been pushed before.
  for (const target of place.quick ? [undefined] : [undefined, "guide", "compiled"]) {
    await step(`first build, ${target ?? "app"}`, () =>
      place.command(buildCommand(place, { target, push: `bench/${target ?? "app"}` })),
    );
  }
  if (place.wants("build")) rows.push(...(await coldBuilds(place)));
  if (place.wants("rebuild", "pushed")) rows.push(...(await rebuilds(place)));
  if (place.wants("emulated")) rows.push(...(await emulatedSteps(place)));
  if (place.wants("image")) rows.push(...(await sizes(place)));
  return rows;
}

async function coldBuilds(place: Place): Promise<Row[]> {
  const cold = async (options: Build) => {
    // What --no-cache leaves: the packages that were downloaded before.
    const filter = ["--filter", "type=exec.cachemount"];
    await place.command(["docker-buildx", "prune", "--builder", builder, "--force", ...filter]);
    return place.time(buildCommand(place, { ...options, noCache: true }));
  };
  const ours = await place.rounds(place.runs(5), {
    "cold build, two platforms": () => cold({}),
    "cold build, own platform": () => cold({ platforms: [native] }),
  });
  const guide = place.quick
    ? undefined
    : await place.rounds(2, { "cold build, the guide's way": () => cold({ target: "guide" }) });
  const twoPlatforms = { unit: "s", runs: ours["cold build, two platforms"] } as const;
  return [
    {
      figure: "build",
      what: "two-platform build, cold cache",
      ours: twoPlatforms,
      reference: { what: "own native build, one platform", unit: "s", runs: ours["cold build, own platform"] },
      budget: atMostTimes(1.3),
    },
    {
      figure: "build",
      what: "two-platform build, cold cache",
      ours: twoPlatforms,
      ...(guide && {
        reference: { what: "guide's way, emulated", unit: "s", runs: guide["cold build, the guide's way"] },
      }),
      budget: timesFaster(10),
    },
  ];
}

async function rebuilds(place: Place): Promise<Row[]> {
  const bytes: Record<string, number[]> = {};
  const pushed = (target?: string) => async () => {
    place.edit();
    const before = place.stored();
    const seconds = await place.time(buildCommand(place, { target, push: `bench/${target ?? "app"}` }));
    bytes[target ?? "app"] = [...(bytes[target ?? "app"] ?? []), place.stored() - before];
    return seconds;
  };
  const times = await place.rounds(place.runs(5), { "edit, build and push": pushed() });
  const others = place.quick
    ? undefined
    : await place.rounds(2, {
        "edit, build and push, the guide's way": pushed("guide"),
        "edit, build and push, compiled": pushed("compiled"),
      });
  place.restore();
  const rebuild: Row = {
    figure: "rebuild",
    what: "one-line edit, built and pushed",
    ours: { unit: "s", runs: times["edit, build and push"] },
    ...(others && {
      reference: { what: "guide's way, emulated", unit: "s", runs: others["edit, build and push, the guide's way"] },
    }),
  };
  return [
    { ...rebuild, budget: atMost(1, "s") },
    { ...rebuild, budget: timesFaster(10) },
    {
      figure: "pushed",
      what: "bytes pushed after a one-line edit, both platforms",
      ours: { unit: "bytes", runs: bytes.app ?? [] },
      ...(others && { reference: { what: "bun build --compile", unit: "bytes", runs: bytes.compiled ?? [] } }),
      budget: atMost(16 * 1024, "bytes"),
      note: "what the registry's blobs grow by: layers, configurations, manifests and index",
    },
  ];
}

async function emulatedSteps(place: Place): Promise<Row[]> {
  const inspected = parseBuilder(await place.command(["docker-buildx", "inspect", builder]));
  const count = async (target?: string) => {
    const command = buildCommand(place, { target, noCache: true });
    const title = `counting emulated steps, ${target ?? "app"}`;
    const log = await step(title, () => place.command(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command]));
    return new Set(log.split("\n").flatMap((line) => JSON.stringify(emulatedStep(line, inspected)) ?? [])).size;
  };
  const failures = (target?: string) =>
    withoutEmulation(place, async (unemulated, env) => {
      try {
        const command = buildCommand(place, { target, builder: unemulated });
        await step(`build without emulation, ${target ?? "app"}`, () => place.command(command, env));
        return 0;
      } catch (error) {
        if (!String(error).includes("exec format error")) throw error;
        return 1;
      }
    });
  return [
    {
      figure: "emulated",
      what: "emulated steps in a build",
      ours: { unit: "", runs: [await count()] },
      ...(!place.quick && { reference: { what: "guide's way", unit: "", runs: [await count("guide")] } }),
      budget: atMost(0, ""),
      note: "by the platform that BuildKit names for each step",
    },
    {
      figure: "emulated",
      what: "builds that fail without emulation",
      ours: { unit: "", runs: [await failures()] },
      reference: { what: "guide's way", unit: "", runs: [await failures("guide")] },
      budget: atMost(0, ""),
      note: "in a BuildKit whose kernel has no emulation registered",
    },
  ];
}

interface Manifest {
  readonly manifests: readonly { digest: string; size: number; platform: { os: string; architecture: string } }[];
  readonly config: { size: number };
  readonly layers: readonly { size: number }[];
}

/** What one pull of each platform downloads. */
export async function pullSizes(place: Place, repository: string): Promise<Record<string, number>> {
  const name = `${place.cloud.registry}/${repository}`;
  const read = async (reference: string) =>
    JSON.parse(await inspectImage(reference, ["--raw"], place.cloud.env)) as Manifest;
  const index = await read(`${name}:latest`);
  const entries = index.manifests.map(async ({ digest, size, platform }) => {
    const { config, layers } = await read(`${name}@${digest}`);
    const bytes = layers.reduce((sum, layer) => sum + layer.size, size + config.size);
    return [`${platform.os}/${platform.architecture}`, bytes] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function sizes(place: Place): Promise<Row[]> {
  const rows: Row[] = [];
  for (const compression of place.quick ? (["gzip"] as const) : (["gzip", "zstd"] as const)) {
    const pushed = async (name: string, target?: string) => {
      const push = `bench/${name}-${compression}`;
      await place.command(buildCommand(place, { target, push, compression }));
      return pullSizes(place, push);
    };
    const [own, minimal, base] = await step(`compressing, ${compression}`, async () => [
      await pushed("app"),
      await pushed("minimal", "minimal"),
      await pushed("base", "base"),
    ]);
    for (const platform of platforms) {
      const of = (sizes: Record<string, number> | undefined) => sizes?.[platform] ?? Number.NaN;
      rows.push(
        {
          figure: "image",
          what: `image, ${platform}, ${compression}`,
          ours: { unit: "bytes", runs: [of(own)] },
          reference: { what: "Bun and libc alone", unit: "bytes", runs: [of(minimal)] },
          budget: atMostTimes(1.05),
          note: "what is above is the base's: mostly the character sets of libc6 (gconv)",
        },
        {
          figure: "image",
          what: `what the app adds to its base, ${platform}, ${compression}`,
          ours: { unit: "bytes", runs: [of(own) - of(base)] },
          budget: atMost(24 * 1024, "bytes"),
        },
      );
    }
  }
  return rows;
}

import { join } from "node:path";
import { parseBuilder } from "../../cli/image/builder.ts";
import { emulatedStep } from "../../cli/image/emulation.ts";
import { atDigest, type IndexEntry, imagesIn } from "../../cli/shared/registry.ts";
import { architectures, platforms } from "../../components/architecture.ts";
import { bunVersion } from "../../local/services/hub/base-images.ts";
import { root } from "../../tools/paths.ts";
import { step } from "../../tools/process.ts";
import { compare, type Measurement } from "../measurement.ts";
import type { Sandbox } from "../sandbox.ts";

interface Build {
  /** Folder of what is built. @default "app" */
  readonly context?: string;
  /** Stage of bench/Dockerfile. @default the context's own Dockerfile is built */
  readonly target?: string;
  /** @default every platform of the stack */
  readonly platforms?: readonly string[];
  /** Repository in the sandbox's registry. @default the image is pushed nowhere */
  readonly push?: string;
  /** Name in the engine. @default the image is not loaded */
  readonly load?: string;
  readonly noCache?: boolean;
}

/** The command that builds as the stack's provider does: no attestations, no times. */
export function buildCommand(sandbox: Sandbox, build: Build): string[] {
  const { context = "app", target, push, load } = build;
  const destination = push ? `,name=${sandbox.registry}/${push},push=true,compression=gzip,force-compression=true` : "";
  return [
    ...["docker-buildx", "build", "--progress=plain", "--provenance=false", "--build-arg", "SOURCE_DATE_EPOCH=0"],
    ...["--platform", (build.platforms ?? platforms).join(",")],
    ...(load ? ["--load", "--tag", load] : ["--output", `type=image,oci-mediatypes=true${destination}`]),
    ...(build.noCache ? ["--no-cache"] : []),
    ...(target ? ["--file", "bench/Dockerfile", "--target", target] : []),
    ...["--build-arg", `BUN_VERSION=${bunVersion}`, "--build-context", "app=app"],
    ...["--build-context", "bench=bench"],
    ...["--build-context", `node-server=${join(root, "node_modules", "@hono", "node-server")}`],
    context,
  ];
}

/** The platform that this machine builds natively. */
export const native = Object.values(architectures).find((each) => each.process === process.arch)?.platform as string;

const guidesWay = "guide's way (emulated)";
const nativeRunner = "native runner (one platform)";
const copied = "COPY . . with node_modules";
const compiled = "bun build --compile";

/** Cold builds, builds after an edit and what they push, emulated steps, and what an instance pulls. */
export async function measureBuilds(sandbox: Sandbox): Promise<Measurement[]> {
  const app = await coldBuilds(sandbox, "app", "guide");
  const modules = await coldBuilds(sandbox, "docs/native-modules", "guide-native-modules");
  return [
    { what: "cold build of the app for both platforms", unit: "s", plot: "build", ...app.seconds },
    { what: "cold build with sharp and SQLite for both platforms", unit: "s", plot: "build", ...modules.seconds },
    ...(await edits(sandbox)),
    { what: "emulated steps in a build of the app", unit: "", ...app.emulated },
    { what: "emulated steps in a build with sharp and SQLite", unit: "", ...modules.emulated },
    ...(await sizes(sandbox)),
  ];
}

/** Builds with base images but without cached packages. The guide's way is left out of a quick run. */
async function coldBuilds(sandbox: Sandbox, context: string, guide: string) {
  const builder = parseBuilder(await sandbox.command(["docker-buildx", "inspect"]));
  const cold = (build: Build) => async () => {
    // --no-cache does not clear cache mounts.
    await sandbox.command(["docker-buildx", "prune", "--force", "--filter", "type=exec.cachemount"]);
    const command = buildCommand(sandbox, { context, ...build, noCache: true });
    const started = performance.now();
    const log = await sandbox.command(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command]);
    const seconds = (performance.now() - started) / 1000;
    const emulated = log.split("\n").flatMap((line) => emulatedStep(line, builder)?.instruction ?? []);
    return { seconds, emulated: new Set(emulated).size };
  };
  // Base images are fetched and unpacked.
  await step(`first build of ${context}`, () => sandbox.command(buildCommand(sandbox, { context })));
  const titleOf = (name: string) => `cold build of ${context}, ${name}`;
  const both = { ours: cold({}), [nativeRunner]: cold({ target: guide, platforms: [native] }) };
  const natively = await sandbox.rounds(sandbox.runs(3), both, titleOf);
  const emulating = { [guidesWay]: cold({ target: guide }) };
  const guides = sandbox.quick ? {} : await sandbox.rounds(1, emulating, titleOf);
  return {
    seconds: compare({ ...natively, ...guides }, ({ seconds }) => seconds),
    emulated: compare({ ours: natively.ours, ...guides }, ({ emulated }) => emulated),
  };
}

async function edits(sandbox: Sandbox): Promise<Measurement[]> {
  const push = (target?: string) => buildCommand(sandbox, { target, push: `bench/${target ?? "app"}` });
  const edit = (target?: string) => async () => {
    sandbox.edit();
    const before = sandbox.stored();
    const seconds = await sandbox.time(push(target));
    return { seconds, bytes: sandbox.stored() - before };
  };
  const targets = {
    ours: undefined,
    ...(!sandbox.quick && { [guidesWay]: "guide", [copied]: "copied", [compiled]: "compiled" }),
  };
  const edited: Record<string, { seconds: number; bytes: number }[]> = {};
  for (const [name, target] of Object.entries(targets)) {
    // Everything but the edit is pushed before.
    await step(`first push, ${name}`, () => sandbox.command(push(target)));
    const titleOf = () => `edit, build and push, ${name}`;
    Object.assign(edited, await sandbox.rounds(sandbox.runs(target ? 2 : 5), { [name]: edit(target) }, titleOf));
  }
  sandbox.restore();
  const { [guidesWay]: _, ...layered } = edited;
  return [
    { what: "a one-line edit, built and pushed", unit: "s", ...compare(edited, ({ seconds }) => seconds) },
    {
      what: "bytes pushed after a one-line edit, both platforms",
      unit: "bytes",
      plot: "build",
      ...compare(layered, ({ bytes }) => bytes),
    },
  ];
}

async function pullSizes(sandbox: Sandbox, target?: string): Promise<Record<string, number>> {
  const repository = `bench/size-${target ?? "app"}`;
  await step(`size, ${target ?? "app"}`, () => sandbox.command(buildCommand(sandbox, { target, push: repository })));
  const image = `${sandbox.registry}/${repository}`;
  const read = (name: string) => sandbox.command(["docker-buildx", "imagetools", "inspect", "--raw", name]);
  const { manifests } = JSON.parse(await read(image)) as { manifests: IndexEntry[] };
  const entries = imagesIn(manifests).map(async ({ platform, digest }) => {
    const text = await read(atDigest(image, digest));
    const { config, layers } = JSON.parse(text) as { config: { size: number }; layers: { size: number }[] };
    return [platform, [config, ...layers].reduce((sum, { size }) => sum + size, Buffer.byteLength(text))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function sizes(sandbox: Sandbox): Promise<Measurement[]> {
  const own = await pullSizes(sandbox);
  const base = await pullSizes(sandbox, "base");
  const copy = sandbox.quick ? undefined : await pullSizes(sandbox, "copied");
  return platforms.map((platform) => ({
    what: `download of the image, ${platform}`,
    unit: "bytes",
    ours: [own[platform] as number],
    others: {
      [`oven/bun:${bunVersion}-distroless, empty`]: [base[platform] as number],
      ...(copy && { [`COPY . . on oven/bun:${bunVersion}`]: [copy[platform] as number] }),
    },
  }));
}

import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { home, readIfThere } from "./paths.ts";
import { CommandError, type RunOptions, run, say, step } from "./process.ts";
import { storeOf, tidy } from "./store.ts";

/** Folder of the built tools, which is first on PATH for everything that the local cloud runs. */
export const toolsFolder = join(home, "bin");

/** A program that is built from a Go module, pinned by the module's go.mod. */
interface Program {
  readonly package: string;
  /** Go variable that the program takes its own version from. */
  readonly versionVariable?: string;
  /** Folder that a version of it goes to. @default The tools' folder. */
  readonly folder?: (version: string) => string;
}

/** One go.mod in the folder `go/`, and the programs of it. */
interface Module {
  readonly folder: string;
  readonly programs: Readonly<Record<string, Program>>;
}

/** The local cloud's programs. In one module, since they share most of their packages, each of which is then compiled once. */
const localCloud: Module = {
  folder: ".",
  programs: {
    pulumi: {
      package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
      versionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v",
    },
    "pulumi-resource-docker-build": {
      package: "github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",
      versionVariable: "github.com/pulumi/pulumi-docker-build/provider.Version=",
      // On PATH the engine would find it too, but warn that it did.
      folder: (version) => join(home, "pulumi", "plugins", `resource-docker-build-v${version}`),
    },
    buildkitd: {
      package: "github.com/moby/buildkit/cmd/buildkitd",
      versionVariable: "github.com/moby/buildkit/version.Version=v",
    },
    buildctl: { package: "github.com/moby/buildkit/cmd/buildctl" },
    "docker-buildx": {
      package: "github.com/docker/buildx/cmd/buildx",
      versionVariable: "github.com/docker/buildx/version.Version=v",
    },
    "docker-compose": {
      package: "github.com/docker/compose/v5/cmd",
      versionVariable: "github.com/docker/compose/v5/internal.Version=v",
    },
    "language-host": { package: "./language-host" },
    registry: { package: "./registry" },
  },
};

/** Tools that the local cloud does not need. Each has a module of its own, and is built when a command first uses it. */
const others = {
  actionlint: { package: "github.com/rhysd/actionlint/cmd/actionlint" },
  syft: { package: "github.com/anchore/syft/cmd/syft", versionVariable: "main.version=" },
  oras: { package: "oras.land/oras/cmd/oras" },
  bombardier: { package: "github.com/codesenberg/bombardier", versionVariable: "main.version=" },
} satisfies Record<string, Program>;

/** Builds every program of the local cloud, once. @param signal Ends a build. */
export async function ensureTools(signal: AbortSignal): Promise<void> {
  await ensure(localCloud, signal);
}

/** Builds a tool that the local cloud does not need, once. @returns Its path. */
export async function ensureTool(name: keyof typeof others): Promise<string> {
  await ensure({ folder: name, programs: { [name]: others[name] } });
  return join(toolsFolder, name);
}

/** Downloads the modules that the local cloud's programs are built from, unless nothing has to be built. */
export async function fetchModules(): Promise<void> {
  const plan = inspect(localCloud);
  if (plan.missing.length > 0) await listPackages(plan);
}

async function ensure(module: Module, signal?: AbortSignal): Promise<void> {
  const plan = inspect(module);
  const { key, store, stamp, isCurrent, needed, missing } = plan;
  if (missing.length > 0) await build(plan, signal);
  tidy(store);
  for (const { name, path } of needed) install(join(store, name), path);
  if (isCurrent) return;
  mkdirSync(toolsFolder, { recursive: true });
  writeFileSync(`${stamp}.new`, key);
  renameSync(`${stamp}.new`, stamp);
}

/** Which programs of a module this clone needs, and which of them no clone of this user has built yet. */
function inspect({ folder, programs }: Module) {
  const source = join(import.meta.dirname, "go", folder);
  const versionOf = readVersions(join(source, "go.mod"));
  const variables = Object.values(programs).flatMap((program) =>
    program.versionVariable ? ["-X", program.versionVariable + versionOf(program.package)] : [],
  );
  // Nothing for debuggers, and no inlining (-l), which takes a quarter of the compiler's time and makes `up` no faster. Go's own packages, which
  // are used the most, and the other tools, some of which measure, are inlined.
  const plain = "-dwarf=false";
  // The tags leave out gRPC's pages about itself, and Google storage's direct path, which brings Envoy's and xDS's packages.
  const compiler =
    folder === "."
      ? ["-tags", "disable_grpc_modules,grpcnotrace", `-gcflags=all=${plain} -l`, `-gcflags=std=${plain}`]
      : [`-gcflags=all=${plain}`];
  const linker = ["-s", "-w", ...variables].join(" ");
  const options = ["-buildvcs=false", "-mod=readonly", "-trimpath", ...compiler, "-ldflags", linker];
  // A home may be shared by several systems.
  const key = keyOf(source, [process.platform, process.arch, ...options]);
  const store = storeOf("go", key);
  // What the programs in this clone were built from.
  const stamp = join(toolsFolder, `.${folder === "." ? "tools" : folder}`);
  const isCurrent = readIfThere(stamp) === key;
  const needed = Object.entries(programs).flatMap(([name, program]) => {
    const version = versionOf(program.package);
    const path = join(program.folder?.(version ?? "") ?? toolsFolder, name);
    return isCurrent && existsSync(path) ? [] : { name, path, package: program.package, version };
  });
  const missing = needed.filter(({ name }) => !existsSync(join(store, name)));
  const packages = missing.map((program) => program.package);
  return { source, options, key, store, stamp, isCurrent, needed, missing, packages };
}
type Plan = ReturnType<typeof inspect>;

/** Links a program to its path. Not by a symbolic link: the engine looks for its parts beside its own file, which would be in the store. */
function install(built: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(`${path}.new`, { force: true });
  try {
    linkSync(built, `${path}.new`);
  } catch {
    copyFileSync(built, `${path}.new`); // the store is on another file system
  }
  renameSync(`${path}.new`, path);
}

/** Builds programs into the store, whole or not at all: neither an interrupted build nor one of another clone leaves half a program. */
async function build(plan: Plan, signal?: AbortSignal): Promise<void> {
  const { source, store, options, missing, packages } = plan;
  const names = missing.map(({ name, version }) => [name, version].filter(Boolean).join(" "));
  mkdirSync(store, { recursive: true });
  const target = mkdtempSync(join(store, ".building-"));
  try {
    const list = await step("Go modules", () => listPackages(plan, signal));
    const total = list.split("\n").filter((line) => line === "true").length;
    say(`to build, once for this user: ${names.join(", ")}`);
    await step("building from Go modules", async (progress) => {
      const started = Date.now();
      let done = 0;
      // Go names each package as it begins to compile it.
      const onLine = () => {
        done++;
        const left = Math.ceil((((Date.now() - started) / done) * (total - done)) / 1000);
        progress(`${done} of ${total} packages, about ${Math.max(left, 1)} s left`);
      };
      await go(["build", "-v", ...options, "-o", `${target}/`, ...packages], { cwd: source, signal, onLine });
    });
    for (const program of missing) renameSync(join(target, basename(program.package)), join(store, program.name));
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

/** Whether each package that the missing programs are built from has to be compiled. Downloads the modules. */
function listPackages({ source, options, packages }: Plan, signal?: AbortSignal): Promise<string> {
  // Go downloads as many modules at a time as it may use processors. They are waited for, and on two processors that took a third longer.
  const env = { GOMAXPROCS: "16" };
  return go(["list", "-deps", ...options, "-f", "{{.Stale}}", ...packages], { cwd: source, signal, env });
}

async function go(args: readonly string[], options: RunOptions & { readonly cwd: string }) {
  // The compiler collects garbage less often, up to a gigabyte for each process: that took a sixth less processor time.
  const env = { GOGC: "400", GOMEMLIMIT: "1GiB", ...process.env, ...options.env };
  try {
    return await run(["go", ...args], { ...options, env });
  } catch (error) {
    if (error instanceof CommandError && error.message.includes("ENOENT")) {
      const needed = readFileSync(join(options.cwd, "go.mod"), "utf8").match(/^go (\S+)$/m)?.[1];
      throw new Error(`there is no Go to build the tools with: install Go ${needed} or newer, then run this again`);
    }
    throw error;
  }
}

/** The version of a package's module, without its `v`; none for a package of the module itself. */
function readVersions(goMod: string): (goPackage: string) => string | undefined {
  const modules = [...readFileSync(goMod, "utf8").matchAll(/^(?:require)?\s+(\S+) v(\S+)/gm)];
  // The longest path first, since a module may be inside another one.
  modules.sort(([, a = ""], [, b = ""]) => b.length - a.length);
  return (goPackage) => modules.find(([, path]) => `${goPackage}/`.startsWith(`${path}/`))?.[2];
}

function keyOf(source: string, options: readonly string[]): string {
  const hash = createHash("sha256").update(options.join(" "));
  // The other tools' modules are in folders of the local cloud's module, and not part of it.
  const isPart = (file: string) => /\.(go|mod|sum)$/.test(file) && !Object.hasOwn(others, dirname(file));
  const files = readdirSync(source, { recursive: true }) as string[];
  for (const file of files.filter(isPart).sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(join(source, file)));
  }
  return hash.digest("hex").slice(0, 16);
}

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { home } from "./paths.ts";
import { CommandError, run, step } from "./process.ts";

/** Where built tools are; first on PATH for everything that the local cloud runs. */
export const toolsFolder = join(home, "bin");

/** A program of the tool chain, built from its pinned Go module in `go/<module>` where the machine has none that fits. */
interface Tool {
  /** Folder with go.mod and go.sum, under `go/`. */
  readonly module: string;
  readonly version: string;
  /** Go packages, by the name of the program that each becomes. */
  readonly programs: Readonly<Record<string, string>>;
  /** Go variable that the program takes its own version from. */
  readonly versionVariable?: string;
  /**
   * Command that prints the version of an installed one.
   * @default The program is the project's own, and its source is beside go.mod.
   */
  readonly ask?: readonly string[];
  /**
   * Where it goes.
   * @default The tools' folder.
   */
  readonly folder?: string;
}

const tools: readonly Tool[] = [
  {
    module: "pulumi",
    version: "3.259.0",
    programs: { pulumi: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi" },
    versionVariable: "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v",
    ask: ["pulumi", "version"],
  },
  {
    module: "docker-build",
    version: "0.0.22",
    programs: {
      "pulumi-resource-docker-build": "github.com/pulumi/pulumi-docker-build/provider/cmd/pulumi-resource-docker-build",
    },
    versionVariable: "github.com/pulumi/pulumi-docker-build/provider.Version=",
    ask: ["pulumi-resource-docker-build", "--version"],
    // On PATH the engine would find it too, but warn that it did.
    folder: join(home, "pulumi", "plugins", "resource-docker-build-v0.0.22"),
  },
  {
    module: "buildkit",
    version: "0.31.0",
    programs: {
      buildkitd: "github.com/moby/buildkit/cmd/buildkitd",
      buildctl: "github.com/moby/buildkit/cmd/buildctl",
    },
    versionVariable: "github.com/moby/buildkit/version.Version=v",
    ask: ["buildkitd", "--version"],
  },
  {
    module: "buildx",
    version: "0.35.0",
    programs: { "docker-buildx": "github.com/docker/buildx/cmd/buildx" },
    versionVariable: "github.com/docker/buildx/version.Version=v",
    ask: ["docker-buildx", "version"],
  },
  {
    module: "compose",
    version: "5.2.0",
    programs: { "docker-compose": "github.com/docker/compose/v5/cmd" },
    versionVariable: "github.com/docker/compose/v5/internal.Version=v",
    ask: ["docker-compose", "version"],
  },
  {
    module: "registry",
    version: "3.1.2",
    programs: { registry: "." },
  },
];

/** Tools that the local cloud does not need: each is built when a command first uses it. */
const otherTools: readonly Tool[] = [
  {
    module: "actionlint",
    version: "1.7.12",
    programs: { actionlint: "github.com/rhysd/actionlint/cmd/actionlint" },
    ask: ["actionlint", "-version"],
  },
  {
    module: "syft",
    version: "1.57.0",
    programs: { syft: "github.com/anchore/syft/cmd/syft" },
    versionVariable: "main.version=",
    ask: ["syft", "--version"],
  },
  {
    module: "oras",
    version: "1.3.6",
    programs: { oras: "oras.land/oras/cmd/oras" },
    ask: ["oras", "version"],
  },
  {
    module: "bombardier",
    version: "1.2.6",
    programs: { bombardier: "github.com/codesenberg/bombardier" },
    versionVariable: "main.version=",
    ask: ["bombardier", "--version"],
  },
];

/** Makes every tool available: what is installed in a fitting version is used, the rest is built, once. */
export async function ensureTools(): Promise<void> {
  for (const tool of tools) await ensure(tool);
}

/**
 * Makes a single tool available that the local cloud does not need.
 *
 * @returns How to call it.
 */
export async function ensureTool(module: string): Promise<string> {
  const tool = otherTools.find((each) => each.module === module);
  if (tool === undefined) throw new Error(`no such tool: ${module}`);
  await ensure(tool);
  const built = join(toolsFolder, module);
  return existsSync(built) ? built : module;
}

async function ensure(tool: Tool): Promise<void> {
  const source = join(import.meta.dirname, "go", tool.module);
  const folder = tool.folder ?? toolsFolder;
  mkdirSync(folder, { recursive: true });
  const flags = ["-s", "-w", ...(tool.versionVariable ? ["-X", tool.versionVariable + tool.version] : [])].join(" ");
  const stamp = createHash("sha256").update(flags);
  const files = readdirSync(source).filter((file) => /^go\.(mod|sum)$|\.go$/.test(file));
  for (const file of files.sort()) stamp.update(readFileSync(join(source, file)));
  const stampFile = join(folder, `.${tool.module}`);
  const wanted = stamp.digest("hex");
  const names = Object.keys(tool.programs);
  const present = names.every((name) => existsSync(join(folder, name)));
  if (present && existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  if (!present && (await isInstalled(tool))) return;

  await step(`building ${names.join(" and ")} ${tool.version} from Go modules (once; up to 5 minutes)`, async () => {
    for (const [name, goPackage] of Object.entries(tool.programs)) {
      // Whole or not at all: a build that is interrupted leaves no half a program behind.
      const target = join(folder, name);
      const command = ["go", "build", "-buildvcs=false", "-mod=readonly", "-trimpath", "-ldflags", flags];
      try {
        await run([...command, "-o", `${target}.new`, goPackage], { cwd: source });
      } catch (error) {
        if (error instanceof CommandError && error.message.includes("ENOENT")) {
          throw new Error(
            `${name} ${tool.version} is not installed, and there is no Go to build it with: install either, then run this again`,
          );
        }
        throw error;
      }
      renameSync(`${target}.new`, target);
    }
    writeFileSync(`${stampFile}.new`, wanted);
    renameSync(`${stampFile}.new`, stampFile);
  });
}

async function isInstalled(tool: Tool): Promise<boolean> {
  if (tool.ask === undefined) return false;
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== toolsFolder);
  const everyProgram = Object.keys(tool.programs).every((name) =>
    path.some((folder) => existsSync(join(folder, name))),
  );
  if (!everyProgram) return false;
  try {
    return fits(await run(tool.ask, { env: { ...process.env, PATH: path.join(delimiter) } }), tool.version);
  } catch {
    return false;
  }
}

/** Whether the first version in a program's answer is at least the wanted one, within its major version (below 1: its minor version). */
export function fits(answer: string, wanted: string): boolean {
  const parse = (text: string) => /(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number);
  const [found, least] = [parse(answer), parse(wanted)] as [number[] | undefined, number[]];
  if (found === undefined || found[0] !== least[0]) return false;
  if (least[0] === 0) return found[1] === least[1] && (found[2] as number) >= (least[2] as number);
  return found[1] === least[1]
    ? (found[2] as number) >= (least[2] as number)
    : (found[1] as number) > (least[1] as number);
}

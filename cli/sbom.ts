import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { platforms } from "../components/architecture.ts";
import { type Cloud, openCloud, ports } from "../local/cloud.ts";
import { login } from "../local/services/registry.ts";
import { hasResources, outputsOf } from "../local/stack.ts";
import { start } from "../local/start.ts";
import { say } from "../tools/process.ts";
import { attachSbom, countPackages, explain, fileName, findSbom, findSubjects } from "./sbom/referrers.ts";
import { runCommand, UsageError } from "./shared/command.ts";
import { fullName, registryOf } from "./shared/registry.ts";

const usage = `usage: npm run sbom -- [OPTION ...] [IMAGE]

Attaches to each platform's image its software bill of materials (SBOM, in SPDX's JSON), as what OCI calls a referrer: tag, index and images
stay as they are. A platform that has one already is left alone.

  IMAGE          tag or digest of an image of several platforms in a registry; docker login comes first
                 (default: the one that the local cloud's stack deploys; AWS's: "$(pulumi stack output imageRef)")
  --show         attaches nothing: shows what is attached
  --output DIR   attaches nothing: writes what is attached into that folder, as ${platforms[0]?.replace("/", "-")}.spdx.json and the like
  --help
`;

/** @throws UsageError */
export function readSbomOptions(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { show: { type: "boolean", default: false }, output: { type: "string" } },
  });
  const [image, ...others] = positionals;
  if (others.length > 0) throw new UsageError(`one image at a time, and these are several: ${positionals.join(" ")}`);
  // Such as "$(…)" whose command failed.
  if (image === "") throw new UsageError('IMAGE is ""; allowed: a tag or digest, such as ghcr.io/owner/hono-app:1.0.0');
  const { show, output } = values;
  return { attach: !show && output === undefined, image: image && fullName(image), output };
}

type Options = ReturnType<typeof readSbomOptions>;

async function main(args: readonly string[]): Promise<void> {
  const options = readSbomOptions(args);
  const folder = mkdtempSync(join(tmpdir(), "hono-app-sbom-"));
  try {
    const { image, env } = await findImage(options.image, folder);
    say(`sbom: ${image}`);
    await list(image, options, env, folder).catch((error: unknown) => {
      throw explain(image, error);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The image, and the environment with a login to its registry: the local cloud's for an image that is there, else the user's own.
 *
 * @param folder Where the login to the local cloud is kept.
 */
async function findImage(
  given: string | undefined,
  folder: string,
): Promise<{ image: string; env: NodeJS.ProcessEnv }> {
  if (given === undefined) {
    const cloud = await openCloud();
    const image = hasResources(cloud) ? outputsOf(cloud).imageRef : undefined;
    if (typeof image !== "string")
      throw new Error("the local cloud has no stack with an image: npm run local deploys one; or name an IMAGE");
    return { image, env: await loginTo(cloud, folder) };
  }
  const mayBeLocal = new RegExp(`^127\\.\\d+\\.0\\.1:${ports.registry}$`).test(registryOf(given));
  const cloud = mayBeLocal ? await openCloud() : undefined;
  const isLocal = registryOf(given) === cloud?.registry;
  return { image: given, env: isLocal ? await loginTo(cloud, folder) : process.env };
}

async function loginTo(cloud: Cloud, folder: string): Promise<NodeJS.ProcessEnv> {
  await start(cloud);
  return login(cloud, folder);
}

/** Prints the SBOM of each platform's image, which it attaches or writes first where the options say so. */
async function list(image: string, { attach, output }: Options, env: NodeJS.ProcessEnv, folder: string): Promise<void> {
  const head = ["platform", "packages", "SBOM", ...(attach ? ["attached"] : [])];
  const table = new Table({ head, style: { head: [], border: [] } });
  const missing: string[] = [];
  for (const subject of await findSubjects(image, env)) {
    const { platform } = subject;
    const before = await findSbom(subject, env);
    const sbom = before ?? (attach ? await attachSbom(subject, env, folder) : undefined);
    if (sbom === undefined) {
      missing.push(platform);
      continue;
    }
    const { digest, document } = sbom;
    table.push([platform, countPackages(document), digest, ...(attach ? [before ? "before" : "now"] : [])]);
    if (output !== undefined) {
      mkdirSync(output, { recursive: true });
      writeFileSync(join(output, fileName(platform)), document);
    }
  }
  if (table.length > 0) process.stdout.write(`${table}\n`);
  if (missing.length > 0) {
    throw new Error(`no SBOM is attached to ${missing.join(", ")}; attach it: npm run sbom -- ${image}`);
  }
}

if (import.meta.main) await runCommand(usage, main);

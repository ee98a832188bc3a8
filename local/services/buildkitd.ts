import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toolsFolder } from "../../tools/go.ts";
import { run } from "../../tools/process.ts";
import { accepts } from "../../tools/ready.ts";
import { type Cloud, certificate, filesOf } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";

/**
 * The Buildx builder's name; Pulumi.local.yaml has it too. Not the guide's `multiplatform`, which its commands create: Buildx refuses to
 * create a builder that exists.
 */
export const builder = "local-cloud";

/**
 * BuildKit, which trusts the registry's certificate.
 *
 * @param useMirror Whether base images come from the mirror.
 * @param dir Its data, configuration and log. @default the cloud's
 * @param run Its socket and process id. @default the cloud's
 * @param worker More lines of its worker's configuration. @default none
 */
export function buildkitd(
  cloud: Pick<Cloud, "dir" | "run" | "registry" | "mirror" | "env">,
  useMirror: boolean,
  { dir = cloud.dir, run = cloud.run, worker = [] as readonly string[] } = {},
): Daemon {
  const folder = join(dir, "buildkit");
  for (const each of [folder, run]) mkdirSync(each, { recursive: true });
  const config = join(folder, "buildkitd.toml");
  // TOML's strings are JSON's.
  const text = (value: string) => JSON.stringify(value);
  const mirror = text(cloud.mirror);
  const mirrored = [`[registry."docker.io"]`, `mirrors = [${mirror}]`, `[registry.${mirror}]`, "http = true"];
  const lines = [
    ...[`root = ${text(join(folder, "data"))}`, "[grpc]", `address = [${text(`unix://${socket({ run })}`)}]`],
    ...["[worker.containerd]", "enabled = false"],
    // A build step reaches the package registry as this host does.
    ...["[worker.oci]", "enabled = true", 'networkMode = "host"', ...worker],
    // Without `http = false` BuildKit speaks plain HTTP to loopback addresses.
    ...[`[registry.${text(cloud.registry)}]`, "http = false", `ca = [${text(certificate(cloud))}]`],
    ...(useMirror ? mirrored : []),
  ];
  writeFileSync(config, `${lines.join("\n")}\n`);
  return {
    // With mounts of its own, so that a build's mounts end with it even when it is killed.
    command: ["unshare", "--mount", "buildkitd", "--config", config],
    env: cloud.env,
    ...filesOf({ dir, run }, "buildkitd"),
    ready: () => accepts(socket({ run })),
  };
}

/**
 * `docker build` loads its image into the engine whichever builder is selected. The engine's own BuildKit cannot build the app: Debian's is
 * too old for the Dockerfile, and the engine has no network.
 */
const dockerBuild = `#!/bin/sh
[ "$1" = docker-cli-plugin-metadata ] && exec docker-buildx "$1"
shift
BUILDX_BUILDER=${builder} exec docker-buildx buildx "$@"
`;

/** Makes the daemon known to Buildx, and Buildx and Compose to Docker, in the local cloud's own Docker configuration. */
export async function ensureBuilder(cloud: Cloud): Promise<void> {
  const config = join(cloud.env.DOCKER_CONFIG as string, "config.json");
  const plugins = join(cloud.env.DOCKER_CONFIG as string, "cli-plugins");
  mkdirSync(plugins, { recursive: true });
  writeFileSync(join(plugins, "docker-localbuild"), dockerBuild, { mode: 0o755 });
  // The file also holds logins.
  const known = existsSync(config) ? JSON.parse(readFileSync(config, "utf8")) : {};
  writeFileSync(config, JSON.stringify({ ...known, aliases: { builder: "localbuild" } }), { mode: 0o600 });
  for (const name of ["docker-buildx", "docker-compose"]) {
    const tool = join(toolsFolder, name);
    // Of a clone that was moved, it leads to where the clone was.
    rmSync(join(plugins, name), { force: true });
    symlinkSync(tool, join(plugins, name));
  }

  const endpoint = `unix://${socket(cloud)}`;
  const instance = join(cloud.env.DOCKER_CONFIG as string, "buildx", "instances", builder);
  if (existsSync(instance)) {
    if (readFileSync(instance, "utf8").includes(`"${endpoint}"`)) return;
    await run(["docker-buildx", "rm", "--force", builder], { env: cloud.env });
  }
  // As with Docker's own builder, a build without an output is loaded into the engine.
  const options = ["--driver", "remote", "--driver-opt", "default-load=true", "--use"];
  await run(["docker-buildx", "create", "--name", builder, ...options, endpoint], { env: cloud.env });
}

export const socket = (cloud: Pick<Cloud, "run">): string => join(cloud.run, "buildkitd.sock");

/** The builds that BuildKit remembers, the newest first. */
export async function builds({ env }: Pick<Cloud, "env">) {
  const list = await run(["docker-buildx", "--builder", builder, "history", "ls", "--format", "json"], { env });
  return list.split("\n").flatMap((line) => {
    if (line === "") return [];
    const { ref, status, created_at } = JSON.parse(line);
    return { id: ref.split("/").at(-1) as string, status, began: new Date(created_at) };
  });
}

/**
 * The steps in which builds failed after a moment, each with its platform and what it printed, from BuildKit's history. The engine's display
 * shows only the newest line, and the provider's error only the command.
 */
export async function failedSteps(cloud: Cloud, since: Date): Promise<string[]> {
  try {
    const failed = (await builds(cloud)).find(({ status, began }) => status === "Error" && began >= since);
    if (failed === undefined) return [];
    // Buildx writes the log to stderr.
    const command = 'docker-buildx --builder "$0" history logs "$1" --progress plain 2>&1';
    const log = await run(["sh", "-c", command, builder, failed.id], { env: cloud.env });
    const lines = log.split("\n");
    const steps = lines.flatMap((line) => /^(#\d+ )ERROR/.exec(line)?.[1] ?? []);
    return lines.filter((line) => steps.some((step) => line.startsWith(step)));
  } catch {
    return []; // BuildKit itself is gone, and the engine has reported it
  }
}

import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toolsFolder } from "../../tools/go.ts";
import { run } from "../../tools/process.ts";
import { accepts } from "../../tools/ready.ts";
import { type Cloud, certificate } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";

/**
 * The Buildx builder's name; Pulumi.local.yaml has it too. Not the guide's `multiplatform`: that one is for whoever types the guide's
 * commands, and Buildx refuses to create what is there.
 */
export const builder = "local-cloud";

/** BuildKit, which trusts the registry's certificate and takes base images from the mirror where there is one. */
export function buildkitd(cloud: Cloud, useMirror: boolean): Daemon {
  const folder = join(cloud.dir, "buildkit");
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "buildkitd.toml");
  writeFileSync(
    config,
    `root = ${JSON.stringify(join(folder, "data"))}
[grpc]
  address = [${JSON.stringify(`unix://${socket(cloud)}`)}]
[worker.oci]
  enabled = true
  # A build step reaches the package registry as this machine does.
  networkMode = "host"
[worker.containerd]
  enabled = false
[registry.${JSON.stringify(cloud.registry)}]
  # Without it BuildKit speaks plain HTTP to loopback addresses.
  http = false
  ca = [${JSON.stringify(certificate(cloud))}]
${
  useMirror
    ? `[registry."docker.io"]
  mirrors = [${JSON.stringify(cloud.mirror)}]
[registry.${JSON.stringify(cloud.mirror)}]
  http = true
`
    : ""
}`,
  );
  return {
    name: "buildkitd",
    // With mounts of its own, so that a build's go with it, also when it is killed.
    command: ["unshare", "--mount", "buildkitd", "--config", config],
    env: cloud.env,
    ...cloud.files("buildkitd"),
    ready: () => accepts(socket(cloud)),
  };
}

/**
 * `docker build` builds for the local engine whichever builder is selected, as everywhere. The engine's own BuildKit cannot do it: Debian's
 * is too old for the Dockerfile, and the engine has no network.
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
  // Docker's own logins are in the file too.
  const known = existsSync(config) ? JSON.parse(readFileSync(config, "utf8")) : {};
  writeFileSync(config, JSON.stringify({ ...known, aliases: { builder: "localbuild" } }), { mode: 0o600 });
  for (const name of ["docker-buildx", "docker-compose"]) {
    const tool = join(toolsFolder, name);
    if (existsSync(tool) && !existsSync(join(plugins, name))) symlinkSync(tool, join(plugins, name));
  }

  const endpoint = `unix://${socket(cloud)}`;
  const instance = join(cloud.env.DOCKER_CONFIG as string, "buildx", "instances", builder);
  if (existsSync(instance)) {
    if (readFileSync(instance, "utf8").includes(`"${endpoint}"`)) return;
    await run(["docker-buildx", "rm", "--force", builder], { env: cloud.env });
  }
  // Without an option that says where to, a build goes into the engine, as with Docker's own builder.
  const options = ["--driver", "remote", "--driver-opt", "default-load=true", "--use"];
  await run(["docker-buildx", "create", "--name", builder, ...options, endpoint], { env: cloud.env });
}

/** BuildKit's socket. */
export function socket(cloud: Cloud): string {
  return join(cloud.run, "buildkitd.sock");
}

/**
 * The steps in which builds have failed since then, each with its platform, and what they printed; as BuildKit remembers them. The engine's
 * display shows only what is newest at each moment, and the provider's error names the command alone.
 */
export async function failedSteps(cloud: Cloud, since: Date): Promise<string[]> {
  const history = (...words: string[]) =>
    run(["docker-buildx", "--builder", builder, "history", ...words], { env: cloud.env });
  try {
    const records = (await history("ls", "--format", "json"))
      .trim()
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    const failed = records.find(({ status, created_at }) => status === "Error" && new Date(created_at) >= since);
    if (failed === undefined) return [];
    // Buildx writes the log to stderr.
    const command = 'docker-buildx --builder "$0" history logs "$1" --progress plain 2>&1';
    const log = await run(["sh", "-c", command, builder, failed.ref.split("/").at(-1)], { env: cloud.env });
    const lines = log.split("\n");
    const steps = lines.flatMap((line) => /^(#\d+ )ERROR/.exec(line)?.[1] ?? []);
    return lines.filter((line) => steps.some((step) => line.startsWith(step)));
  } catch {
    return []; // BuildKit itself is gone: the engine has said so
  }
}

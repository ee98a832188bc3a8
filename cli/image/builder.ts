import { platforms as allPlatforms } from "../../components/architecture.ts";
import { CommandError, run, say } from "../../tools/process.ts";

/** A Buildx builder: one BuildKit, or several of which each builds its own platforms. */
export type Builder = ReturnType<typeof parseBuilder>;

/** Finds the builder by its name, or makes it, and starts it. @throws Error when it does not answer, or cannot build one of the platforms. */
export async function ensureBuilder(name: string, platforms: readonly string[], env: NodeJS.ProcessEnv) {
  const found = await inspect(name, env);
  const builder = found ?? (await create(name, env));
  if (found) say(`builder ${name}: ${describe(found)}`);
  checkBuilder(builder, platforms);
  return builder;
}

/** @throws Error that names what the builder lacks, what it has and what to do. */
export function checkBuilder(builder: Builder, platforms: readonly string[]): void {
  const { name, nodes } = builder;
  const dead = nodes.find(({ error }) => error !== undefined);
  if (dead) {
    throw new Error(
      `the builder ${name} does not answer: ${dead.name} (${dead.endpoint}): ${dead.error}\n` +
        `Start BuildKit there, or remove the builder, and this command creates it again: docker buildx rm ${name}`,
    );
  }
  const has = nodes.flatMap((node) => node.platforms);
  const missing = platforms.filter((platform) => !has.includes(platform));
  if (missing.length === 0) return;
  if (builder.driver === "docker" && platforms.length > 1) {
    throw new Error(
      `the builder ${name} is the engine's own (driver docker), which builds one platform at a time; ` +
        "name another, or leave --builder out to have one made",
    );
  }
  const [first = ""] = missing;
  throw new Error(
    `the builder ${name} cannot build ${missing.join(", ")}; it has ${has.join(", ")}. Either
  add a machine of that architecture:  docker buildx create --append --name ${name} --platform ${first} ssh://USER@HOST
  or let this machine emulate it:      docker run --privileged --rm tonistiigi/binfmt --install ${first.split("/")[1]}
                                       (Debian, Ubuntu: apt-get install qemu-user-static binfmt-support), then restart the builder`,
  );
}

async function inspect(name: string, env: NodeJS.ProcessEnv): Promise<Builder | undefined> {
  try {
    // `ls --format json` waits for every builder, also for those that cannot be reached.
    return parseBuilder(await run(["docker", "buildx", "inspect", "--bootstrap", name], { env }));
  } catch (error) {
    if (error instanceof CommandError && error.message.includes(`no builder "${name}" found`)) return undefined;
    throw error;
  }
}

async function create(name: string, env: NodeJS.ProcessEnv): Promise<Builder> {
  say(`builder ${name}: does not exist; creating it, as docker buildx create --name ${name} does …`);
  await run(["docker", "buildx", "create", "--name", name], { env });
  try {
    const builder = await inspect(name, env);
    if (builder === undefined) throw new Error("it does not exist after it was created");
    checkBuilder(builder, []);
    say(`builder ${name}: ${describe(builder)}`);
    return builder;
  } catch (error) {
    // The next attempt would find it and use it.
    await run(["docker", "buildx", "rm", "--force", name], { env }).catch(() => {});
    throw new Error(
      `the builder ${name} could not be created: ${(error as Error).message}\n` +
        "Where a BuildKit runs already, make it known under that name, then run this again: " +
        `docker buildx create --name ${name} --driver remote unix:///run/buildkit/buildkitd.sock`,
    );
  }
}

function describe({ driver, nodes }: Builder): string {
  // A node with pinned platforms builds those.
  const platforms = ({ fixed, platforms }: Builder["nodes"][number]) =>
    (fixed.length > 0 ? fixed : platforms).filter((platform) => (allPlatforms as string[]).includes(platform));
  return `${driver}, ${nodes.map((node) => `${node.name} for ${platforms(node).join(" and ") || "no platform of ours"}`).join(", ")}`;
}

/** Reads what `docker buildx inspect` prints; it has no other format. */
export function parseBuilder(text: string) {
  const [head = "", ...nodes] = text.split(/^(?=Name:)/m);
  const field = (part: string, name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(part)?.[1]?.trim();
  return {
    name: field(head, "Name") ?? "",
    driver: field(head, "Driver") ?? "",
    nodes: nodes.map((node) => {
      // The driver docker-container starts its BuildKit when it is needed, remote does not.
      const isDown = field(head, "Driver") === "remote" && field(node, "Status") === "inactive";
      const error = field(node, "Error") ?? (isDown ? `${field(node, "Endpoint")} is inactive` : undefined);
      const platforms = (field(node, "Platforms") ?? "").split(", ").filter(Boolean);
      const plain = (platform: string) => platform.replace("*", "");
      return {
        name: field(node, "Name") ?? "",
        endpoint: field(node, "Endpoint") ?? "",
        /** In BuildKit's order: its own first, then those that it emulates. */
        platforms: platforms.map(plain),
        /** Those that are pinned to this node with `--platform`. */
        fixed: platforms.filter((platform) => platform.endsWith("*")).map(plain),
        /** Why it does not answer. */
        error,
      };
    }),
  };
}

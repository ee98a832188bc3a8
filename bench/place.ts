import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { builder } from "../local/buildkit/buildkitd.ts";
import { makeClone } from "../local/clone.ts";
import { type Cloud, openCloud } from "../local/cloud.ts";
import { login } from "../local/ecr/registry.ts";
import { home } from "../local/paths.ts";
import { start } from "../local/start.ts";
import { run, say, step } from "../local/step.ts";

/** Everything of the benchmark's own; results.json stays. */
export const folder = join(home, "bench");
const clone = join(folder, "project");
const cloudFolder = join(folder, "cloud");

export interface Options {
  /** One run of each, and no reference that takes minutes. */
  readonly quick: boolean;
  /** Figures to measure; all when empty. */
  readonly only: readonly string[];
  /** Ends what is being measured. */
  readonly signal: AbortSignal;
}

/** Where figures are measured: a clone of the project and a local cloud, both the benchmark's own. */
export class Place {
  readonly project = clone;
  readonly quick: boolean;
  readonly #options: Options;
  #cloud: Cloud | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.quick = options.quick;
  }

  get cloud(): Cloud {
    if (!this.#cloud) throw new Error("the benchmark's local cloud is not open");
    return this.#cloud;
  }

  /** How often something is measured. */
  runs(count: number): number {
    return this.quick ? 1 : count;
  }

  wants(...figures: readonly string[]): boolean {
    const { only } = this.#options;
    return only.length === 0 || figures.some((figure) => only.includes(figure));
  }

  /** Runs a command in the clone and the local cloud's environment. */
  command(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    this.#options.signal.throwIfAborted();
    return run(command, { cwd: clone, env: { ...this.cloud.env, ...env }, signal: this.#options.signal });
  }

  /** The same, for the seconds that it takes. */
  async time(command: readonly string[], env?: NodeJS.ProcessEnv): Promise<number> {
    const started = performance.now();
    await this.command(command, env);
    return (performance.now() - started) / 1000;
  }

  /** Measures one thing after another, round by round, so that what else the machine does falls on all of them alike. */
  async rounds<Name extends string>(
    count: number,
    things: Readonly<Record<Name, (round: number) => Promise<number>>>,
  ): Promise<Record<Name, number[]>> {
    const names = Object.keys(things) as Name[];
    const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
    for (let round = 0; round < count; round++) {
      for (const name of names) {
        const title = count > 1 ? `${name} (${round + 1} of ${count})` : name;
        results[name].push(await step(title, () => things[name](round)));
      }
    }
    return results;
  }

  /** Knows the local cloud where it is now. */
  async open(): Promise<void> {
    process.env.LOCAL_CLOUD_DIR = cloudFolder;
    this.#cloud = await openCloud();
  }

  /** Starts the local cloud, unless it runs. */
  async start(): Promise<void> {
    await this.open();
    await start(this.cloud);
    // For pushes of the benchmark's own; the stack brings its login itself.
    await login(this.cloud, this.cloud.env.DOCKER_CONFIG as string);
  }

  /** Bytes that the registry stores: layers, configurations and manifests. */
  stored(): number {
    const blobs = join(cloudFolder, "registry", "data", "docker", "registry", "v2", "blobs");
    if (!existsSync(blobs)) return 0;
    return readdirSync(blobs, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  }

  /** Every file of the registry with its time, which any write to it changes. */
  registryFiles(): Map<string, number> {
    const data = join(cloudFolder, "registry", "data");
    if (!existsSync(data)) return new Map();
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      files.map((entry) => join(entry.parentPath, entry.name)).map((file) => [file, statSync(file).mtimeMs]),
    );
  }

  /** Builds that BuildKit remembers. */
  async builds(): Promise<number> {
    const list = await this.command(["docker-buildx", "--builder", builder, "history", "ls", "--format", "json"]);
    return list.split("\n").filter(Boolean).length;
  }

  /** A new one-line edit of the app, never made before; taken back by {@link restore}. */
  edit(): void {
    const original = readFileSync(join(clone, page), "utf8");
    this.#page ??= original;
    const edited = this.#page.replace(/<h1([^>]*)>/, `<h1$1>${crypto.randomUUID()} `);
    if (edited === this.#page) throw new Error(`${page} has no <h1> that the benchmark could edit`);
    writeFileSync(join(clone, page), edited);
  }
  #page: string | undefined;

  restore(): void {
    if (this.#page !== undefined) writeFileSync(join(clone, page), this.#page);
  }
}

const page = "app/src/page.ts";

/** Does the work in a place that is new, and takes everything down after it, however it ends. */
export async function inPlace<T>(options: Options, work: (place: Place) => Promise<T>): Promise<T> {
  await lock();
  // What an earlier run that was killed has left.
  await takeDown();
  makeClone(clone);
  // So that an empty program is started as the stack's own is.
  await run(["npm", "pkg", "set", "scripts.empty=node local/setup.mjs node bench/empty.ts"], { cwd: clone });
  const place = new Place(options);
  try {
    await place.open();
    return await work(place);
  } finally {
    say("taking the benchmark's local cloud down …");
    await takeDown();
  }
}

/** Two at once would take each other's cloud down. A socket in Linux's abstract namespace goes with its process. */
async function lock(): Promise<void> {
  const server = createServer().unref();
  try {
    await once(server.listen(`\0hono-app-bench:${folder}`), "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new Error("another benchmark runs in this clone; wait for its end, then run this again");
  }
}

/** Ends the local cloud and removes the clone. */
async function takeDown(): Promise<void> {
  if (existsSync(join(clone, "local", "cli.ts"))) {
    await run(["node", "local/cli.ts", "down"], { cwd: clone, env: { ...process.env, LOCAL_CLOUD_DIR: cloudFolder } });
  }
  for (const path of [clone, cloudFolder]) rmSync(path, { recursive: true, force: true });
}

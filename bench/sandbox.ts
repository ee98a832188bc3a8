import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cloud, openCloud } from "../local/cloud.ts";
import { type Daemon, startDaemon, stopDaemon } from "../local/daemon.ts";
import { start } from "../local/start.ts";
import { makeClone } from "../tools/clone.ts";
import { lock } from "../tools/lock.ts";
import { home } from "../tools/paths.ts";
import { run, say, step } from "../tools/process.ts";
import { accepts } from "../tools/ready.ts";

/** Everything that the benchmark makes; results.json stays. */
export const folder = join(home, "bench");
const clone = join(folder, "project");
const cloudFolder = join(folder, "cloud");

export interface SandboxOptions {
  /** One run of each, without what takes minutes. */
  readonly quick: boolean;
  /** Ends what is being measured. */
  readonly signal: AbortSignal;
}

/** Where the benchmark measures: a clone of the project, a local cloud and a registry, all its own. */
export class Sandbox {
  readonly project = clone;
  readonly quick: boolean;
  readonly #signal: AbortSignal;
  #cloud: Cloud | undefined;

  constructor({ quick, signal }: SandboxOptions) {
    this.quick = quick;
    this.#signal = signal;
  }

  get cloud(): Cloud {
    if (!this.#cloud) throw new Error("the benchmark's local cloud is not open");
    return this.#cloud;
  }

  /** How often something is measured. */
  runs(count: number): number {
    return this.quick ? 1 : count;
  }

  /** Runs a command in the clone and the local cloud's environment. */
  command(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    this.#signal.throwIfAborted();
    return run(command, { cwd: clone, env: { ...this.cloud.env, ...env }, signal: this.#signal });
  }

  /** The same, for the seconds that it takes. */
  async time(command: readonly string[], env?: NodeJS.ProcessEnv): Promise<number> {
    const started = performance.now();
    await this.command(command, env);
    return (performance.now() - started) / 1000;
  }

  /** Takes measurements in turns, so that other load on the machine affects all of them alike. */
  async rounds<Name extends string>(
    count: number,
    measurements: Readonly<Record<Name, () => Promise<number>>>,
  ): Promise<Record<Name, number[]>> {
    const names = Object.keys(measurements) as Name[];
    const results = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
    for (let round = 1; round <= count; round++) {
      for (const name of names) {
        const title = count > 1 ? `${name} (${round} of ${count})` : name;
        results[name].push(await step(title, measurements[name]));
      }
    }
    return results;
  }

  /** Finds out the local cloud's addresses, which may be others after it was down. */
  async open(): Promise<void> {
    process.env.LOCAL_CLOUD_DIR = cloudFolder;
    this.#cloud = await openCloud();
  }

  /** Starts the local cloud and the registry, unless they run. */
  async start(): Promise<void> {
    await this.open();
    await start(this.cloud);
    await startDaemon(registry(this.cloud));
  }

  /** Address of a registry without a login, for the benchmark's own images; BuildKit speaks plain HTTP to loopback. */
  get registry(): string {
    return registryAddress(this.cloud);
  }

  /** Bytes that this registry stores: layers, configurations, manifests and indexes. */
  stored(): number {
    const blobs = join(registryData(this.cloud), "docker", "registry", "v2", "blobs");
    return filesIn(blobs).reduce((sum, file) => sum + statSync(file).size, 0);
  }

  /** Changes one line of the app, each time to something new; {@link restore} takes it back. */
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

/** All files below a folder; none where there is no such folder. */
export function filesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

const registryAddress = ({ prefix }: Cloud) => `${prefix}.0.1:5099`;
const registryData = ({ dir }: Cloud) => join(dir, "bench-registry");

function registry(cloud: Cloud): Daemon {
  const config = join(cloud.dir, "bench-registry.json");
  const storage = { filesystem: { rootdirectory: registryData(cloud) } };
  const http = { addr: registryAddress(cloud) };
  writeFileSync(config, JSON.stringify({ version: "0.1", log: { level: "error" }, storage, http }));
  return {
    name: "the benchmark's registry",
    command: ["registry", "serve", config],
    env: { ...cloud.env, OTEL_TRACES_EXPORTER: "none" },
    ...cloud.files("bench-registry"),
    ready: () => accepts(registryAddress(cloud)),
  };
}

/** Does the work in a new sandbox, and takes everything down after it, however it ends. */
export async function inSandbox<T>(options: SandboxOptions, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  // Two at once would take each other's cloud down.
  if (await lock(`hono-app-bench:${folder}`, "another benchmark")) {
    throw new Error("another benchmark runs in this clone; wait for its end, then run this again");
  }
  const sandbox = new Sandbox(options);
  // An earlier run that was killed may have left something.
  await takeDown(sandbox);
  makeClone(clone);
  // So that the empty program is started in the same way as the stack.
  const { scripts } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8"));
  const empty = scripts.local.replace("cli/local.ts", "bench/empty.ts");
  await run(["npm", "pkg", "set", `scripts.empty=${empty}`], { cwd: clone });
  try {
    await sandbox.open();
    return await work(sandbox);
  } finally {
    say("taking the benchmark's local cloud down …");
    await takeDown(sandbox);
  }
}

/** Ends the local cloud and removes the clone. */
async function takeDown(sandbox: Sandbox): Promise<void> {
  if (existsSync(join(clone, "cli", "local.ts"))) {
    await sandbox.open();
    await stopDaemon(registry(sandbox.cloud));
    await run(["node", "cli/local.ts", "down"], { cwd: clone, env: { ...process.env, LOCAL_CLOUD_DIR: cloudFolder } });
  }
  for (const path of [clone, cloudFolder]) rmSync(path, { recursive: true, force: true });
}

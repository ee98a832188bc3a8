import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type Cloud, filesOf, openCloud } from "../local/cloud.ts";
import { startDaemon, stopDaemon } from "../local/daemon.ts";
import { makeSandbox, removeSandbox } from "../local/sandbox.ts";
import { distribution } from "../local/services/distribution.ts";
import { start } from "../local/start.ts";
import { lock } from "../tools/lock.ts";
import { filesBelow, home } from "../tools/paths.ts";
import { run, say, step } from "../tools/process.ts";

/** Everything that the benchmark makes; results.json stays. */
export const folder = join(home, "bench");

interface SandboxOptions {
  /** One run of each, without most of the alternatives and the larger fleets. */
  readonly quick: boolean;
  /** Ends what is being measured. */
  readonly signal: AbortSignal;
}

/** A clone of the project, a local cloud and a registry of the benchmark's own. */
export class Sandbox {
  /** The clone. */
  readonly project: string;
  readonly quick: boolean;
  readonly #signal: AbortSignal;
  cloud: Cloud;

  constructor(project: string, { quick, signal }: SandboxOptions, cloud: Cloud) {
    this.cloud = cloud;
    this.project = project;
    this.quick = quick;
    this.#signal = signal;
  }

  runs(count: number): number {
    return this.quick ? 1 : count;
  }

  /** Runs a command in the clone, with the local cloud's environment. @returns What it wrote to stdout. */
  command(command: readonly string[]): Promise<string> {
    this.#signal.throwIfAborted();
    return run(command, { cwd: this.project, env: this.cloud.env, signal: this.#signal });
  }

  /** Runs a command. @returns The seconds that it took. */
  async time(command: readonly string[]): Promise<number> {
    const started = performance.now();
    await this.command(command);
    return (performance.now() - started) / 1000;
  }

  /** Takes each measurement so many times, in turns, so that other load on the machine affects all alike. */
  async rounds<Name extends string, Result>(
    count: number,
    measurements: Readonly<Record<Name, () => Promise<Result>>>,
    titleOf: (name: string) => string = String,
  ): Promise<Record<Name, Result[]>> {
    const names = Object.keys(measurements) as Name[];
    const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Name, Result[]>;
    for (let round = 1; round <= count; round++) {
      for (const name of names) {
        const title = titleOf(name) + (count > 1 ? ` (${round} of ${count})` : "");
        results[name].push(await step(title, measurements[name]));
      }
    }
    return results;
  }

  /** Looks up the local cloud's addresses, which may change while it is down. */
  async open(): Promise<void> {
    this.cloud = await openCloud(this.cloud.dir);
  }

  /** Starts the local cloud and the registry, unless they run. */
  async start(): Promise<void> {
    await this.open();
    await start(this.cloud);
    await startDaemon(distribution(this.cloud, registryName, registryOf(this.cloud)));
  }

  /** Takes the local cloud down, and the registry with it: another cloud may get its addresses meanwhile. */
  async down(): Promise<void> {
    await stopDaemon(filesOf(this.cloud, registryName));
    await this.command(local("down"));
  }

  /** Address of a registry without a login, for the benchmark's own images; BuildKit speaks plain HTTP to loopback. */
  get registry(): string {
    return registryOf(this.cloud).address;
  }

  /** Bytes that this registry stores: layers, configurations, manifests and indexes. */
  stored(): number {
    const blobs = join(registryOf(this.cloud).data, "docker", "registry", "v2", "blobs");
    return filesBelow(blobs).reduce((sum, file) => sum + statSync(file).size, 0);
  }

  /** Changes one line of the app, each time differently; {@link restore} undoes it. */
  edit(): void {
    this.#page ??= readFileSync(join(this.project, page), "utf8");
    const edited = this.#page.replace(/<h1([^>]*)>/, `<h1$1>${crypto.randomUUID()} `);
    if (edited === this.#page) throw new Error(`${page} has no <h1> that the benchmark could edit`);
    writeFileSync(join(this.project, page), edited);
  }
  #page: string | undefined;

  restore(): void {
    if (this.#page !== undefined) writeFileSync(join(this.project, page), this.#page);
  }

  /** Releases an edit of the app while a client asks each of these addresses without a break. @returns The seconds that it took. */
  async release(urls: readonly string[], ask: (url: string) => Promise<void>): Promise<number> {
    const ended = new AbortController();
    const clients = urls.map(async (url) => {
      for (; !ended.signal.aborted; await wait(10)) await ask(url);
    });
    this.edit();
    try {
      return await this.time(local("up"));
    } finally {
      ended.abort();
      this.restore();
      await Promise.all(clients);
    }
  }
}

const page = "app/src/page.ts";

/** A command of the local cloud, which prints what scripts read. */
export const local = (...command: string[]) => ["npm", "run", "--silent", "local", "--", ...command];

const registryName = "bench-registry";
const registryOf = ({ prefix, dir }: Cloud) => ({ address: `${prefix}.0.1:5099`, data: join(dir, registryName) });

/** Does the work in a new sandbox, and removes that however the work ends. */
export async function inSandbox<T>(options: SandboxOptions, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  // Two at once would stop each other's cloud.
  if (await lock(`hono-app-bench:${folder}`, "another benchmark")) {
    throw new Error("another benchmark runs in this clone; wait for its end, then run this again");
  }
  // A run that was killed may have left its registry.
  const left = join(folder, "cloud");
  if (existsSync(left)) await stopDaemon(filesOf(await openCloud(left), registryName));
  const made = await makeSandbox(folder);
  // The empty program is started as the stack is.
  const { scripts } = JSON.parse(readFileSync(join(made.project, "package.json"), "utf8"));
  const empty = scripts.local.replace("cli/local.ts", "bench/empty.ts");
  await run(["npm", "pkg", "set", `scripts.empty=${empty}`], { cwd: made.project });
  const sandbox = new Sandbox(made.project, options, await openCloud(made.cloudFolder));
  try {
    return await work(sandbox);
  } finally {
    say("removing the benchmark's local cloud …");
    await stopDaemon(filesOf(sandbox.cloud, registryName));
    await removeSandbox(folder);
  }
}

import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { architectures } from "../../components/architecture.ts";
import { userData } from "../../components/user-data.ts";
import { step } from "../../local/step.ts";
import { ensureTool } from "../../local/tools/tools.ts";
import { atLeastTimes, atMostTimes, type Row } from "../figure.ts";
import type { Place } from "../place.ts";
import { buildCommand, native } from "./build.ts";

/** The port is the benchmark's own address' alone. */
const port = 3999;
const routes = ["/platform", "/health"] as const;

interface Server {
  readonly name: string;
  /** Options of `docker run`, then image and command. */
  readonly run: readonly string[];
}

interface Run {
  /** Milliseconds from the container's start to its first 200. */
  readonly start: number;
  readonly requests: Record<string, number>;
  /** Milliseconds. */
  readonly p99: Record<string, number>;
  /** Bytes, after the load. */
  readonly memory: number;
}

/** The app in its hardened container, beside a bare Bun.serve with the same answers, and Hono on Node with the same routes. */
export async function measureApp(place: Place): Promise<Row[]> {
  const bombardier = await ensureTool("bombardier");
  await step("loading the images", async () => {
    await loadApp(place);
    await load(place, "bench/servers", "servers");
  });
  const answers = await answersOf(place);
  const servers: Server[] = [
    app,
    {
      name: "bare Bun.serve",
      run: ["--env", `ANSWERS=${JSON.stringify(answers)}`, "--entrypoint", "bun", "bench/servers", "/app/bare.js"],
    },
    {
      name: "Hono on Node",
      run: ["--volume", `${process.execPath}:/usr/local/bin/node:ro`, "--entrypoint", "node"].concat([
        "bench/servers",
        "/app/node.mjs",
      ]),
    },
  ];
  const results: Record<string, Run[]> = {};
  for (let round = 0; round < place.runs(3); round++) {
    for (const server of servers) {
      const title = `load on ${server.name} (${round + 1} of ${place.runs(3)})`;
      const result = await step(title, () => measure(place, server, bombardier));
      results[server.name] = [...(results[server.name] ?? []), result];
    }
  }
  return rows(results.app ?? [], results["bare Bun.serve"] ?? [], results["Hono on Node"] ?? []);
}

function rows(app: Run[], bare: Run[], node: Run[]): Row[] {
  const compared = (what: string, unit: Row["ours"]["unit"], value: (run: Run) => number, better: "more" | "less") => {
    const row = { figure: "app", what, ours: { unit, runs: app.map(value) } };
    const beside = (name: string, runs: Run[]) => ({ reference: { what: name, unit, runs: runs.map(value) } });
    const budget = better === "more" ? atLeastTimes(0.9) : atMostTimes(Number((1 / 0.9).toFixed(2)));
    return [
      { ...row, ...beside("bare Bun.serve, same answer", bare), budget },
      { ...row, ...beside("Hono on Node, same routes", node) },
    ];
  };
  return [
    ...routes.flatMap((route) => [
      ...compared(`requests per second, ${route}`, "requests/s", ({ requests }) => requests[route] as number, "more"),
      ...compared(`p99, ${route}`, "ms", ({ p99 }) => p99[route] as number, "less"),
    ]),
    ...compared("container start to first 200", "ms", ({ start }) => start, "less"),
    ...compared("memory after load (RSS)", "bytes", ({ memory }) => memory, "less"),
  ];
}

const app: Server = { name: "app", run: ["bench/app"] };

/** Brings the app's own image into the local cloud's engine. */
export const loadApp = (place: Place) => load(place, "bench/app");

async function load(place: Place, image: string, target?: string): Promise<void> {
  const command = buildCommand(place, { target, platforms: [native] });
  await place.command(command.toSpliced(command.indexOf("--output"), 2, "--load", "--tag", image));
}

/** Seconds in which `docker run` makes the app answer. */
export async function secondsToFirstAnswer(place: Place): Promise<number> {
  const started = performance.now();
  return running(place, app, async () => (performance.now() - started) / 1000);
}

/** What the machines give to `docker run`, but for the published port. */
export function hardening(): string[] {
  const script = userData({
    name: "bench",
    imageRef: "registry/bench:tag@sha256:0",
    region: "region",
    instanceType: "t3.small",
    architecture: architectures.intel,
    port: 80,
  });
  const lines = [...script.matchAll(/^ {2}(--(?:user|memory|log-driver) .*) \\$/gm)].map(([, line = ""]) => line);
  if (lines.length !== 3) throw new Error("the hardening of components/user-data.ts is not found where it was");
  return lines.flatMap((line) => line.split(" "));
}

const docker = (place: Place, ...args: string[]) => place.command(["docker", ...args]);

/** @param work Gets the container, which answers, and the time of its first answer. */
async function running<T>(
  place: Place,
  server: Server,
  work: (id: string, answered: number) => Promise<T>,
): Promise<T> {
  // The server and its load each have a processor, where there are two.
  const cpus = availableParallelism() > 1 ? ["--cpuset-cpus", "0"] : [];
  // The local cloud's engine has no bridge; without one no proxy of Docker's is measured either.
  const options = ["--network", "host", ...hardening(), ...cpus, "--env", `PORT=${port}`, "--env", "APP_NAME=hono-app"];
  const id = (await docker(place, "create", ...options, ...server.run)).trim();
  try {
    // Asked from before it is there: the engine's client returns some time after the server may already have answered.
    const first = firstAnswer("/health").then(() => Date.now());
    const [answered] = await Promise.all([first, docker(place, "start", id)]);
    return await work(id, answered);
  } catch (error) {
    const log = await docker(place, "logs", "--tail", "5", id).catch(() => "");
    throw new Error(`${server.name}: ${(error as Error).message}\n${log}`);
  } finally {
    await docker(place, "rm", "--force", id);
  }
}

async function firstAnswer(route: string): Promise<Response> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${route}`);
      if (response.ok) return response;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** What the bare server is to answer: the app's own words and headers. */
function answersOf(place: Place): Promise<Record<string, unknown>> {
  return running(place, app, async () => {
    const answers: Record<string, unknown> = {};
    for (const route of routes) {
      const response = await firstAnswer(route);
      const headers = [...response.headers].filter(
        ([name]) => !["date", "content-length", "connection"].includes(name),
      );
      answers[route] = { body: await response.text(), headers: Object.fromEntries(headers) };
    }
    return answers;
  });
}

function measure(place: Place, server: Server, bombardier: string): Promise<Run> {
  return running(place, server, async (id, answered) => {
    // The clock of the engine and this one are the same machine's.
    const startedAt = await docker(place, "inspect", "--format", "{{.State.StartedAt}}", id);
    const run = { start: answered - Date.parse(startedAt.trim()), requests: {}, p99: {}, memory: 0 } as Run & {
      memory: number;
    };
    for (const route of routes) {
      // The first seconds are the runtime's, which compiles what it runs.
      await attack(place, bombardier, route, place.quick ? 1 : 2);
      const { result } = await attack(place, bombardier, route, place.quick ? 1 : 5);
      run.requests[route] = result.rps.mean;
      run.p99[route] = (result.latency.percentiles["99"] as number) / 1000;
    }
    run.memory = residentBytes(id);
    return run;
  });
}

/** The engine has process ids of its own; the container's control group has its id for everyone. */
function residentBytes(container: string): number {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return ""; // it has ended
    }
  };
  const pid = readdirSync("/proc").find((each) => /^\d+$/.test(each) && read(each, "cgroup").includes(container));
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(pid === undefined ? "" : read(pid, "status")) ?? [];
  if (kibibytes === undefined) throw new Error(`no process of the container ${container} is found`);
  return Number(kibibytes) * 1024;
}

interface Attack {
  readonly result: {
    readonly rps: { readonly mean: number };
    /** Microseconds. */
    readonly latency: { readonly percentiles: Readonly<Record<string, number>> };
    readonly req2xx: number;
    readonly others: number;
    readonly req5xx: number;
    readonly req4xx: number;
  };
}

async function attack(place: Place, bombardier: string, route: string, seconds: number): Promise<Attack> {
  const pinned = availableParallelism() > 1 ? ["taskset", "--cpu-list", "1"] : [];
  const options = ["--connections=32", `--duration=${seconds}s`, "--latencies", "--print=result", "--format=json"];
  const answer = await place.command([...pinned, bombardier, ...options, `http://127.0.0.1:${port}${route}`]);
  const attack = JSON.parse(answer) as Attack;
  const { req2xx, req4xx, req5xx, others } = attack.result;
  if (req2xx === 0 || req4xx + req5xx + others > 0) {
    throw new Error(`${route} under load: ${req2xx} answers 2xx, ${req4xx} 4xx, ${req5xx} 5xx, ${others} none`);
  }
  return attack;
}

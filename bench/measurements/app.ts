import { availableParallelism } from "node:os";
import { hardening } from "../../components/user-data.ts";
import { ensureTool } from "../../tools/go.ts";
import { step } from "../../tools/process.ts";
import { processes } from "../../tools/processes.ts";
import { compare, type Measurement } from "../measurement.ts";
import type { Sandbox } from "../sandbox.ts";
import { buildCommand, native } from "./build.ts";

const port = 3999;
const path = "/platform";

/** A server under load: the arguments of `docker run` after its options. */
interface Server {
  readonly name: string;
  readonly run: readonly string[];
}

type Run = Awaited<ReturnType<typeof measure>>;

/** The app in its hardened container, a bare Bun.serve that gives the same answer, and the same app on Node. */
export async function measureApp(sandbox: Sandbox): Promise<Measurement[]> {
  const bombardier = await ensureTool("bombardier");
  await step("loading the images", async () => {
    await sandbox.command(buildCommand(sandbox, { platforms: [native], load: app.run[0] }));
    await sandbox.command(buildCommand(sandbox, { platforms: [native], target: "servers", load: "bench/servers" }));
  });
  const answer = JSON.stringify(await running(sandbox, app, answerOf));
  const node = ["--volume", `${process.execPath}:/usr/local/bin/node:ro`, "--entrypoint", "node"];
  const others: Server[] = [
    { name: "Hono on Node", run: [...node, "bench/servers", "/app/node.mjs"] },
    {
      name: "bare Bun.serve",
      run: ["--env", `ANSWER=${answer}`, "--entrypoint", "bun", "bench/servers", "/app/bare.js"],
    },
  ];
  const load = (server: Server) => () => measure(sandbox, server, bombardier);
  const loads = { ours: load(app), ...Object.fromEntries(others.map((server) => [server.name, load(server)])) };
  const runs = await sandbox.rounds(sandbox.runs(3), loads, (name) => `load on ${name}`);
  const of = (numberOf: (run: Run) => number) => compare(runs, numberOf);
  return [
    { what: "requests per second", unit: "requests/s", plot: "app", ...of(({ perSecond }) => perSecond) },
    { what: "container start to first answer", unit: "ms", plot: "app", ...of(({ start }) => start) },
    { what: "99 of 100 requests answered within", unit: "ms", ...of(({ p99 }) => p99) },
    { what: "memory after the load", unit: "bytes", ...of(({ memory }) => memory) },
  ];
}

const app: Server = { name: "app", run: ["bench/app"] };

/** @param work Gets the container's id, and the time of its first answer. */
async function running<T>(
  sandbox: Sandbox,
  server: Server,
  work: (id: string, answered: number) => Promise<T>,
): Promise<T> {
  const docker = (...args: string[]) => sandbox.command(["docker", ...args]);
  // The server and its load each have a processor, where there are two.
  const cpus = availableParallelism() > 1 ? ["--cpuset-cpus", "0"] : [];
  // The local cloud's engine has no bridge; so Docker's proxy is not measured.
  const options = ["--network", "host", ...hardening, "--log-opt", "max-size=10m", ...cpus, "--env", `PORT=${port}`];
  const id = (await docker("create", ...options, "--env", "APP_NAME=hono-app", ...server.run)).trim();
  try {
    // Asked before it is started: the server may answer before `docker start` returns.
    const first = answerOf().then(() => Date.now());
    const [answered] = await Promise.all([first, docker("start", id)]);
    return await work(id, answered);
  } catch (error) {
    const log = await docker("logs", "--tail", "5", id).catch(() => "");
    throw new Error(`${server.name}: ${(error as Error).message}\n${log}`);
  } finally {
    await docker("rm", "--force", id);
  }
}

/** The server's first answer: body and headers, without those that every server sets itself. */
async function answerOf(): Promise<{ body: string; headers: Record<string, string> }> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      if (!response.ok) throw new Error(`${path}: ${response.status}`);
      const own = ["date", "content-length", "connection", "keep-alive"];
      const headers = [...response.headers].filter(([name]) => !own.includes(name));
      return { body: await response.text(), headers: Object.fromEntries(headers) };
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

function measure(sandbox: Sandbox, server: Server, bombardier: string) {
  return running(sandbox, server, async (id, answered) => {
    // The engine's clock and this one are the same machine's.
    const startedAt = await sandbox.command(["docker", "inspect", "--format", "{{.State.StartedAt}}", id]);
    // In the first seconds the runtime compiles the code.
    await attack(sandbox, bombardier, sandbox.quick ? 1 : 3);
    const { rps, latency } = await attack(sandbox, bombardier, sandbox.quick ? 1 : 5);
    return {
      /** Milliseconds from the container's start to its first answer. */
      start: answered - Date.parse(startedAt.trim()),
      perSecond: rps.mean,
      /** Milliseconds in which 99 of 100 requests are answered. */
      p99: (latency.percentiles["99"] as number) / 1000,
      memory: residentBytes(id),
    };
  });
}

/** The engine has process ids of its own; the control group's name contains the container's id. */
function residentBytes(container: string): number {
  const status = processes()
    .find(({ read }) => read("cgroup").includes(container))
    ?.read("status");
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status ?? "") ?? [];
  if (kibibytes === undefined) throw new Error(`no process of the container ${container} is found`);
  return Number(kibibytes) * 1024;
}

/** https://github.com/codesenberg/bombardier/blob/master/template/doc.go; times are in microseconds. */
interface Attack {
  readonly rps: { readonly mean: number };
  readonly latency: { readonly percentiles: Readonly<Record<string, number>> };
  readonly req2xx: number;
  readonly req4xx: number;
  readonly req5xx: number;
  readonly others: number;
}

async function attack(sandbox: Sandbox, bombardier: string, seconds: number): Promise<Attack> {
  const pinned = availableParallelism() > 1 ? ["taskset", "--cpu-list", "1"] : [];
  const options = ["--connections=32", `--duration=${seconds}s`, "--latencies", "--print=result", "--format=json"];
  const output = await sandbox.command([...pinned, bombardier, ...options, `http://127.0.0.1:${port}${path}`]);
  const { result } = JSON.parse(output) as { result: Attack };
  const { req2xx, req4xx, req5xx, others } = result;
  if (req2xx === 0 || req4xx + req5xx + others > 0) {
    throw new Error(`${path} under load: ${req2xx} answers 2xx, ${req4xx} 4xx, ${req5xx} 5xx, ${others} none`);
  }
  return result;
}

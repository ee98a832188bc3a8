import { writeSync } from "node:fs";
import { machine } from "node:os";
import { createApp } from "./app.ts";
import { readElfMachine } from "./elf.ts";
import { type ProcessFacts, readPlatform, readPort } from "./platform.ts";
import { createShutdown, type StoppableServer } from "./shutdown.ts";

// What is used of Bun's API: the type check runs without Bun's types, and only this file depends on the runtime.
declare const Bun: {
  version: string;
  serve(options: {
    port: number;
    idleTimeout: number;
    fetch: (request: Request) => Response | Promise<Response>;
  }): StoppableServer & { url: URL };
};

/**
 * Seconds for which an idle connection is kept: longer than the load balancer keeps one, which is 60 s by default. If the app closed it first,
 * while the load balancer sends a request on it, the answer would be 502. Bun's own default is 10 s.
 *
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#connection-idle-timeout
 * @see https://github.com/oven-sh/bun/issues/12446
 */
const idleTimeout = 75;

let lines = "";

/** One JSON object a line on stdout, which `docker logs` and every log collector take without configuration. */
function write(entry: object): void {
  // Lines of one millisecond are written together: a write for each takes longer than the answer, here and in Docker's engine.
  if (lines === "") setTimeout(flush, 1);
  lines += `${JSON.stringify(entry)}\n`;
}

const log = (entry: object) => write({ time: new Date().toISOString(), ...entry });

function flush(): void {
  process.stdout.write(lines);
  lines = "";
}
// Synchronous: at exit an asynchronous write would be cut off.
process.on("exit", () => void writeSync(1, lines));

/** Null where the binary cannot be read: that must not keep the server from starting. */
function ownElfMachine(): string | null {
  for (const file of ["/proc/self/exe", process.execPath]) {
    try {
      const found = readElfMachine(file);
      if (found) return found;
    } catch {}
  }
  return null;
}

const facts: ProcessFacts = {
  architecture: process.arch,
  // Compiled into Bun, and not always what `uname -m` prints: 1.4.5 returns arm64 on an aarch64.
  machine: machine(),
  elf: ownElfMachine(),
  runtime: "bun",
  version: Bun.version,
  pid: process.pid,
  startedAt: new Date(),
};

try {
  const app = createApp({
    platform: readPlatform(process.env, facts),
    log: write,
    isShuttingDown: () => shutdown.isShuttingDown(),
  });
  // 0.0.0.0 by default: within a container only Docker's port mapping reaches it.
  const server = Bun.serve({ port: readPort(process.env), idleTimeout, fetch: app.fetch });
  const shutdown = createShutdown({ server, log, exit: (code) => process.exit(code) });
  // As process 1 of a container a signal without a handler is ignored, and the container would be killed after 10 s.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void shutdown.onSignal(signal));
  log({ level: "info", message: "listening", url: server.url.href, architecture: process.arch, bun: Bun.version });
} catch (error) {
  log({ level: "error", message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

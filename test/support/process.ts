import { type SpawnOptionsWithoutStdio, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";

/** How a command ended, and what it printed. */
export interface Result {
  readonly status: number | null;
  /** Its stdout and stderr. */
  readonly output: string;
  readonly stdout: string;
}

export interface CollectOptions extends SpawnOptionsWithoutStdio {
  /** Text for its stdin. */
  readonly input?: string;
  /** Called with all that was printed so far, and the command's process id. */
  readonly onOutput?: (output: string, pid: number) => void;
}

/** Runs a command to its end, whether it succeeds or fails. */
export function collect(command: readonly string[], options: CollectOptions = {}): Promise<Result> {
  const { input = "", onOutput, ...spawnOptions } = options;
  const [file = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, spawnOptions);
    let [output, stdout] = ["", ""];
    child.stdout.on("data", (data) => (stdout += data));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => {
        output += data;
        onOutput?.(output, child.pid as number);
      });
    }
    // A command may end without reading its input.
    child.stdin.on("error", () => {}).end(input);
    child.on("error", reject).on("close", (status) => resolve({ status, output, stdout }));
  });
}

/** A folder for a test file, removed after its tests; or, with `onTestFinished`, for one test. */
export function temporaryFolder(after: (remove: () => void) => void = afterAll): string {
  const folder = mkdtempSync(join(tmpdir(), "test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs an HTTP server on loopback until the test ends. */
export async function listening(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port of loopback that nothing listens on, below those that Linux gives to connections: one could have it when it is used. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}

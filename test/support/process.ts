import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, type MockInstance, onTestFinished } from "vitest";
import { succeeds } from "../../tools/process.ts";

/** A folder for a test file, removed after its tests; or, with `onTestFinished`, for one test. */
export function temporaryFolder(after: (remove: () => void) => void = afterAll): string {
  const folder = mkdtempSync(join(tmpdir(), "test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file, in a folder that need not be there. */
export function write(file: string, content: string | Uint8Array, mode?: number): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
}

/** Writes a program, which the shell runs. */
export const writeProgram = (file: string, script: string): void => write(file, `#!/bin/sh\n${script}\n`, 0o755);

/** Puts a mock of a function of Node's in its place for modules that import it by its name too, until the test ends. */
// biome-ignore lint/suspicious/noExplicitAny: every function has arguments of its own
export function everywhere<T extends (...args: any) => any>(mock: MockInstance<T>): MockInstance<T> {
  onTestFinished(() => {
    mock.mockRestore();
    syncBuiltinESMExports();
  });
  syncBuiltinESMExports();
  return mock;
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
    const isFree = await succeeds(once(server, "listening"));
    server.close();
    if (isFree) return port;
  }
}

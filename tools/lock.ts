import { hash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as wait } from "node:timers/promises";
import { step } from "./process.ts";

/** Name of a lock's socket: a hash, since it has 107 bytes at most, and the name of a lock may contain a path. */
const addressOf = (name: string) => `hono-app-${hash("sha256", name).slice(0, 32)}`;

/**
 * Takes a lock that no other process of this machine has. It is a socket in Linux's abstract namespace, which the kernel removes with the
 * process, however it ends.
 *
 * @param name What is locked.
 * @param owner How this process is named to others that ask for the lock.
 * @returns The owner's name where another process has the lock.
 */
export async function lock(name: string, owner: string): Promise<string | undefined> {
  return (await take(name, owner)) ? undefined : text(connect(`\0${addressOf(name)}`)).catch(() => "another command");
}

/** Does the work while no other process of this machine does work of that name. Waits for one that does, and says so after a second. */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const free = untilFree(name);
  const server =
    (await Promise.race([free, wait(1000, undefined, { ref: false })])) ?? (await step(waiting, () => free));
  try {
    return await work();
  } finally {
    server.close();
  }
}

const waiting = "waiting for another command, which installs or starts the local cloud";

async function untilFree(name: string): Promise<Server> {
  for (;;) {
    const server = await take(name, "");
    if (server) return server;
    await wait(100);
  }
}

/** The lock's socket; nothing where another process has it. */
async function take(name: string, owner: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.end(owner)).unref();
  try {
    await once(server.listen(`\0${addressOf(name)}`), "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return undefined;
  }
}

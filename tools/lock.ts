import { once } from "node:events";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";

/**
 * Takes a lock that no other process of this machine has. It is a socket in Linux's abstract namespace, which the kernel removes with the
 * process, however it ends.
 *
 * @param name What is locked.
 * @param owner How this process is named to others that ask for the lock.
 * @returns The owner's name where another process has the lock.
 */
export async function lock(name: string, owner: string): Promise<string | undefined> {
  const address = `\0${name}`;
  const server = createServer((socket) => socket.end(owner)).unref();
  try {
    await once(server.listen(address), "listening");
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return text(connect(address)).catch(() => "another command");
  }
}

import { existsSync } from "node:fs";
import { connect } from "node:net";

/** Whether something accepts connections at `host:port` or at a Unix socket's path. */
export function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  if (port === undefined && !existsSync(address)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = port === undefined ? connect(address) : connect(Number(port), host);
    socket.setTimeout(1000, () => socket.destroy());
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("close", () => resolve(false));
    socket.once("error", () => resolve(false));
  });
}

import { once } from "node:events";
import { connect } from "node:net";
import { succeeds } from "./process.ts";

/** Whether something accepts connections at `host:port` or at a Unix socket's path. */
export function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  const socket = port === undefined ? connect(address) : connect(Number(port), host);
  const connected = once(socket, "connect", { signal: AbortSignal.timeout(1000) });
  return succeeds(connected).finally(() => socket.destroy());
}

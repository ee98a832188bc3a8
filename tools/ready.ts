import { once } from "node:events";
import { connect } from "node:net";

/** Whether something accepts connections at `host:port` or at a Unix socket's path. */
export async function accepts(address: string): Promise<boolean> {
  const [host, port] = address.split(":");
  const socket = port === undefined ? connect(address) : connect(Number(port), host);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(1000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

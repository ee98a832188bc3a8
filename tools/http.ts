import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { text } from "node:stream/consumers";

/** A GET, over a connection of its own unless an agent is given: its answer, with all of its text. */
export async function get(url: string, options: RequestOptions = {}) {
  // An import would load WebSocket and fetch too, which takes half of a command's time until it reads its options.
  const { request } = process.getBuiltinModule(url.startsWith("https:") ? "node:https" : "node:http");
  const sent = request(url, { agent: false, ...options });
  // After the response has begun, an error ends its body, which is read below.
  sent.on("error", () => {}).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const { statusCode: status = 0, headers } = response;
  return { status, headers, body: await text(response) };
}

import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";
import { text } from "node:stream/consumers";

/** A GET, over a connection of its own unless an agent is given: its answer, with all of its text. */
export async function get(url: string, options: https.RequestOptions = {}) {
  const { request } = url.startsWith("https:") ? https : http;
  const sent = request(url, { agent: false, ...options });
  // After the response has begun, an error ends its body, which is read below.
  sent.on("error", () => {}).end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const { statusCode: status = 0, headers } = response;
  return { status, headers, body: await text(response) };
}

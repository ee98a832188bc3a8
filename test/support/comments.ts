import { text } from "node:stream/consumers";
import { listening } from "./process.ts";

interface Comment {
  readonly id: number;
  body: string;
  readonly user: { readonly type: string } | null;
}

/** A comment of a bot, as a workflow writes them. */
export const ofBot = (body: string, id = 1): Comment => ({ id, body, user: { type: "Bot" } });

/**
 * GitHub until the test ends, as far as the comments of its pull request 7 go. Asks for the token "job-token".
 *
 * @returns Its URL, the comments, and each request.
 */
export async function github(comments: Comment[]): Promise<{ url: string; comments: Comment[]; requests: string[] }> {
  const requests: string[] = [];
  const host = await listening(async (request, response) => {
    const { method, url = "", headers } = request;
    requests.push(`${method} ${url}`);
    const { pathname, searchParams } = new URL(url, "http://github");
    const path = pathname.replace("/repos/Owner/Hono-App/issues/", "");
    const answer = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    if (headers.authorization !== "Bearer job-token") return answer(401, {});
    const page = Number(searchParams.get("page"));
    if (method === "GET" && path === "7/comments") return answer(200, comments.slice((page - 1) * 100, page * 100));
    const { body = "" } = JSON.parse((await text(request)) || "{}");
    const there = comments.find(({ id }) => path === `comments/${id}`);
    if (method === "POST" && path === "7/comments") comments.push(ofBot(body));
    else if (method === "PATCH" && there) there.body = body;
    else return answer(404, {});
    answer(201, { id: 1 });
  });
  return { url: `http://${host}`, comments, requests };
}

// Bun without an app: it sends one of the app's answers, made in advance.

declare const Bun: { serve(options: { port: number; fetch: (request: Request) => Response }): unknown };

const { body, headers } = JSON.parse(process.env.ANSWER ?? "{}") as { body: string; headers: Record<string, string> };

Bun.serve({
  port: Number(process.env.PORT),
  fetch(request) {
    const { pathname } = new URL(request.url);
    return pathname === "/platform" ? new Response(body, { headers }) : new Response("", { status: 404 });
  },
});

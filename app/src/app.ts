import {
  accepts,
  type ContentfulStatusCode,
  type Context,
  getPath,
  Hono,
  HTTPException,
  secureHeaders,
} from "./hono.ts";
import { errorPage, platformPage, styleSource } from "./page.ts";
import { type Platform, report, uptimeOf } from "./platform.ts";

export interface LogEntry {
  time: string;
  level: "info" | "error";
  requestId: string;
  method: string;
  path: string;
  status: number;
  durationMs: number;
  /** What a handler threw, for the log alone. */
  error?: string;
}

export interface AppOptions {
  platform: Platform;
  /** @default nothing is logged */
  log?: (entry: LogEntry) => void;
  /** @default never */
  isShuttingDown?: () => boolean;
  /** @default the system's clock */
  now?: () => Date;
}

type AppEnv = { Bindings: RequestState };

/** The nonce proves that an answer is new. It is sent back unchanged, so it may have no character with a meaning in a header, a log or a page. */
const NONCE_PATTERN = /^[\w.-]{1,128}$/;

/** State of a request, which Hono's handlers find in `c.env`. */
interface RequestState {
  readonly requestId: string;
  readonly path: string;
  error?: string;
  /** Set for a health check, which is not logged: one every few seconds would bury the rest. */
  isHealthCheck?: true;
}

/** A caller's id is kept if it has only characters that cannot break a header, a log line or a page. */
const REQUEST_ID_PATTERN = /^[\w\-=]{1,255}$/;

// The same for every answer, so the middleware is run once, here, and not for each of them.
const headersOnly = new Hono().use(
  secureHeaders({
    // The page is one document: its own style, an icon in a data: URL, and nothing else.
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: [styleSource],
      imgSrc: ["data:"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
    xFrameOptions: "DENY",
    // Left to what ends TLS: this server speaks plain HTTP, where browsers ignore it.
    strictTransportSecurity: false,
  }),
);
headersOnly.get("/", (c) => c.body(null));
const commonHeaders = new Headers((await headersOnly.request("/")).headers);
// Every answer describes this process at this moment.
commonHeaders.set("Cache-Control", "no-store");
const jsonHeaders = new Headers([...commonHeaders, ["Content-Type", "application/json"]]);

/** Independent of the runtime: main.ts passes it to Bun, the tests call `app.request()`. */
export function createApp({
  platform,
  log = () => {},
  isShuttingDown = () => false,
  now = () => new Date(),
}: AppOptions): Hono<AppEnv> {
  // Read once, for the route and for the log.
  const app = new Hono<AppEnv>({ getPath: (request, options) => options?.env?.path ?? getPath(request) });

  // Every part but the nonce stays the same for a second, and writing it takes a tenth of the time of an answer.
  let written = { uptime: -1, text: "" };
  function reportWithoutEnd(): string {
    const uptime = uptimeOf(platform, now());
    if (uptime !== written.uptime) written = { uptime, text: JSON.stringify(report(platform, uptime)).slice(0, -1) };
    return written.text;
  }

  app.get("/health", (c) => {
    c.env.isHealthCheck = true;
    const [body, status] = isShuttingDown() ? [{ status: "shutting down" }, 503] : [{ status: "ok" }, 200];
    return Response.json(body, { status, headers: { "Cache-Control": "no-store" } });
  });

  app.get("/", (c) => {
    const facts = report(platform, uptimeOf(platform, now()));
    return wantsHtml(c) ? c.html(platformPage(facts)) : c.json(facts);
  });

  app.get("/platform", (c) => {
    const nonce = c.req.query("nonce");
    if (nonce !== undefined && !NONCE_PATTERN.test(nonce)) {
      return problem(c, 400, "nonce must be 1 to 128 letters, digits, dots, hyphens or underscores.");
    }
    // A fleet is asked this under load: headers given together cost a third of headers set one by one.
    return new Response(`${reportWithoutEnd()},"nonce":${JSON.stringify(nonce ?? null)}}`, { headers: jsonHeaders });
  });

  app.notFound((c) => {
    const methods = app.routes.filter(({ path }) => path === c.req.path).map(({ method }) => method);
    if (methods.length === 0) return problem(c, 404, "There is nothing at this address.");
    if (methods.includes("GET")) methods.push("HEAD"); // as Hono answers it
    c.header("Allow", methods.join(", "));
    return problem(c, 405, `Only ${methods.join(" and ")} are allowed here.`);
  });

  app.onError((error, c) => {
    c.env.error = error.stack ?? String(error);
    // Only an HTTPException below 500 was written for the client; anything else may tell more than it should.
    if (error instanceof HTTPException && error.status < 500) {
      return problem(c, error.status as ContentfulStatusCode, error.message);
    }
    return problem(c, 500, "The server could not answer. Its log names the cause under this request id.");
  });

  // Around Hono, not as its middleware: with any middleware every answer is a promise, which costs a tenth of the throughput.
  const { fetch } = app;
  app.fetch = (request) => {
    const started = performance.now();
    const given = request.headers.get("X-Request-Id") ?? "";
    const requestId = REQUEST_ID_PATTERN.test(given) ? given : crypto.randomUUID();
    const state: RequestState = { requestId, path: getPath(request) };
    const finish = (response: Response) => {
      if (state.isHealthCheck) return response;
      const { headers, status } = response;
      // An answer with jsonHeaders has them all. Any other route may have set one itself, but hardly this one.
      if (!headers.has("X-Permitted-Cross-Domain-Policies")) {
        for (const [name, value] of commonHeaders) if (!headers.has(name)) headers.set(name, value);
      }
      headers.set("X-Request-Id", requestId);
      log({
        time: now().toISOString(),
        level: status >= 500 ? "error" : "info",
        requestId,
        method: request.method,
        path: state.path,
        status,
        durationMs: Math.round((performance.now() - started) * 1000) / 1000,
        error: state.error,
      });
      return response;
    };
    const response = fetch(request, state);
    return response instanceof Promise ? response.then(finish) : finish(response);
  };
  return app;
}

/** Browsers accept text/html by name; curl, fetch and health checkers accept any type, and get JSON. */
function wantsHtml(c: Context): boolean {
  c.header("Vary", "Accept");
  const supports = ["application/json", "text/html"];
  return accepts(c, { header: "Accept", supports, default: "application/json" }) === "text/html";
}

function problem(c: Context<AppEnv>, status: ContentfulStatusCode, message: string): Response | Promise<Response> {
  const { requestId } = c.env;
  return wantsHtml(c)
    ? c.html(errorPage(status, message, requestId), status)
    : c.json({ error: message, requestId }, status);
}

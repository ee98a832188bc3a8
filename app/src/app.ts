import {
  accepts,
  type ContentfulStatusCode,
  type Context,
  Hono,
  HTTPException,
  methodNotAllowed,
  type RequestIdVariables,
  requestId,
  secureHeaders,
} from "./hono.ts";
import { errorPage, platformPage, styleSource } from "./page.ts";
import { type Platform, report } from "./platform.ts";

export interface LogEntry {
  level: "info" | "error";
  time: string;
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

type AppEnv = { Variables: RequestIdVariables };

/**
 * The nonce proves to a caller that the answer is of now and for it. It comes back as it was given, so it is held to
 * characters that mean nothing in a header, a log line or a page.
 */
const NONCE_PATTERN = /^[\w.-]{1,128}$/;

/** Portable: knows no runtime. main.ts gives it to Bun, the tests to `app.request()`. */
export function createApp({
  platform,
  log = () => {},
  isShuttingDown = () => false,
  now = () => new Date(),
}: AppOptions): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  // Before all else, and past Hono's own answers: it is asked for every few seconds, by programs, and would bury the rest of the log.
  app.get("/health", () => {
    const [body, status] = isShuttingDown() ? [{ status: "shutting down" }, 503] : [{ status: "ok" }, 200];
    return Response.json(body, { status, headers: { "Cache-Control": "no-store" } });
  });

  app.use(requestId());
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    log({
      level: c.res.status >= 500 ? "error" : "info",
      time: now().toISOString(),
      requestId: c.get("requestId"),
      method: c.req.method,
      path: c.req.path,
      status: c.res.status,
      durationMs: Math.round((performance.now() - started) * 1000) / 1000,
      ...(c.error && { error: c.error.stack ?? String(c.error) }),
    });
  });
  app.use(
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
      // For whoever ends TLS to say: this server speaks plain HTTP, where browsers ignore it.
      strictTransportSecurity: false,
    }),
  );
  app.use(async (c, next) => {
    await next();
    // Every answer is about this process at this moment. Not c.header(): after the handler it makes the answer anew, as a stream.
    c.res.headers.set("Cache-Control", "no-store");
  });
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header("Allow", methods.join(", "));
        return problem(c, 405, `Only ${methods.join(" and ")} are possible here.`);
      },
    }),
  );

  app.get("/", (c) => {
    const facts = report(platform, now());
    return wantsHtml(c) ? c.html(platformPage(facts)) : c.json(facts);
  });

  app.get("/platform", (c) => {
    const nonce = c.req.query("nonce");
    if (nonce !== undefined && !NONCE_PATTERN.test(nonce)) {
      return problem(c, 400, "nonce must be 1 to 128 letters, digits, dots, hyphens or underscores.");
    }
    return c.json({ ...report(platform, now()), nonce: nonce ?? null });
  });

  app.notFound((c) => problem(c, 404, "There is nothing at this address."));

  app.onError((error, c) => {
    // Only an HTTPException below 500 was written for the client; anything else may tell more than it should.
    if (error instanceof HTTPException && error.status < 500) {
      return problem(c, error.status as ContentfulStatusCode, error.message);
    }
    return problem(c, 500, "The server could not answer. Its log names the cause under this request id.");
  });

  return app;
}

/**
 * A browser names text/html; curl, fetch and health checkers say any type or none, and get what a program can read.
 */
function wantsHtml(c: Context): boolean {
  c.header("Vary", "Accept");
  const supports = ["application/json", "text/html"];
  return accepts(c, { header: "Accept", supports, default: "application/json" }) === "text/html";
}

function problem(c: Context<AppEnv>, status: ContentfulStatusCode, message: string): Response | Promise<Response> {
  const requestId = c.get("requestId");
  return wantsHtml(c)
    ? c.html(errorPage({ status, message, requestId }), status)
    : c.json({ error: message, requestId }, status);
}

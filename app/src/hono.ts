// The one door to the dependencies: what it exports becomes a file, and in the image a layer, that an edit of the app leaves as it is.
export { type Context, Hono } from "hono";
export { accepts } from "hono/accepts";
export { html, raw } from "hono/html";
export { HTTPException } from "hono/http-exception";
export { secureHeaders } from "hono/secure-headers";
export type { ContentfulStatusCode } from "hono/utils/http-status";
export { getPath } from "hono/utils/url";

// The only file that imports the dependencies: they become a file, and in the image a layer, that no edit of the app changes.
export { type Context, Hono } from "hono";
export { accepts } from "hono/accepts";
export { html, raw } from "hono/html";
export { HTTPException } from "hono/http-exception";
export { secureHeaders } from "hono/secure-headers";
export type { ContentfulStatusCode } from "hono/utils/http-status";
export { getPath } from "hono/utils/url";

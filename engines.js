// Plain JavaScript, for a Node that may be too old for TypeScript.
import { readFileSync } from "node:fs";

/** Which Node the project needs, such as `>=22.18`: from 22.18 on it runs TypeScript itself. */
export const neededNode = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).engines.node;

/** Whether a version is older than another, which may have `>=` before it. */
export const isOlder = (version, than) => version.localeCompare(than.replace(">=", ""), "en", { numeric: true }) < 0;

/** Whether this Node is older. */
export const isOld = isOlder(process.versions.node, neededNode);

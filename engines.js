// Plain JavaScript, for a Node that may be too old for TypeScript.
import { readFileSync } from "node:fs";

/** Which Node the project needs, such as `>=22.18`: from 22.18 on it runs TypeScript itself. */
export const neededNode = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).engines.node;

/** Whether a version is older than another, which may have `>=` before it. Not by localeCompare(), which first loads its rules of a language. */
export function isOlder(version, than) {
  const [numbers, others] = [version, than].map((text) => (text.match(/\d+/g) ?? []).map(Number));
  return numbers.map((number, index) => number - (others[index] ?? 0)).find((difference) => difference !== 0) < 0;
}

/** Whether this Node is older. */
export const isOld = isOlder(process.versions.node, neededNode);

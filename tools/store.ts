import { readdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** The folder of something that is made once for all clones of a user. @param key Of everything that it is made from. */
export const storeOf = (what: string, key: string) =>
  join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "hono-app", what, key);

/** Marks a store as used, and deletes those beside it that no clone has used for a month: a version of the tools is hundreds of megabytes. */
export function tidy(store: string): void {
  const [now, month] = [Date.now(), 30 * 24 * 3_600_000];
  try {
    utimesSync(store, now / 1000, now / 1000);
    for (const other of readdirSync(dirname(store)).map((name) => join(dirname(store), name)))
      if (statSync(other).mtimeMs < now - month) rmSync(other, { recursive: true, force: true });
  } catch {} // it is another user's, or another command deletes it: the next one goes on
}

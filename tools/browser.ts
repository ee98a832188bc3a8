import { existsSync } from "node:fs";
import { installPackages } from "./system.ts";

/** Debian's Chromium, in which the tests look at pages, with a font. @returns Its path. */
export async function ensureBrowser(): Promise<string> {
  const needed = { "/usr/bin/chromium": "chromium", "/usr/share/fonts/truetype/liberation": "fonts-liberation" };
  await installPackages(Object.entries(needed).flatMap(([path, name]) => (existsSync(path) ? [] : [name])));
  return "/usr/bin/chromium";
}

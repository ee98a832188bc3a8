import { expect, test } from "vitest";
import { expired } from "../../../.github/scripts/expired.ts";

const now = Date.parse("2026-11-29T03:17:00Z");

test("review environments that were not updated for so long, and those of which no update is known", () => {
  const stacks = [
    { name: "dev", lastUpdate: "2026-01-01T00:00:00Z" },
    { name: "owner/hono-app/pr-1", lastUpdate: "2026-11-26T03:17:00Z" },
    { name: "pr-2", lastUpdate: "2026-11-26T03:17:01Z" },
    { name: "pr-3" },
    { name: "pr-4x" },
  ];
  expect(expired(stacks, 72, now)).toEqual(["pr-1", "pr-3"]);
});

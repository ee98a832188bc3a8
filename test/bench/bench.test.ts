import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Result } from "../../bench/figure.ts";
import { root } from "../../local/paths.ts";
import { run } from "../../local/step.ts";

/** What does not depend on the clock. */
const judged = [
  "emulated steps in a build",
  "builds that fail without emulation",
  "bytes pushed after a one-line edit, both platforms",
  // The image beside Bun and libc alone is the base's affair; what the app adds is not.
  "what the app adds to its base, linux/amd64, gzip",
  "what the app adds to its base, linux/arm64, gzip",
  "builds in no-op ups and previews",
  "registry writes in no-op ups and previews",
];

// How long anything takes is measured and not judged: how fast this machine is, and what else it does, is not the project's.
test("npm run bench -- --quick measures every figure, and what does not depend on the clock is within its budget", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const file = join(folder, "results.json");
  try {
    const table = await run(["node", "bench/bench.ts", "--quick", "--json", file], { cwd: root });
    console.log(table); // for whoever reads CI's output
    const { results } = JSON.parse(readFileSync(file, "utf8")) as { results: Result[] };
    expect([...new Set(results.map(({ figure }) => figure))].sort()).toEqual(
      [
        ...["app", "build", "destroy", "ec2", "emulated", "growth", "image", "load"],
        ...["noop", "pushed", "rebuild", "up", "verified"],
      ].sort(),
    );
    for (const { what, ours, reference } of results) {
      for (const { median, min, max } of [ours, ...(reference ? [reference] : [])]) {
        expect([median, min, max].every(Number.isFinite), what).toBe(true);
      }
      expect(table.replace(/\s+/g, " ")).toContain(what.trim().split(" ")[0]);
    }
    const found = results.filter(({ what }) => judged.includes(what));
    expect(found.map(({ what }) => what).sort()).toEqual(judged.toSorted());
    expect(found.filter(({ ok }) => !ok)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

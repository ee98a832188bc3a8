import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Measurement } from "../../bench/measurement.ts";
import { root } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { temporaryFolder } from "../support/process.ts";

// Times are measured and not judged: they depend on this machine and its other load.
test("npm run bench -- --quick measures everything; counts and sizes are as expected", async () => {
  const file = join(temporaryFolder(onTestFinished), "results.json");
  const table = await run(["node", "bench/bench.ts", "--quick", "--json", file], { cwd: root });
  console.log(table); // for those who read CI's output
  const { measurements } = JSON.parse(readFileSync(file, "utf8")) as { measurements: Measurement[] };
  const ours = Object.fromEntries(measurements.map(({ what, ours: [value = Number.NaN] }) => [what, value]));
  const other = (what: string) => Object.values(measurements.find((each) => each.what === what)?.others ?? {})[0]?.[0];

  expect(ours["emulated steps in a build of the app"]).toBe(0);
  expect(ours["emulated steps in a build with sharp and SQLite"]).toBe(0);
  expect(ours["builds by an up or preview with nothing to do"]).toBe(0);
  expect(ours["files of the registry that these change"]).toBe(0);
  expect(ours["requests during a release"]).toBeGreaterThan(100);
  expect(ours["failed requests during a release"]).toBe(0);
  expect(ours["fleet of 2: requests during a release"]).toBeGreaterThan(100);
  expect(ours["fleet of 2: failed requests during a release"]).toBe(0);

  const pushed = ours["bytes pushed after a one-line edit, both platforms"];
  expect(pushed).toBeGreaterThan(1_000);
  expect(pushed).toBeLessThanOrEqual(16 * 1024);
  for (const platform of ["linux/amd64", "linux/arm64"]) {
    const what = `download of the image, ${platform}`;
    const added = (ours[what] as number) - (other(what) as number);
    expect(added).toBeGreaterThan(8_000);
    expect(added).toBeLessThanOrEqual(24 * 1024);
  }

  const timed = measurements.filter(({ unit }) => unit !== "" && unit !== "bytes");
  expect(timed.map(({ what }) => what)).toEqual([
    "up from nothing, the local cloud's start included",
    "up with nothing to do",
    "preview with nothing to do",
    "fleet of 2: up, the image built",
    "fleet of 2: up with nothing to do",
    "fleet of 2: a release",
    "fleet of 2: half of the requests answered within",
    "fleet of 2: 99 of 100 requests answered within",
    "cold build of the app for both platforms",
    "cold build with sharp and SQLite for both platforms",
    "a one-line edit, built and pushed",
    "requests per second",
    "container start to first answer",
    "99 of 100 requests answered within",
  ]);
  for (const { what, ours, others = {} } of timed) {
    for (const value of [ours, ...Object.values(others)].flat()) expect(value, what).toBeGreaterThan(0);
  }
});

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compare, format, type Measurement, medianOf } from "../../../bench/measurement.ts";
import { plot } from "../../../bench/plot.ts";
import { replaceTable, table } from "../../../bench/report.ts";

const build: Measurement = {
  what: "a <build>",
  unit: "s",
  ours: [5, 1, 2],
  others: { "guide's way": [8, 4], native: [1] },
};
const failed: Measurement = { what: "failed requests", unit: "", ours: [0], others: { other: [3] } };

test("of every run one number is taken, and this project's stand apart", () => {
  const runs = { ours: [{ s: 1 }, { s: 2 }], native: [{ s: 3 }] };
  expect(compare(runs, ({ s }) => s)).toEqual({ ours: [1, 2], others: { native: [3] } });
});

test("the median counts; a missing measurement is an error that names it", () => {
  expect(medianOf([5, 1, 2], "a build")).toBe(2);
  expect(medianOf([4, 1], "a build")).toBe(2.5);
  expect(() => medianOf([1, Number.NaN], "a build")).toThrow("a build: measured 1, NaN; expected numbers");
  expect(() => table([{ ...build, others: { native: [] } }])).toThrow("a <build>, native: measured nothing");
});

test.each([
  [0, "", "0"],
  [2.4689, "s", "2.47 s"],
  [16_384, "bytes", "16.4 kB"],
  [59_000_000, "bytes", "59.0 MB"],
  [48_123.4, "requests/s", "48,123 requests/s"],
] as const)("%d %s is shown as %s", (value, unit, text) => {
  expect(format(value, unit)).toBe(text);
});

describe("the table", () => {
  const lines = table([build, failed])
    .split("\n")
    .map((line) => line.replace(/ +/g, " "));

  test("has the range of the runs, and the others as multiples", () => {
    expect(lines).toContain("| a <build> | 2 s (1 s – 5 s) | guide's way | 6 s | 3 × |");
    expect(lines).toContain("| | | native | 1 s | 0.5 × |");
  });

  test("has no multiple of nothing", () => {
    expect(lines).toContain("| failed requests | 0 | other | 3 | |");
  });

  test.each(["docs/speed.md", "docs/speed.ko.md"])("replaces the one in %s, and nothing else", (file) => {
    const document = readFileSync(file, "utf8");
    const [before, after] = document.split(/^20.*\n\n\| +\| this project [\s\S]*?(?=\n\n)/m);
    expect(replaceTable(document, "$& the new one\n")).toBe(`${before}$& the new one${after}`);
  });

  test("refuses a document without one", () => {
    expect(() => replaceTable("# Speed\n", "new")).toThrow("no table of measurements");
  });
});

describe("a plot", () => {
  const svg = plot("Speed", [build, failed]);

  test("has a bar for each, in proportion within its group, and this project's first", () => {
    const bars = [...svg.matchAll(/<rect class="(ours|other)" .* width="(\d+)"/g)].map(([, kind, width]) => [
      kind,
      Number(width),
    ]);
    expect(bars).toEqual([
      ["ours", 127],
      ["other", 380],
      ["other", 63],
      ["ours", 1], // zero, and still visible
      ["other", 380],
    ]);
  });

  test("names what it shows, with the values", () => {
    for (const text of ["a &lt;build&gt;", ">this project<", ">guide&#39;s way<", ">6 s<", "failed requests"]) {
      expect(svg).toContain(text);
    }
  });

  test("follows the reader's theme", () => {
    expect(svg).toMatch(/prefers-color-scheme: dark[^}]*\.ground \{ fill: #0d1117 \}/);
  });
});

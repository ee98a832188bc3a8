import { describe, expect, test } from "vitest";
import { atLeastTimes, atMost, atMostTimes, format, type Row, sumUp, timesFaster, within } from "../../bench/figure.ts";
import { hardening } from "../../bench/figures/app.ts";
import { facts, launchToVerified, upOnPaper } from "../../bench/paper.ts";
import { plot } from "../../bench/plot.ts";
import { table } from "../../bench/report.ts";

const row = (ours: number[], reference: number[] | undefined, budget: Row["budget"]): Row => ({
  figure: "build",
  what: "a <build>",
  ours: { unit: "s", runs: ours },
  ...(reference && { reference: { what: "guide's way", unit: "s", runs: reference } }),
  ...(budget && { budget }),
});

test("a result is the median of its runs, with their range, beside the reference's", () => {
  expect(sumUp(row([5, 1, 2], [8, 4, 6, 2], atMost(4, "s")))).toMatchObject({
    ours: { median: 2, min: 1, max: 5, runs: [5, 1, 2] },
    reference: { median: 5, min: 2, max: 8, what: "guide's way" },
    ratio: 0.4,
    budget: "≤ 4 s",
    used: 0.5,
    ok: true,
  });
});

test("a number that was not measured is an error, which names it", () => {
  expect(() => sumUp(row([1, Number.NaN], undefined, undefined))).toThrow(
    "build, a <build>: measured 1, NaN; expected numbers",
  );
  expect(() => sumUp(row([1], [], undefined))).toThrow("measured nothing");
  expect(() => sumUp(row([], undefined, undefined))).toThrow("measured nothing");
});

describe("budgets", () => {
  test.each([
    ["exactly at its limit", atMost(2, "s"), 2, undefined, 1, true],
    ["above it", atMost(2, "s"), 2.1, undefined, 1.05, false],
    ["none allowed, none there", atMost(0, ""), 0, undefined, 0, true],
    ["none allowed, one there", atMost(0, ""), 1, undefined, Number.POSITIVE_INFINITY, false],
    ["times the reference", atMostTimes(1.3), 2.6, 2, 1, true],
    ["a share of the reference", atLeastTimes(0.9), 90, 100, 1, true],
    ["less than its share", atLeastTimes(0.9), 45, 100, 2, false],
    ["ten times faster", timesFaster(10), 2, 20, 1, true],
    ["five times faster", timesFaster(10), 4, 20, 2, false],
    ["within a second of the reference", within(1), 3, 2, 1, true],
    ["more than a second over it", within(1), 6, 2, 2, false],
  ])("%s", (_, budget, ours, reference, used, ok) => {
    expect(sumUp(row([ours], reference === undefined ? undefined : [reference], budget))).toMatchObject({ used, ok });
  });

  test("where the reference was not measured, nothing is judged", () => {
    expect(sumUp(row([1], undefined, timesFaster(10)))).not.toHaveProperty("ok");
  });
});

test.each([
  [0, "", "0"],
  [2.4689, "s", "2.47 s"],
  [16_384, "bytes", "16 KiB"],
  [26_120, "bytes", "25.5 KiB"],
  [59_000_000, "bytes", "56.3 MiB"],
  [128_123.4, "requests/s", "128123 requests/s"],
] as const)("%d %s is shown as %s", (value, unit, text) => {
  expect(format(value, unit)).toBe(text);
});

test("on EC2's paper a machine's steps add up, each with its source", () => {
  const steps = launchToVerified({ pull: 170e6, unpack: 3, start: 0.5 });
  expect(steps.find(({ what }) => what === "download of 170 MB")?.seconds).toBe(2);
  expect(steps.every(({ source }) => source.length > 0)).toBe(true);
  const named = [facts.api, facts.pending, facts.boot, facts.installDocker, facts.startDocker];
  const expected = named.reduce((sum, { value }) => sum + value, 2 + 3 + 0.5 + 0.25);
  expect(steps.reduce((sum, { seconds }) => sum + seconds, 0)).toBeCloseTo(expected);
});

test("on paper an up of more machines waits for launches and for the engine's turns", () => {
  expect(upOnPaper(2, 40, 16)).toBe(40);
  expect(upOnPaper(8, 40, 16)).toBe(41.5); // three launches beyond the burst, two a second
  expect(upOnPaper(32, 40, 16)).toBe(85.5); // two turns of 16
});

test("the app is measured as the machines run it", () => {
  expect(hardening()).toEqual([
    ...["--user", "65532:65532", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    ...["--memory", "256m", "--memory-swap", "256m", "--pids-limit", "128"],
    ...["--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"],
  ]);
});

describe("what is shown", () => {
  const results = [
    sumUp(row([1], [20], timesFaster(10))),
    sumUp(row([3], undefined, atMost(2, "s"))),
    sumUp(row([3], undefined, undefined)),
  ];

  test("the table has each figure with reference, ratio, budget and whether it is kept", () => {
    const lines = table(results)
      .split("\n")
      .map((line) => line.replace(/ +/g, " "));
    expect(lines).toContain("│ build │ a <build> │ 1 s │ 20 s │ 0.05 │ ≥ 10 × faster │ yes │");
    expect(lines).toContain("│ build │ a <build> │ 3 s │ - │ - │ ≤ 2 s │ NO │");
    expect(lines).toContain("│ build │ a <build> │ 3 s │ - │ - │ - │ - │");
  });

  test("the plot has a bar for each judged figure, longer where more of the budget is used", () => {
    const svg = plot(results, new Date("2026-11-24T12:00:00Z"));
    expect(svg).toContain("npm run bench, 2026-11-24");
    expect(svg).toContain("a &lt;build&gt; (guide&#39;s way)");
    const widths = [...svg.matchAll(/<rect x="380" .* width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(2);
    expect(widths[0]).toBeLessThan(widths[1] as number);
  });
});

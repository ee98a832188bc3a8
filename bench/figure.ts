import { max, median, min } from "simple-statistics";

export type Unit = "s" | "ms" | "bytes" | "requests/s" | "";

/** What was measured, once for each run. */
export interface Sample {
  readonly unit: Unit;
  readonly runs: readonly number[];
}

/** What a figure may cost. */
export interface Budget {
  readonly text: string;
  /** How much of the budget is used: above 1 it is missed. */
  readonly used: (ours: number, reference: number) => number;
}

/** One line of the table. */
export interface Row {
  /** Of the figure that it belongs to. */
  readonly figure: string;
  readonly what: string;
  readonly ours: Sample;
  /** Measured in the same run, beside it. */
  readonly reference?: Sample & { readonly what: string };
  /** @default none: it is shown, and not judged */
  readonly budget?: Budget;
  /** How it was measured, or where a number comes from, where that is not plain. */
  readonly note?: string;
}

export const atMost = (limit: number, unit: Unit): Budget => ({
  text: `≤ ${format(limit, unit)}`,
  used: (ours) => (limit > 0 ? ours / limit : ours === 0 ? 0 : Number.POSITIVE_INFINITY),
});

export const atMostTimes = (factor: number): Budget => ({
  text: `≤ ${factor} × reference`,
  used: (ours, reference) => ours / (factor * reference),
});

export const atLeastTimes = (factor: number): Budget => ({
  text: `≥ ${factor} × reference`,
  used: (ours, reference) => (factor * reference) / ours,
});

export const timesFaster = (factor: number): Budget => ({
  text: `≥ ${factor} × faster`,
  used: (ours, reference) => (factor * ours) / reference,
});

export const within = (seconds: number): Budget => ({
  text: `≤ reference + ${seconds} s`,
  used: (ours, reference) => ours / (reference + seconds),
});

/** A row with its numbers summed up, as the table, the plot and the JSON show it. */
export interface Result {
  readonly figure: string;
  readonly what: string;
  readonly unit: Unit;
  readonly ours: Summary;
  readonly reference?: Summary & { readonly what: string };
  /** Ours to the reference's. */
  readonly ratio?: number;
  readonly budget?: string;
  /** Share of the budget; absent where there is none, or where its reference was not measured in this run. */
  readonly used?: number;
  readonly ok?: boolean;
  readonly note?: string;
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: readonly number[];
}

/** @throws Error where something was not measured. */
export function sumUp(row: Row): Result {
  for (const { runs } of [row.ours, ...(row.reference ? [row.reference] : [])]) {
    if (runs.length > 0 && runs.every(Number.isFinite)) continue;
    throw new Error(`${row.figure}, ${row.what}: measured ${runs.join(", ") || "nothing"}; expected numbers`);
  }
  const ours = summary(row.ours);
  const reference = row.reference && { what: row.reference.what, ...summary(row.reference) };
  const used = row.budget?.used(ours.median, reference?.median ?? Number.NaN);
  const judged = used !== undefined && !Number.isNaN(used);
  return {
    figure: row.figure,
    what: row.what,
    unit: row.ours.unit,
    ours,
    ...(reference && { reference, ratio: ours.median / reference.median }),
    ...(row.budget && { budget: row.budget.text }),
    ...(judged && { used, ok: used <= 1 }),
    ...(row.note && { note: row.note }),
  };
}

function summary({ runs }: Sample): Summary {
  return { median: median([...runs]), min: min([...runs]), max: max([...runs]), runs };
}

export function format(value: number, unit: Unit): string {
  if (unit === "bytes") {
    const units = ["B", "KiB", "MiB"];
    const exponent = Math.min(Math.floor(Math.log2(Math.max(value, 1)) / 10), units.length - 1);
    return `${significant(value / 1024 ** exponent)} ${units[exponent]}`;
  }
  return `${significant(value)}${unit && ` ${unit}`}`;
}

/** Three digits, and no more of them than were measured. */
function significant(value: number): string {
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

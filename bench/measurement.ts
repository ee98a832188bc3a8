import { median } from "simple-statistics";
import { formatBytes } from "../cli/image/sizes.ts";

type Unit = "s" | "ms" | "bytes" | "requests/s" | "";

/** A measurement of this project and, in the same run, of what it is compared with. */
export interface Measurement {
  readonly what: string;
  readonly unit: Unit;
  /** This project's, one number for each run. */
  readonly ours: readonly number[];
  /** The others', by their names. */
  readonly others?: Readonly<Record<string, readonly number[]>>;
  /** The plot that shows it. @default the table alone shows it */
  readonly plot?: "build" | "app";
}

/** One number of each run, for each name; the name of this project's runs is `ours`. */
export function compare<Run>(runs: Readonly<Record<string, readonly Run[]>>, numberOf: (run: Run) => number) {
  const { ours = [], ...others } = runs;
  const numbers = Object.entries(others).map(([name, each]) => [name, each.map(numberOf)]);
  return { ours: ours.map(numberOf), others: Object.fromEntries(numbers) } satisfies Partial<Measurement>;
}

/**
 * The median of the runs.
 *
 * @throws Error where something was not measured.
 */
export function medianOf(runs: readonly number[], what: string): number {
  if (runs.length > 0 && runs.every(Number.isFinite)) return median([...runs]);
  throw new Error(`${what}: measured ${runs.join(", ") || "nothing"}; expected numbers`);
}

/** `2.47 s`, `95.3 MB`: three digits, and no more of them than were measured. */
export function format(value: number, unit: Unit): string {
  if (unit === "bytes") return formatBytes(value);
  const digits = value >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
  return `${digits.toLocaleString("en-US")}${unit && ` ${unit}`}`;
}

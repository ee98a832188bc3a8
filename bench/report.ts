import Table from "cli-table3";
import { format, type Measurement, medianOf } from "./measurement.ts";

/** What makes a table Markdown's: bars between the columns, a line below the heading, and no other. */
const markdown = {
  chars: {
    ...{ top: "", "top-left": "", "top-mid": "", "top-right": "" },
    ...{ mid: "-", "left-mid": "|", "mid-mid": "|", "right-mid": "|" },
    ...{ bottom: "", "bottom-left": "", "bottom-mid": "", "bottom-right": "" },
    ...{ left: "|", middle: "|", right: "|" },
  },
  style: { head: [], border: [], compact: true },
};

/** A Markdown table of medians, with the range of the runs, and of the others' medians as multiples of this project's. */
export function table(measurements: readonly Measurement[]): string {
  const rows = new Table({ head: ["", "this project", "compared with", "", ""], ...markdown });
  for (const { what, unit, ours, others = {} } of measurements) {
    const own = medianOf(ours, what);
    const [first = ["", "", ""], ...more] = Object.entries(others).map(([name, runs]) => {
      const value = medianOf(runs, `${what}, ${name}`);
      return [name, format(value, unit), own > 0 ? `${format(value / own, "")} ×` : ""];
    });
    rows.push([what, `${format(own, unit)}${range(ours, unit)}`, ...first], ...more.map((other) => ["", "", ...other]));
  }
  return rows.toString();
}

function range(runs: readonly number[], unit: Measurement["unit"]): string {
  const [least, most] = [format(Math.min(...runs), unit), format(Math.max(...runs), unit)];
  return least === most ? "" : ` (${least} – ${most})`;
}

/**
 * Replaces a document's table of measurements, and the line above it.
 *
 * @param report A line that begins with the date, an empty one, and the table.
 * @throws Error where the document has none.
 */
export function replaceTable(document: string, report: string): string {
  const earlier = /^\d{4}-\d{2}-\d{2}, .*\n\n(\|.*\n)+/m;
  if (!earlier.test(document)) throw new Error("the document has no table of measurements");
  return document.replace(earlier, () => report);
}

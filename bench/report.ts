import { format, type Measurement, middle } from "./measurement.ts";

/** A Markdown table of medians, with the range of the runs, and of the others' medians as multiples of this project's. */
export function table(measurements: readonly Measurement[]): string {
  const head = ["", "this project", "compared with", "", ""];
  const rows = measurements.flatMap(({ what, unit, ours, others = {} }) => {
    const own = middle(ours, what);
    const [first = ["", "", ""], ...more] = Object.entries(others).map(([name, runs]) => {
      const value = middle(runs, `${what}, ${name}`);
      return [name, format(value, unit), own > 0 ? `${format(value / own, "")} ×` : ""];
    });
    return [[what, `${format(own, unit)}${range(ours, unit)}`, ...first], ...more.map((other) => ["", "", ...other])];
  });
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  return [head, widths.map((width) => "-".repeat(width)), ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`)
    .join("\n");
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

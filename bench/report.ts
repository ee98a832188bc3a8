import Table from "cli-table3";
import { format, type Measurement, middle } from "./measurement.ts";

/** A table of medians, with the range of the runs, and of the others' medians as multiples of this project's. */
export function table(measurements: readonly Measurement[]): string {
  const rows = new Table({ head: ["", "this project", "compared with", "", ""], style: { head: [], border: [] } });
  for (const { what, unit, ours, others = {} } of measurements) {
    const own = middle(ours, what);
    const compared = Object.entries(others).map(([name, runs]) => {
      const value = middle(runs, `${what}, ${name}`);
      return [name, format(value, unit), own > 0 ? `${format(value / own, "")} ×` : ""];
    });
    const column = (index: number) => compared.map((each) => each[index]).join("\n");
    rows.push([what, `${format(own, unit)}${range(ours, unit)}`, column(0), column(1), column(2)]);
  }
  return rows.toString();
}

function range(runs: readonly number[], unit: Measurement["unit"]): string {
  const [least, most] = [format(Math.min(...runs), unit), format(Math.max(...runs), unit)];
  return least === most ? "" : ` (${least} – ${most})`;
}

/**
 * Replaces the table in the first block of text of a document.
 *
 * @throws Error where the document has no such block.
 */
export function replaceTable(document: string, lines: string): string {
  const block = /^```text\n[\s\S]*?^```$/m;
  if (!block.test(document)) throw new Error("the document has no block of text for the table");
  return document.replace(block, () => `\`\`\`text\n${lines.trim()}\n\`\`\``);
}

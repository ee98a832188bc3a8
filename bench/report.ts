import Table from "cli-table3";
import { format, type Result, type Summary, type Unit } from "./figure.ts";

/** The results as a person reads them; ranges are of the runs. */
export function table(results: readonly Result[]): string {
  const head = ["figure", "", "ours", "reference", "ratio", "budget", "ok"];
  const rows = new Table({ head, style: { head: [], border: [] }, colWidths: [null, 46], wordWrap: true });
  for (const { figure, what, unit, ours, reference, ratio, budget, ok } of results) {
    rows.push([
      figure,
      what,
      show(ours, unit),
      reference ? `${show(reference, unit)}\n${reference.what}` : "-",
      ratio === undefined || !Number.isFinite(ratio) ? "-" : format(ratio, ""),
      budget ?? "-",
      ok === undefined ? "-" : ok ? "yes" : "NO",
    ]);
  }
  return rows.toString();
}

function show({ median, min, max }: Summary, unit: Unit): string {
  const range = min < max ? ` (${format(min, unit)} – ${format(max, unit)})` : "";
  return `${format(median, unit)}${range}`;
}

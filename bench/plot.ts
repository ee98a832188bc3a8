import { html } from "hono/html";
import { format, type Measurement, medianOf } from "./measurement.ts";

const [width, labels, bars, line] = [760, 225, 380, 24];

/** Bars, a group for each measurement on a scale of its own; this project's are coloured. Follows the reader's light or dark theme. */
export function plot(title: string, measurements: readonly Measurement[]): string {
  let y = 44;
  const groups = measurements.map(({ what, unit, ours, others = {} }) => {
    const values = Object.entries({ "this project": ours, ...others }).map(
      ([name, runs]) => [name, medianOf(runs, what)] as const,
    );
    const most = Math.max(...values.map(([, value]) => value));
    y += 22;
    const heading = html`<text class="what" x="12" y="${y}">${what}</text>`;
    const rows = values.map(([name, value], index) => {
      y += line;
      const length = Math.max(1, Math.round((value / most) * bars));
      return html`
<text x="${labels}" y="${y}" text-anchor="end">${name}</text>
<rect class="${index === 0 ? "ours" : "other"}" x="${labels + 10}" y="${y - 13}" width="${length}" height="17" rx="2"/>
<text x="${labels + 16 + length}" y="${y}">${format(value, unit)}</text>`;
    });
    y += 10;
    return [heading, rows];
  });
  return `${html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 10}" font-family="system-ui, sans-serif" font-size="13">
<title>${title}</title>
<style>
.ground { fill: #fff } text { fill: #24292f } .what, .title { font-weight: 600 } .title { font-size: 17px } .ours { fill: #0b62c4 } .other { fill: #b8c0c9 }
@media (prefers-color-scheme: dark) { .ground { fill: #0d1117 } text { fill: #e6edf3 } .ours { fill: #58a6ff } .other { fill: #4b5563 } }
</style>
<rect class="ground" width="100%" height="100%" rx="6"/>
<text class="title" x="12" y="30">${title}</text>
${groups}
</svg>`}\n`;
}

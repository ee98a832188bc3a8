import { html } from "hono/html";
import type { Result } from "./figure.ts";

const [width, row, left, top, right] = [920, 22, 380, 60, 150];
const [least, most] = [1 / 1000, 10];

/** Every judged figure as a bar of how much of its budget it uses, on a logarithmic scale; the line is the budget. */
export function plot(results: readonly Result[], date: Date): string {
  const judged = results.filter((result): result is Result & { used: number } => result.used !== undefined);
  const scale = Math.log10(most / least);
  const x = (used: number) =>
    Math.round(left + (Math.log10(Math.min(Math.max(used, least), most) / least) / scale) * (width - left - right));
  const height = top + judged.length * row + 30;
  const ticks = [0.001, 0.01, 0.1, 1, 10];
  return `${html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<title>Each figure's share of its budget</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="12" y="24" font-size="16" font-weight="bold">Share of the budget that is used; shorter is better</text>
<text x="12" y="42" fill="#555">npm run bench, ${date.toISOString().slice(0, 10)}; medians; logarithmic; the line is the budget</text>
${ticks.map(
  (
    tick,
  ) => html`<line x1="${x(tick)}" y1="${top - 4}" x2="${x(tick)}" y2="${height - 24}" stroke="${tick === 1 ? "#222" : "#ddd"}"/>
<text x="${x(tick)}" y="${height - 8}" text-anchor="middle" fill="#555">${tick * 100} %</text>
`,
)}${judged.map(({ what, reference, budget = "", used, ok }, index) => {
  const y = top + index * row;
  const label = budget.includes("reference") || budget.includes("faster") ? `${what} (${reference?.what})` : what;
  return html`<text x="${left - 8}" y="${y + 14}" text-anchor="end">${shorten(label)}</text>
<rect x="${left}" y="${y + 3}" width="${x(used) - left}" height="${row - 7}" fill="${ok ? "#2f7d4f" : "#b3402e"}"/>
<text x="${width - right + 8}" y="${y + 14}" fill="#555">${budget.replace("reference", "ref.")}</text>
`;
})}</svg>`}\n`;
}

const shorten = (text: string) => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

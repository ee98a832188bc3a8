import { ARCHITECTURES, type Architecture, architectureOf } from "./architecture.ts";
import { html, raw } from "./hono.ts";
import type { Report } from "./platform.ts";

// Everything that comes from outside goes through html`…`, which escapes it; `raw` is for this file's own constants.

/** What each layer calls its architecture, with the command or file to check it with. */
export function layerReports({ machine, image, process }: Report) {
  const layers = [
    ["Machine", "uname -m", machine.architecture, "machine"],
    ["Image", "docker image inspect", image.architecture, "image"],
    ["Process", "process.arch", process.architecture, "process"],
    ["Binary", "ELF header", process.elf, "machine"],
  ] as const;
  return layers.map(([layer, source, name, of]) => ({ layer, source, name, architecture: architectureOf(of, name) }));
}

/** Compares architectures, not their names, which differ between layers; a missing one is not a mismatch. */
export function consistency(reports: ReturnType<typeof layerReports>): { agree: boolean; text: string } {
  const present = reports.filter(({ name }) => name !== null);
  const missing = reports.filter(({ name }) => name === null).map(({ layer }) => layer.toLowerCase());
  const meant = new Set(present.map(({ architecture, name }) => architecture ?? name));
  if (meant.size > 1) return { agree: false, text: "They do not agree: something runs where it should not." };
  if (missing.length === 0) return { agree: true, text: "All four say the same." };
  const absent = `Not reported here: ${missing.join(" and ")}.`;
  return { agree: true, text: present.length > 1 ? `Those that were asked say the same. ${absent}` : absent };
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** In the two largest units: `3 days 4 hours`. */
export function humanDuration(seconds: number): string {
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0 seconds";
  let rest = seconds;
  const parts: string[] = [];
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}${count === 1 ? "" : "s"}`);
  }
  return parts.join(" ");
}

type Content = ReturnType<typeof html>;

export function platformPage(facts: Report): Content {
  const { app, machine, image, process } = facts;
  const architecture = architectureOf("process", process.architecture);
  const name = architecture ?? process.architecture;
  const reports = layerReports(facts);
  const { agree, text } = consistency(reports);
  const body = html`
      <p class="app">${app.name ?? "Hono on Bun"}${app.version && html` <code>${app.version}</code>`}</p>
      <h1><span class="lead">This page was answered by</span> <span class="name">${name}</span></h1>
      <p class="family">${architecture && ARCHITECTURES[architecture].family}${machine.instanceType && html`<span class="type">${machine.instanceType}</span>`}</p>

      <h2>Who says so</h2>
      <ul class="reports">
        ${reports.map(
          ({ layer, source, name }) => html`
        <li><span class="layer">${layer}</span> <strong>${name ?? absent}</strong> <code>${source}</code></li>`,
        )}
      </ul>
      <p class="consistency ${agree ? "agree" : "disagree"}"><span aria-hidden="true">${agree ? "✓" : "✗"}</span> ${text}</p>

      <h2>Where and since when</h2>
      <dl>
        ${row("Instance", machine.instanceId)}
        ${row("Instance type", machine.instanceType)}
        ${row("Image digest", image.digest, true)}
        ${row("Image", imageName(image), true)}
        ${row("Runtime", `Bun ${process.version}`)}
        <div><dt>Up for</dt><dd>${humanDuration(process.uptimeSeconds)}, since <time datetime="${process.startedAt}">${utc(process.startedAt)}</time></dd></div>
      </dl>

      <footer>The same for programs: <a href="/platform">/platform</a></footer>`;
  return page({
    title: `${name} · ${app.name ?? "Hono on Bun"}`,
    accent: agree ? (architecture ?? "other") : "wrong",
    body,
  });
}

export function errorPage(status: number, message: string, requestId: string): Content {
  const body = html`
      <h1><span class="lead">${message}</span> <span class="name">${status}</span></h1>
      <footer>Request <code>${requestId}</code> · <a href="/">Back to the start</a></footer>`;
  return page({ title: `${status} · ${message}`, accent: "other", body });
}

const absent = html`<span class="absent">not reported</span>`;

function row(term: string, value: string | null, long = false): Content {
  const shown = value === null ? absent : long ? html`<code>${value}</code>` : value;
  return html`<div><dt>${term}</dt><dd>${shown}</dd></div>`;
}

/** Without the digest, which has a row of its own. */
function imageName({ ref, digest }: Report["image"]): string | null {
  return ref !== null && digest !== null && ref.endsWith(`@${digest}`) ? ref.slice(0, -digest.length - 1) : ref;
}

/** In UTC, as in the log: without a script the page does not know the reader's zone. */
function utc(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

type Accent = Architecture | "other" | "wrong";

/** [light, dark]: each has a contrast of at least 4.5 : 1 on its background (WCAG 2.2, 1.4.3). */
const ACCENTS: Record<Accent, [string, string]> = {
  arm64: ["#b3470a", "#ffa45c"],
  x86_64: ["#0b62c4", "#7cb7ff"],
  other: ["#5b4bc4", "#b3a7ff"],
  wrong: ["#c01c28", "#ff8a80"],
};

function page({ title, accent, body }: { title: string; accent: Accent; body: Content }): Content {
  return html`<!doctype html>
<html lang="en" class="${accent}">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>${title}</title>
    <link rel="icon" href="${icon(ACCENTS[accent][0])}">
    <style>${raw(STYLE)}</style>
  </head>
  <body>
    <main>${body}
    </main>
  </body>
</html>
`;
}

/** A chip in the architecture's colour, which distinguishes two tabs. */
function icon(color: string): string {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${color}"><path d="M5 0h1v2h4V0h1v2h3v3h2v1h-2v4h2v1h-2v3h-3v2h-1v-2H6v2H5v-2H2v-3H0v-1h2V6H0V5h2V2h3z"/><path fill="#fff" d="M5 5h6v6H5z"/></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const STYLE = `
${Object.entries(ACCENTS)
  .map(([name, [light, dark]]) => `.${name} { --accent: ${light}; --accent-dark: ${dark}; }`)
  .join("\n")}
*, ::before, ::after { box-sizing: border-box; }
:root { --ground: #f6f5f2; --card: #fff; --text: #1d1d20; --quiet: #5d5d66; --line: #e2e0da; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --accent: var(--accent-dark); --ground: #131316; --card: #1c1c21; --text: #ececf0; --quiet: #a3a3ae; --line: #33333b; }
}
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; background: var(--ground); color: var(--text); }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: clamp(1rem, 4vw, 3rem); border-top: 4px solid var(--accent); }
main { width: 100%; max-width: 46rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: clamp(1.25rem, 5vw, 3rem); }
p, ul, dl, dd { margin: 0; padding: 0; }
code { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.app, .family, .lead, .layer, dt, footer { color: var(--quiet); }
h1 { margin: 1.25rem 0 0.25rem; line-height: 1.05; font-weight: 400; }
h1 .lead { display: block; font-size: 1.125rem; line-height: 1.4; margin-bottom: 0.5rem; }
h1 .name { font-size: clamp(3rem, 15vw, 6rem); font-weight: 800; letter-spacing: -0.04em; color: var(--accent); overflow-wrap: anywhere; }
.family { font-size: 1.125rem; margin-top: 0.75rem; }
.type::before { content: " · "; }
h2 { font-size: 0.8125rem; font-weight: 600; letter-spacing: 0.06em; text-transform: uppercase; color: var(--quiet); margin: 2.5rem 0 0.75rem; }
.reports { list-style: none; display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 0.75rem; }
.reports li { border: 1px solid var(--line); border-radius: 0.625rem; padding: 0.75rem 0.875rem; display: grid; align-content: start; }
.reports strong { font-size: 1.25rem; line-height: 1.4; }
.reports code, .layer { font-size: 0.8125rem; color: var(--quiet); }
.consistency { margin-top: 0.875rem; font-weight: 600; }
.consistency.agree span { color: #1a7f4b; }
.consistency.disagree { color: var(--accent); }
@media (prefers-color-scheme: dark) { .consistency.agree span { color: #5fd398; } }
dl div { display: grid; grid-template-columns: minmax(7rem, 10rem) 1fr; gap: 0.25rem 1rem; padding: 0.625rem 0; border-top: 1px solid var(--line); }
dd { overflow-wrap: anywhere; }
.absent { font-weight: 400; font-style: italic; color: var(--quiet); }
.reports .absent { font-size: 1rem; }
footer { margin-top: 2rem; font-size: 0.875rem; }
a { color: var(--accent); text-underline-offset: 0.2em; }
a:focus-visible { outline: 2px solid currentColor; outline-offset: 3px; border-radius: 2px; }
@media (max-width: 30rem) { dl div { grid-template-columns: 1fr; } }
`;

// Web Crypto is in the runtime already; to load node:crypto would make the start half as long again.
const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE));
/** The page's style as a Content-Security-Policy's `style-src` names it: this text and no other. */
export const styleSource = `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`;

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runCommand, UsageError } from "../cli/shared/command.ts";
import { root } from "../tools/paths.ts";
import { say } from "../tools/process.ts";
import type { Measurement } from "./measurement.ts";
import { plot } from "./plot.ts";
import { replaceTable, table } from "./report.ts";
import { folder, inSandbox, type Sandbox } from "./sandbox.ts";

/** Each is imported when it is measured: their imports take four times as long as all the others. */
const topics: Readonly<Record<string, (sandbox: Sandbox) => Promise<Measurement[]>>> = {
  stack: async (sandbox) => (await import("./measurements/stack.ts")).measureStack(sandbox),
  fleet: async (sandbox) => (await import("./measurements/fleet.ts")).measureFleet(sandbox),
  build: async (sandbox) => (await import("./measurements/build.ts")).measureBuilds(sandbox),
  app: async (sandbox) => (await import("./measurements/app.ts")).measureApp(sandbox),
};

const usage = `usage: npm run bench -- [OPTIONS]

Measures this project beside what one would do instead, in a local cloud of its own, prints a table and writes the numbers as JSON.
A full run also puts the table into docs/speed.md and docs/speed.ko.md, and draws their plots.

  --quick       one run of each, without most of the alternatives and the larger fleets
  --only TOPIC  that topic alone, more than once for several: ${Object.keys(topics).join(", ")}
  --json FILE   where the JSON goes (default: .local/bench/results.json)
  --help
`;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: Object.keys(topics) },
      json: { type: "string", default: join(folder, "results.json") },
    },
  });
  const unknown = values.only.find((topic) => !Object.hasOwn(topics, topic));
  if (unknown !== undefined) throw new UsageError(`--only is ${unknown}; allowed: ${Object.keys(topics).join(", ")}`);

  const started = new Date();
  const measurements = await inSandbox({ ...values, signal: interrupted.signal }, async (sandbox) => {
    const all: Measurement[] = [];
    for (const [topic, measure] of Object.entries(topics)) {
      if (!values.only.includes(topic)) continue;
      // The stack's measurements start without a cloud.
      if (topic !== "stack") await sandbox.start();
      say(`measuring: ${topic}`);
      all.push(...(await measure(sandbox)));
    }
    return all;
  });
  const machine = `${cpus().length} processors (${cpus()[0]?.model.trim()}), Node ${process.version}`;
  const report = `${started.toISOString().slice(0, 10)}, ${machine}\n\n${table(measurements)}\n`;
  process.stdout.write(report);
  mkdirSync(dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify({ started, quick: values.quick, machine, measurements }, null, 2)}\n`);
  say(`written: ${values.json}`);
  if (values.quick || values.only.length < Object.keys(topics).length) return;

  const document = (name: string) => join(root, "docs", name);
  for (const name of ["speed.md", "speed.ko.md"]) {
    writeFileSync(document(name), replaceTable(readFileSync(document(name), "utf8"), report));
  }
  const shown = (name: Measurement["plot"]) => measurements.filter((each) => each.plot === name);
  writeFileSync(document("speed-build.svg"), plot("Builds and releases: shorter is better", shown("build")));
  writeFileSync(document("speed-app.svg"), plot("The app under load, and its start", shown("app")));
  say("docs/speed.md, docs/speed.ko.md and their plots are up to date");
}

// Ends what is being measured; then everything is removed.
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => interrupted.abort());

await runCommand(usage, async (args) => {
  try {
    await main(args);
  } catch (error) {
    throw interrupted.signal.aborted ? new Error("interrupted") : error;
  }
});

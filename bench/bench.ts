import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { root } from "../local/paths.ts";
import { say } from "../local/step.ts";
import { type Result, type Row, sumUp } from "./figure.ts";
import { measureApp } from "./figures/app.ts";
import { measureBuilds } from "./figures/build.ts";
import { measureEc2 } from "./figures/ec2.ts";
import { measureGrowth } from "./figures/growth.ts";
import { measureProgram } from "./figures/program.ts";
import { measureStack } from "./figures/stack.ts";
import { folder, inPlace, type Place } from "./place.ts";
import { plot } from "./plot.ts";
import { table } from "./report.ts";

/** What measures which figures. */
const measurements: readonly (readonly [readonly string[], (place: Place) => Promise<Row[]>])[] = [
  [["up", "verified", "noop", "destroy"], measureStack],
  [["build", "rebuild", "pushed", "emulated", "image"], measureBuilds],
  [["load"], measureProgram],
  [["app"], measureApp],
  [["ec2"], measureEc2],
  [["growth"], measureGrowth],
];
const figures = measurements.flatMap(([names]) => names);

const usage = `usage: npm run bench -- [OPTIONS]

Measures the project beside its references, in a local cloud of its own, prints a table and writes it as JSON.
A full run draws docs/bench.svg too.

  --quick        one run of each, without the references that take minutes
  --only FIGURE  that figure alone, more than once for several:
                 ${figures.join(", ")}
  --json FILE    where the JSON goes (default: .local/bench/results.json)
  --help
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string", default: join(folder, "results.json") },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  const unknown = values.only.find((figure) => !figures.includes(figure));
  if (unknown !== undefined) throw new UsageError(`--only is ${unknown}; allowed: ${figures.join(", ")}`);

  const started = new Date();
  const results = await inPlace({ ...values, signal: interrupted.signal }, async (place) => {
    const all: Result[] = [];
    for (const [names, measure] of measurements) {
      if (!place.wants(...names)) continue;
      // The stack's own figures begin with nothing.
      if (measure !== measureStack) await place.start();
      say(`measuring ${names.join(", ")}`);
      all.push(...(await measure(place)).map(sumUp));
    }
    return all;
  });
  process.stdout.write(`${table(results)}\n`);
  const machine = { processor: cpus()[0]?.model, processors: cpus().length, node: process.version };
  mkdirSync(dirname(values.json), { recursive: true });
  writeFileSync(values.json, `${JSON.stringify({ started, quick: values.quick, machine, results }, null, 2)}\n`);
  say(`written: ${values.json}`);
  if (values.quick || values.only.length > 0) return;
  const file = join(root, "docs", "bench.svg");
  writeFileSync(file, plot(results, started));
  say(`drawn: ${file}`);
}

class UsageError extends Error {}

// What is being measured ends, and what was started is taken down.
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => interrupted.abort());

try {
  await main();
} catch (error) {
  const isUsage = error instanceof UsageError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
  say(interrupted.signal.aborted ? "\ninterrupted" : `\n${(error as Error).message}${isUsage ? `\n${usage}` : ""}`);
  process.exitCode = isUsage ? 2 : 1;
}

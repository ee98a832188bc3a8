import { parseArgs } from "node:util";
import { stackConfig } from "../tools/stack-config.ts";
import { type Check, checks, type Finding, inspect } from "./doctor/checks.ts";
import { type Environment, findEnvironment } from "./doctor/environment.ts";
import { realProbe } from "./doctor/probe.ts";
import { runCommand, UsageError } from "./shared/command.ts";

const usage = `usage: npm run doctor -- [OPTION ...]

Looks for what would stop the guide's commands here, and says what fixes it. Ends with 1 if it found a fault. It changes nothing.

  --environment local|aws   which cloud is meant (default: AWS where its credentials are set up, else the local one)
  --stack NAME              the stack whose configuration is meant; it is AWS's then (default: dev)
  --json                    for scripts
`;

export type Report = Awaited<ReturnType<typeof diagnose>>;

export async function diagnose(environment: Environment, list: readonly Check[] = checks) {
  const results: (Pick<Check, "id" | "title"> & Finding)[] = [];
  for (const check of list) results.push({ id: check.id, title: check.title, ...(await inspect(check, environment)) });
  const { name, because, stack, probe } = environment;
  const answerOf = (...[file, ...options]: [string, ...string[]]) => {
    try {
      const { status, stdout } = probe.exec(file, ...options);
      return (status === 0 && stdout.trim()) || "no answer";
    } catch {
      return "no answer"; // a check says so
    }
  };
  return {
    environment: name,
    because,
    stack,
    /** What the guide's last section asks for, and what is behind it. */
    platform: {
      "uname -m": answerOf("uname", "-m"),
      "docker info, Architecture": answerOf("docker", "info", "--format", "{{.Architecture}}"),
      "process.arch": probe.architecture,
    },
    checks: results,
    healthy: results.every(({ state }) => state !== "fault"),
  };
}

/** The report for a terminal: faults last, where they are seen. */
export function toText(report: Report): string {
  const mark = { ok: "ok     ", skipped: "-      ", fault: "FAULT  " } as const;
  const lines = [
    `looked at: ${report.environment === "aws" ? "AWS" : "the local cloud"} (${report.because}), stack ${report.stack}`,
    ...Object.entries(report.platform).map(([name, value]) => `${name}: ${value}`),
    "",
    ...report.checks.map((check) => {
      const note = check.state === "fault" ? check.fault : check.note;
      return `${mark[check.state]}${check.title}${note ? `: ${note}` : ""}`;
    }),
    "",
  ];
  const faults = report.checks.filter((check) => check.state === "fault");
  for (const { title, fault, remedy } of faults) lines.push(`${title}: ${fault}\n    ${remedy}`);
  lines.push(faults.length === 0 ? "no fault found" : `${faults.length} fault${faults.length === 1 ? "" : "s"} found`);
  return `${lines.join("\n")}\n`;
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { environment: { type: "string" }, stack: { type: "string" }, json: { type: "boolean" } },
  });
  const { environment: wanted, stack } = values;
  if (wanted !== undefined && wanted !== "local" && wanted !== "aws")
    throw new UsageError(`--environment is "${wanted}"; allowed: local, aws`);
  if (stack !== undefined && wanted === "local")
    throw new UsageError("--stack is given, and the local cloud has its own; allowed: with --environment aws");
  // Its file must be there.
  stackConfig(stack);
  const report = await diagnose(
    findEnvironment(realProbe, process.env, wanted ?? (stack === undefined ? undefined : "aws"), stack),
  );
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  if (!report.healthy) process.exitCode = 1;
}

if (import.meta.main) await runCommand(usage, main, 2);

import { parseArgs } from "node:util";
import { step } from "../tools/process.ts";
import { stackConfig } from "../tools/stack-config.ts";
import { type Check, type Environment, type Finding, inspect, machineChecks, stackChecks } from "./doctor/checks.ts";
import { realProbe } from "./doctor/probe.ts";
import { runCommand } from "./shared/command.ts";

const usage = `usage: npm run doctor -- [OPTION ...]

Looks for what would stop the guide's commands here, and says what fixes it. Ends with 1 if it found a fault. It changes nothing.
The local cloud looks after itself: npm run local installs and mends what it needs.

  --stack NAME   looks at Pulumi and AWS too: what pulumi up of this stack needs
  --json         for scripts
`;

type Report = Awaited<ReturnType<typeof diagnose>>;

export async function diagnose(
  environment: Environment,
  list: readonly Check[] = environment.stack === undefined ? machineChecks : [...machineChecks, ...stackChecks],
) {
  const results: (Pick<Check, "id" | "title"> & Finding)[] = [];
  for (const check of list) results.push({ id: check.id, title: check.title, ...(await inspect(check, environment)) });
  const { stack, probe } = environment;
  const answerOf = (...[file, ...options]: [string, ...string[]]) => {
    try {
      const { status, stdout } = probe.exec(file, ...options);
      return (status === 0 && stdout.trim()) || "no answer";
    } catch {
      return "no answer"; // a check says so
    }
  };
  return {
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
    `looked at: this machine${report.stack === undefined ? "; AWS too with: npm run doctor -- --stack NAME" : `, and AWS for the stack ${report.stack}`}`,
    ...Object.entries(report.platform).map(([name, value]) => `${name}: ${value}`),
    "",
    ...report.checks.map((check) => {
      const note = check.state !== "fault" && check.note;
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
  const { values } = parseArgs({ args, options: { stack: { type: "string" }, json: { type: "boolean" } } });
  const { stack } = values;
  const environment = { probe: realProbe(), stack, config: stackConfig(stack) };
  const report = await step("looking", () => diagnose(environment));
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  if (!report.healthy) process.exitCode = 1;
}

if (import.meta.main) await runCommand(usage, main, 2);

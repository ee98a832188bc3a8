import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { type Check, checks, type Finding } from "./doctor/checks.ts";
import { type Environment, findEnvironment } from "./doctor/environment.ts";
import { type Probe, realProbe } from "./doctor/probe.ts";
import { runCommand, UsageError } from "./shared/command.ts";

const usage = `usage: npm run doctor -- [OPTION ...]

Looks for what would stop the guide's commands here, and says what mends it. Ends with 1 if it found a fault. It changes nothing.

  --environment local|aws   which cloud is meant (default: AWS where its credentials are set up, else the local one)
  --json                    for scripts
`;

export interface Report {
  readonly environment: string;
  readonly because: string;
  readonly stack: string;
  /** What the guide's last section asks for, and what is behind it. */
  readonly platform: Readonly<Record<string, string>>;
  readonly checks: readonly (Pick<Check, "id" | "title"> & Finding)[];
  readonly healthy: boolean;
}

/** Runs every check; one that fails itself is a fault too, and does not hide the others. */
export async function diagnose(environment: Environment, list: readonly Check[] = checks): Promise<Report> {
  const results: Report["checks"][number][] = [];
  for (const { id, title, run } of list) {
    let finding: Finding;
    try {
      finding = await run(environment);
    } catch (error) {
      finding = {
        state: "fault",
        fault: `the check itself failed: ${error instanceof Error ? error.message : error}`,
        remedy: "report it, with the output of: npm run doctor -- --json",
      };
    }
    results.push({ id, title, ...finding });
  }
  const { name, because, stack, probe } = environment;
  const healthy = results.every(({ state }) => state !== "fault");
  return { environment: name, because, stack, platform: await platformFacts(probe), checks: results, healthy };
}

/** "Checking the platform" of the guide: the machine's architecture, and the one that Docker builds and runs for. */
export async function platformFacts(probe: Probe): Promise<Record<string, string>> {
  const uname = await probe.exec("uname", "-m");
  const docker = await probe.exec("docker", "info", "--format", "{{.Architecture}}");
  const answer = (text: string) => text.trim() || "no answer";
  return {
    "uname -m": answer(uname.stdout),
    "docker info, Architecture": answer(docker.status === 0 ? docker.stdout : ""),
    "process.arch": probe.architecture,
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
  const { values } = parseArgs({ args, options: { environment: { type: "string" }, json: { type: "boolean" } } });
  const wanted = values.environment;
  if (wanted !== undefined && wanted !== "local" && wanted !== "aws") throw new UsageError(usage);
  const report = await diagnose(findEnvironment(realProbe(), dirname(import.meta.dirname), wanted));
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : toText(report));
  if (!report.healthy) process.exitCode = 1;
}

if (import.meta.main) await runCommand(usage, main, 2);

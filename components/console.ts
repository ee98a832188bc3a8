import type { EC2 } from "@aws-sdk/client-ec2";
import { failureMarker } from "./user-data.ts";

/**
 * What a machine printed so far. If that cannot be read, the error as text, so that it does not mask the failure being reported.
 *
 * @param ec2 A client for the region.
 */
export async function readConsole(
  ec2: Pick<EC2, "getConsoleOutput">,
  region: string,
  instanceId: string,
): Promise<string> {
  try {
    const { Output = "" } = await ec2.getConsoleOutput({ InstanceId: instanceId, Latest: true });
    return Buffer.from(Output, "base64").toString("utf8");
  } catch (error) {
    return `not readable (${error}); try: aws ec2 get-console-output --latest --output text --region ${region} --instance-id ${instanceId}`;
  }
}

/**
 * What the user data printed last. On the console of Amazon Linux 2023 each of its lines begins with the time and cloud-init's name, and what
 * cloud-init prints after it, the host's keys among them, are more than fifteen lines.
 */
function linesOf(console: string): string[] {
  const lines = console.split(/\r*\n/).map((line) => line.replace(/^.*?\[ *[\d.]+\] cloud-init\[\d+\]: /, ""));
  const failed = lines.findLastIndex(hasUserDataFailed);
  const others = /^(ci-info:|<\d+>|-----|(ssh|ecdsa)-\S+ |Cloud-init v\. |Amazon Linux 2023|Kernel \d)|login: *$|^\s*$/;
  return lines.slice(0, failed < 0 ? undefined : failed + 1).filter((line) => !others.test(line));
}

export const hasUserDataFailed = (console: string) => console.includes(failureMarker);

/** The end of a machine's console, and the command that prints its log, for an error about it. */
export function lastLines(console: string, logCommand: string): string {
  const lines = linesOf(console).slice(-15);
  return (
    `the last lines of its console:\n${lines.map((line) => `  | ${line}`).join("\n")}\n` +
    `its log, which outlives the machine: ${logCommand}`
  );
}

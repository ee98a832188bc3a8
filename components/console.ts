import type { EC2 } from "@aws-sdk/client-ec2";
import { failureMarker, goesOn } from "./user-data.ts";

/**
 * What a machine has printed so far. Where that cannot be read, the error as text, so that it does not hide the failure that is reported.
 *
 * @param ec2 A client for the region.
 */
export async function readConsole(ec2: Pick<EC2, "getConsoleOutput">, region: string, instanceId: string) {
  try {
    const { Output = "" } = await ec2.getConsoleOutput({ InstanceId: instanceId, Latest: true });
    return Buffer.from(Output, "base64").toString("utf8");
  } catch (error) {
    return `not readable (${error}); try: aws ec2 get-console-output --latest --output text --region ${region} --instance-id ${instanceId}`;
  }
}

/**
 * For an error about a machine: the last lines that its user data printed, and the command that prints its log. On Amazon Linux 2023 each of
 * these lines begins with a time and cloud-init's name, and cloud-init prints more than fifteen of its own after them, the host's keys among them.
 */
export function lastLines(console: string, logCommand: string): string {
  const lines = console.split(/\r*\n/).map((line) => line.replace(/^.*?\[ *[\d.]+\] cloud-init\[\d+\]: /, ""));
  const failed = lines.findLastIndex(hasUserDataFailed);
  const others = /^(ci-info:|<\d+>|-----|(ssh|ecdsa)-\S+ |Cloud-init v\. |Amazon Linux 2023|Kernel \d)|login: *$|^\s*$/;
  const own = lines.slice(0, failed < 0 ? undefined : failed + 1).filter((line) => !others.test(line));
  const shown = own.slice(-15).map((line) => `  | ${line}`);
  return `the last lines of its console:\n${shown.join("\n")}\nits log, which outlives the machine: ${logCommand}`;
}

const hasUserDataFailed = (console: string) => console.includes(failureMarker);

/**
 * Whether to stop waiting for a machine, since its user data has failed. In the first two minutes a script that says that it goes on trying
 * is waited for: it is of an earlier `up`, and what it lacked, such as a route out, may be there by now.
 *
 * @param seconds Since the first question.
 */
export function isHopeless(console: string, seconds: number): boolean {
  const before = console.slice(0, console.lastIndexOf(failureMarker)).split("\n").at(-2);
  return hasUserDataFailed(console) && (seconds >= 120 || !before?.includes(goesOn));
}

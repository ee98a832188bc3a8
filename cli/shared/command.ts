import { say } from "../../tools/process.ts";

/** A command line that cannot be carried out: what was given, what is allowed. */
export class UsageError extends Error {}

/**
 * Runs a command with the arguments of this process. Its exit status is 0, 1 when it fails, and 2 when it is called wrongly.
 *
 * @param usage What `--help` prints; an unknown option shows it too.
 * @param failure Exit status of a failure: 2 for a command whose 1 means that it has found something, or that fails only by its arguments.
 */
export async function runCommand(usage: string, main: (args: string[]) => Promise<void> | void, failure = 1) {
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) return void process.stdout.write(usage);
  // `| head` closes the pipe when it has read enough: that is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) =>
    process.exit(error.code === "EPIPE" ? process.exitCode : 1),
  );
  try {
    await main(args);
  } catch (error) {
    const isUnknown = (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    // Without Node's hint about positional arguments that begin with a dash, which none here does.
    const message = String(error instanceof Error ? error.message : error).replace(/\. To specify a positional.*/s, "");
    say(`\n${message}${isUnknown ? `\n${usage}` : ""}`);
    process.exitCode = isUnknown || error instanceof UsageError ? 2 : failure;
  }
}

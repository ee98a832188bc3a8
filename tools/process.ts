import { type SpawnOptionsWithoutStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Prints a line of progress to stderr; stdout is for a command's result. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Does a step and shows it: a line when it starts, one every five seconds while it goes on, and how long it took, from two seconds on.
 *
 * @param work Can say how far it is with the function that it gets.
 */
export async function step<T>(title: string, work: (progress: (text: string) => void) => Promise<T>): Promise<T> {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let state = "";
  say(`${title} …`);
  const ticker = setInterval(() => say(`${title} … ${seconds()} s${state}`), 5000);
  try {
    const result = await work((text) => {
      state = `: ${text}`;
    });
    if (seconds() >= 2) say(`${title}: done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}

/** A command that failed, with what it printed. */
export class CommandError extends Error {
  /** How it ended, such as `exit status 1` or `ended by SIGKILL`, or why it did not start. */
  readonly outcome: string;

  constructor(command: readonly string[], outcome: string, output: string) {
    super(`${command.join(" ")}: ${outcome}${output.trim() === "" ? "" : `\n${output.trim()}`}`);
    this.name = "CommandError";
    this.outcome = outcome;
  }
}

export interface RunOptions extends SpawnOptionsWithoutStdio {
  readonly input?: string;
  /** Called with each line that it writes to stderr. */
  readonly onLine?: (line: string) => void;
  /** Called with all that was printed so far, and the command's process id. */
  readonly onOutput?: (output: string, pid: number) => void;
}

/** How a command ended, and what it printed. */
export interface Result {
  readonly status: number | null;
  /** Its stdout and stderr. */
  readonly output: string;
  readonly stdout: string;
  /** As a {@link CommandError} has it. */
  readonly outcome: string;
}

/** Whether work comes to its end without an error. */
export const succeeds = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

/**
 * Runs a command to its end and gives what it wrote to stdout.
 *
 * @throws {@link CommandError} when it cannot be started or ends with another status than 0.
 */
export async function run(command: readonly string[], options?: RunOptions): Promise<string> {
  const { status, stdout, output, outcome } = await collect(command, options);
  if (status !== 0) throw new CommandError(command, outcome, output);
  return stdout;
}

/** Runs a command to its end, whether it succeeds or fails. @throws {@link CommandError} when it cannot be started. */
export function collect(command: readonly string[], options: RunOptions = {}): Promise<Result> {
  const { input = "", onLine, onOutput, ...spawnOptions } = options;
  const { timeout = 0 } = options;
  const [file = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, spawnOptions);
    let [output, stdout] = ["", ""];
    child.stdout.on("data", (text) => (stdout += text));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output += text;
        onOutput?.(output, child.pid as number);
      });
    }
    if (onLine) createInterface(child.stderr).on("line", onLine);
    // A command may end without reading its input; its exit status says whether that matters.
    child.stdin.on("error", () => {}).end(input);
    child.on("error", (error) => {
      // An aborted command is still to end.
      if (error.name !== "AbortError") reject(new CommandError(command, error.message, ""));
    });
    child.on("close", (status, signal) => {
      const ended = signal === null ? `exit status ${status}` : `ended by ${signal}`;
      // `killed`: this process ended it, here for its time-out, since no command has both a time-out and a signal.
      const outcome = timeout > 0 && child.killed ? `no answer in ${timeout / 1000} s` : ended;
      resolve({ status, output, stdout, outcome });
    });
  });
}

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Prints a line of progress to stderr; stdout is for a command's result. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/**
 * Does a step of the set-up and shows it: a line when it starts, one every few seconds while it goes on, and how long it took when it
 * took long enough to notice.
 *
 * @param work Is given a function with which it can say how far it is.
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

/** Whether a command can be started and ends with status 0. */
export const succeeds = (command: readonly string[], options?: SpawnOptions): Promise<boolean> =>
  run(command, options).then(
    () => true,
    () => false,
  );

/**
 * Runs a command to its end and gives what it wrote to stdout.
 *
 * @param options `input`: text for its stdin. `onLine`: called with each line that it writes to stderr.
 * @throws {@link CommandError} when it cannot be started or ends with another status than 0.
 */
export function run(
  command: readonly string[],
  options: SpawnOptions & { input?: string; onLine?: (line: string) => void } = {},
): Promise<string> {
  const { input, onLine, ...spawnOptions } = options;
  const { timeout = 0 } = options;
  const [file = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(file, args, { ...spawnOptions, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    const all: Buffer[] = [];
    child.stdout?.on("data", (data: Buffer) => {
      out.push(data);
      all.push(data);
    });
    child.stderr?.on("data", (data: Buffer) => all.push(data));
    if (onLine && child.stderr) createInterface(child.stderr).on("line", onLine);
    // A command may end without reading its input; its exit status says whether that matters.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
    child.on("error", (error) => {
      // One that was aborted has yet to end.
      if (error.name !== "AbortError") reject(new CommandError(command, error.message, ""));
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString());
      const ended = signal === null ? `exit status ${code}` : `ended by ${signal}`;
      // `killed` is what this process ended, here for its timeout: nobody aborts what has one.
      const outcome = timeout > 0 && child.killed ? `no answer in ${timeout / 1000} s` : ended;
      reject(new CommandError(command, outcome, Buffer.concat(all).toString()));
    });
  });
}

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { basename, dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { readIfThere } from "../tools/paths.ts";
import { signal } from "../tools/processes.ts";

/** A long-lived process of the local cloud. It outlives the command that started it. */
export interface Daemon {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Holds the process's id and start time, so that another process that got the same id is not mistaken for it. */
  readonly pidFile: string;
  readonly logFile: string;
  readonly ready: () => Promise<boolean>;
}

/**
 * Starts the daemon unless it runs, and waits until it serves.
 *
 * @throws Error with the end of its log when it ends, or does not serve within a minute.
 */
export async function startDaemon(daemon: Daemon): Promise<void> {
  const child = runningPid(daemon) === undefined ? spawnDaemon(daemon) : undefined;
  const isGone = () =>
    child ? child.exitCode !== null || child.signalCode !== null : runningPid(daemon) === undefined;
  const deadline = Date.now() + 60_000;
  while (!(await daemon.ready())) {
    const gone = isGone();
    if (gone || Date.now() > deadline) {
      const log = (readIfThere(daemon.logFile) ?? "").trimEnd().split("\n").slice(-15).join("\n");
      throw new Error(
        `${basename(daemon.logFile, ".log")} ${gone ? "ended" : "does not serve"}; the end of ${daemon.logFile}:\n${log}`,
      );
    }
    await wait(20);
  }
}

/** Shell: a process notes itself in the file `$0`. */
export const note = 'printf "$$ %s" "$(cut -d " " -f 22 /proc/$$/stat)" >"$0"';

function spawnDaemon({ command, env, pidFile, logFile }: Daemon): ChildProcess {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, "w");
  // The process notes itself before it does anything, so that it never runs unrecorded.
  const child = spawn("sh", ["-c", `${note} && exec "$@"`, pidFile, ...command], {
    env,
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.unref();
  return child;
}

/** Ends the daemon with its process group, if it runs: by SIGTERM, and by SIGKILL where it needs longer than its patience, in milliseconds. */
export async function stopDaemon(daemon: Pick<Daemon, "pidFile">, patience = 20_000): Promise<void> {
  const pid = runningPid(daemon);
  if (pid !== undefined) {
    signal(-pid, "SIGTERM");
    const deadline = Date.now() + patience;
    while (runningPid(daemon) !== undefined) {
      if (Date.now() > deadline) signal(-pid, "SIGKILL");
      await wait(20);
    }
  }
  rmSync(daemon.pidFile, { force: true });
}

/** The daemon's process id, if that very process still runs. */
export function runningPid({ pidFile }: Pick<Daemon, "pidFile">): number | undefined {
  const [pid, started] = (readIfThere(pidFile) ?? "").split(" ");
  return started && startTime(Number(pid)) === started ? Number(pid) : undefined;
}

/** When a process started, in clock ticks after boot (proc(5), field 22 of stat); empty if there is none, or only its zombie. */
function startTime(pid: number): string {
  const [state, ...fields] = (readIfThere(`/proc/${pid}/stat`) ?? "").replace(/^.*\) /s, "").split(" ");
  return state === "Z" ? "" : (fields[18] ?? "");
}

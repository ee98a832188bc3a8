import { readdirSync } from "node:fs";
import { readIfThere } from "./paths.ts";

export interface Process {
  readonly pid: number;
  /** A file of its folder in /proc, such as `cmdline`; empty once the process has ended. */
  read(file: string): string;
}

/** Signals a process, unless it has ended meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export function processes(): Process[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => ({ pid: Number(pid), read: (file) => readIfThere(`/proc/${pid}/${file}`) ?? "" }));
}

import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { RefreshOptions, Stack } from "@pulumi/pulumi/automation/index.js";
import { run, say, step } from "../../tools/process.ts";
import { as, type Cloud } from "../cloud.ts";
import { project, readState, stateFile } from "../stack.ts";
import { lostMark } from "../start.ts";
import { removeBrokenBlobs } from "./corrupt-blobs.ts";

/** There from the begin of a command that changes the stack until it has ended well. */
const mark = (cloud: Cloud) => join(cloud.dir, "unfinished");

/**
 * Does what changes the stack. Where the last such work did not end well, first puts right what it left: an engine or a provider that
 * was killed could not note all that it made.
 *
 * @param work Told whether the state has just been compared with what there is.
 * @param display Where that comparison is shown.
 * @throws Error when the official CLI works on the stack.
 */
export async function change<T>(
  cloud: Cloud,
  stack: Stack,
  work: (refreshed: boolean) => Promise<T>,
  display: RefreshOptions = {},
): Promise<T> {
  const interrupted = existsSync(mark(cloud)) || locks(cloud).length > 0;
  if (interrupted) {
    await step("the last command was interrupted or failed: comparing the state with what there is", () =>
      recover(cloud, stack, display),
    );
  }
  writeFileSync(mark(cloud), "");
  try {
    const result = await work(interrupted);
    rmSync(mark(cloud));
    rmSync(lostMark(cloud), { force: true });
    return result;
  } catch (error) {
    // To a client a registry on a full disk says something else each time.
    for (const folder of ["state", "registry/data", "buildkit"].map((name) => join(cloud.dir, name))) {
      const left = freeMegabytes(folder);
      if (left < 64) say(`the disk of ${folder} has ${left} MB left, which may be the reason`);
    }
    throw error;
  }
}

function freeMegabytes(folder: string): number {
  if (!existsSync(folder)) return Number.POSITIVE_INFINITY;
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor((bavail * bsize) / 2 ** 20);
}

async function recover(cloud: Cloud, stack: Stack, display: RefreshOptions): Promise<void> {
  await endLeftovers(cloud);
  for (const lock of locks(cloud)) {
    const { pid } = JSON.parse(readFileSync(lock, "utf8"));
    if (isPulumi(pid)) throw new Error(`pulumi (process ${pid}) works on this stack; wait for its end, then try again`);
  }
  // Half of a file, as a full disk or a kill leaves it; among the locks the engine would take it for one.
  for (const file of listFiles(stateFolder(cloud)).filter((path) => path.endsWith(".tmp"))) rmSync(file);
  for (const lock of locks(cloud)) rmSync(lock);
  restoreState(cloud);

  const known = (readState(stateFile(cloud))?.checkpoint?.latest?.resources ?? []).flatMap(({ id }) => id ?? []);
  // What the program's configuration gives every resource that takes tags.
  const input = JSON.stringify({ tags: { project, stack: stack.name }, known });
  const orphans = await run(["node", join(import.meta.dirname, "orphans.ts")], {
    env: as(cloud, "root"),
    input,
  });
  for (const digest of removeBrokenBlobs(cloud)) say(`deleted from the registry, since it is damaged: ${digest}`);
  for (const orphan of orphans.split("\n").filter(Boolean)) say(`deleted, since the state does not know it: ${orphan}`);
  await stack.refresh({ ...display, clearPendingCreates: true });
}

/** On a full disk the engine puts an empty file in the place of the state, and of its copy beside it; the backups of earlier commands stay. */
function restoreState(cloud: Cloud): void {
  const file = stateFile(cloud);
  if (!existsSync(file) || readState(file)) return;
  const name = basename(file, ".json");
  const backups = listFiles(join(stateFolder(cloud), "backups", project, name)).sort();
  const backup = backups.findLast((each) => each.endsWith(".json") && readState(each));
  if (!backup) throw new Error(`the state ${file} is damaged, and there is no backup of it`);
  copyFileSync(backup, file);
  say(`the state was damaged; ${basename(backup)} takes its place`);
}

/** Ends an engine whose program was killed, and providers whose engine was: a provider outlives it, and goes on with what it does. */
async function endLeftovers(cloud: Cloud): Promise<void> {
  const left = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isAutomated(cloud, pid));
  for (const pid of left()) process.kill(Number(pid), "SIGKILL");
  while (left().length > 0) await wait(20);
}

/** Whether the Automation API started the process, or what did, for this local cloud; one command at a time does. */
function isAutomated(cloud: Cloud, pid: string): boolean {
  try {
    const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    return [`LOCAL_CLOUD_DIR=${cloud.dir}`, "PULUMI_AUTOMATION_API=true"].every((each) => variables.includes(each));
  } catch {
    return false; // it has ended
  }
}

function isPulumi(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]?.endsWith("pulumi") ?? false;
  } catch {
    return false;
  }
}

const stateFolder = (cloud: Cloud) => join(cloud.dir, "state", ".pulumi");
const locks = (cloud: Cloud) => listFiles(join(stateFolder(cloud), "locks")).filter((file) => file.endsWith(".json"));

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

import { copyFileSync, existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { filesBelow } from "../../tools/paths.ts";
import { run, say, step } from "../../tools/process.ts";
import { type Process, processes, signal } from "../../tools/processes.ts";
import { projectName } from "../../tools/project.ts";
import { as, type Cloud } from "../cloud.ts";
import { type pulumi, pulumiQuietly, readState, resourcesOf, stackName, startedHere, stateFile } from "../stack.ts";
import { lostMark } from "../start.ts";
import { removeCorruptBlobs } from "./corrupt-blobs.ts";

/** Marker file: written before a command changes the stack, removed only when it succeeds. */
const mark = (cloud: Cloud) => join(cloud.dir, "unfinished");

/**
 * Runs a command that changes the stack. After one that failed or was interrupted it first repairs what that left: an engine or provider
 * that was killed could not record everything that it had created.
 *
 * @param work Its argument: whether the state has just been refreshed.
 * @param refresh Compares the state with what there is.
 * @throws Error when the official CLI works on the stack.
 */
export async function change<T>(
  cloud: Cloud,
  work: (refreshed: boolean) => Promise<T>,
  refresh: typeof pulumi = pulumiQuietly,
): Promise<T> {
  const interrupted = existsSync(mark(cloud)) || locks(cloud).length > 0;
  if (interrupted) {
    await step("the last command was interrupted or failed: comparing the state with what there is", () =>
      recover(cloud, refresh),
    );
  }
  writeFileSync(mark(cloud), "");
  try {
    const result = await work(interrupted);
    rmSync(mark(cloud));
    rmSync(lostMark(cloud), { force: true });
    return result;
  } catch (error) {
    // A registry whose disk is full answers with a different error each time.
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

async function recover(cloud: Cloud, refresh: typeof pulumi): Promise<void> {
  await endLeftovers(cloud);
  for (const lock of locks(cloud)) {
    const { pid } = JSON.parse(readFileSync(lock, "utf8") || "{}"); // empty on a full disk
    if (isPulumi(pid))
      throw new Error(`pulumi (process ${pid}) is using this stack; wait until it ends, then try again`);
  }
  // Files that a full disk or a kill left half written; among the locks the engine would take one for a lock.
  for (const file of filesBelow(stateFolder(cloud)).filter((path) => path.endsWith(".tmp"))) rmSync(file);
  for (const lock of locks(cloud)) rmSync(lock);
  restoreState(cloud);

  const known = resourcesOf(cloud).map(({ type, id }) => [type, id]);
  // The program tags every resource that can have tags with these.
  const input = JSON.stringify({ tags: { project: projectName, stack: stackName }, known });
  const orphans = await run(["node", join(import.meta.dirname, "orphans.ts")], { env: as(cloud, "root"), input });
  for (const digest of removeCorruptBlobs(cloud)) say(`deleted from the registry, since it is damaged: ${digest}`);
  for (const orphan of orphans.split("\n").filter(Boolean)) say(`deleted, since the state does not know it: ${orphan}`);
  await refresh(cloud, ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"]);
}

/** Replaces a damaged state by its newest whole backup: on a full disk the engine empties the state and the copy beside it. */
export function restoreState(cloud: Pick<Cloud, "dir">): void {
  const file = stateFile(cloud);
  if (!existsSync(file) || readState(file)) return;
  const name = basename(file, ".json");
  const backups = filesBelow(join(stateFolder(cloud), "backups", projectName, name)).sort();
  const backup = backups.findLast((each) => each.endsWith(".json") && readState(each));
  if (!backup) throw new Error(`the state ${file} is damaged, and there is no backup of it`);
  copyFileSync(backup, file);
  say(`the state was damaged and is restored from ${basename(backup)}`);
}

/** Ends an engine whose program was killed, and providers whose engine was killed: they would go on with their work. */
export async function endLeftovers(cloud: Cloud): Promise<void> {
  const left = () => processes().filter((each) => isOurs(cloud, each));
  for (const { pid } of left()) signal(pid, "SIGKILL");
  while (left().length > 0) await wait(20);
}

/** Whether a command of this project started the process for this local cloud, or started the one that did. */
export function isOurs(cloud: Pick<Cloud, "dir">, { read }: Process): boolean {
  const variables = read("environ").split("\0");
  return [`LOCAL_CLOUD_DIR=${cloud.dir}`, startedHere].every((each) => variables.includes(each));
}

const isPulumi = (id: number) =>
  processes().some(({ pid, read }) => pid === id && read("cmdline").split("\0")[0]?.endsWith("pulumi"));

const stateFolder = (cloud: Pick<Cloud, "dir">) => join(cloud.dir, "state", ".pulumi");
const locks = (cloud: Cloud) => filesBelow(join(stateFolder(cloud), "locks")).filter((file) => file.endsWith(".json"));

import type { InstanceRefresh } from "@aws-sdk/client-auto-scaling";
import {
  describeMember,
  evidenceOf,
  type FleetApi,
  failures,
  type Group,
  noLaunch,
  templateName,
  userDataFailure,
} from "./fleet-api.ts";

export interface RefreshOptions {
  /** Launch template and version that every machine shall be of, as `lt-…:3`. */
  readonly template: string;
  /** Seconds that a new machine may take; after so long without progress the release is rolled back. */
  readonly timeout: number;
  /** Proves every machine of the group, in so many seconds. @throws Error that says which machine did not prove itself, and why. */
  readonly prove: (timeout: number) => Promise<unknown>;
  /** Shows a line to the person who deploys. */
  readonly log: (message: string) => void;
}

/** Seconds between two looks at the refresh and its machines. Failed launches and consoles are looked at every third time. */
const interval = 2;

/** Seconds in which so many machines can prove themselves: the load balancer picks the one that answers a question. */
const proofTime = (machines: number) => 10 + machines;
/** Further seconds of bake time: until the proof begins, for its last question, and to begin a rollback, which a refresh that has ended refuses. */
const margin = 15;

/** Seconds for which a rollback may stand still. In the group's warm-up, which is shorter, nothing moves. */
const rollbackPatience = 120;

const unproven = "a machine did not prove itself";

/**
 * Brings every machine of a group to a version of its launch template, by an instance refresh: new machines are launched before old ones are
 * terminated, and the group itself gets the version only at the end, once every machine has proven itself. A refresh to this version that
 * an earlier, killed run has begun is waited for; one to another version is cancelled.
 *
 * @throws Error that says why it failed, with what Auto Scaling, the load balancer and the machines said. By then machines of the old version
 * serve, unless the message says that the rollback failed or goes on, or that the refresh was cancelled.
 */
export async function refreshTo(api: FleetApi, options: RefreshOptions): Promise<void> {
  const id = await begin(api, options);
  if (id === undefined) return;
  // Only now: before, launches of another refresh may have failed.
  const begun = new Date();
  const look = observer(api, id, options);
  const failure = await waitForSuccess(api, options, look, begun);
  if (failure !== undefined) await undo(api, options, look, failure);
}

type Look = ReturnType<typeof observer>;

/** A function that looks at a refresh and its machines, and logs what has changed. */
function observer(api: FleetApi, id: string, { template, log }: RefreshOptions) {
  const tell = whenChanged(log);
  const launched = new Set<string>();
  return async () => {
    const refresh = (await api.refreshes()).find(({ InstanceRefreshId }) => InstanceRefreshId === id);
    // It may not be listed yet.
    const { Status: status = "Pending", StatusReason, PercentageComplete: percentage = 0, Preferences } = refresh ?? {};
    const reason = StatusReason ? `: ${StatusReason}` : "";
    const line = `${status}, ${percentage} %${reason}`;
    tell("refresh", line);

    const [group, health] = await Promise.all([api.group(), api.health()]);
    const fresh = group.members.filter((member) => member.template === template).map(({ id }) => id);
    for (const id of fresh) launched.add(id);
    const waiting = [...launched].filter((id) => health[id]?.state !== "healthy");
    const machines = group.members.map((member) => describeMember(member, group, health, template));
    const isMoving = tell("machines", machines.join("; "));
    const { BakeTime: bakeTime = 0 } = Preferences ?? {};
    return { status, percentage, reason, line, bakeTime, group, health, fresh, waiting, isMoving };
  };
}

/** Waits until a refresh has succeeded, or says why it does not. */
async function waitForSuccess(api: FleetApi, { timeout, prove, log }: RefreshOptions, look: Look, begun: Date) {
  const tell = whenChanged(log);
  let deadline = Date.now() + timeout * 1000;
  let progress = 0;
  let isProven = false;
  for (let round = 1; ; round++) {
    const seen = await look();
    const { status, percentage, group, fresh, waiting } = seen;
    if (status === "Successful") return undefined;
    if (percentage > progress) {
      progress = percentage;
      deadline = Date.now() + timeout * 1000;
    }
    // While every new machine is healthy, Auto Scaling is only slow, and gives up by itself after an hour.
    const isStuck = async () =>
      fresh.length === 0 || fresh.some((id) => waiting.includes(id)) || (await failures(api, begun)).length > 0;
    let problem: string | undefined;
    let evidence = "";
    if (!isUnderWay(status)) problem = `${status}${seen.reason}`;
    else if (status === "Baking") {
      // While Auto Scaling holds it, however many machines there are by now.
      if (!isProven) await prove(seen.bakeTime - margin).catch((error: Error) => (evidence = error.message));
      isProven = evidence === "";
      if (!isProven) problem = unproven;
    } else if (Date.now() >= deadline && (await isStuck())) {
      problem = `no progress in ${timeout} s${noRoom(group, fresh)}`;
    } else if (round % 3 === 0) {
      for (const failure of await failures(api, begun)) tell(failure, failure);
      problem = (await userDataFailure(api, waiting)) ?? (fresh.length > 0 ? undefined : await noLaunch(api, begun));
    }
    if (problem !== undefined) {
      // Before the refresh is undone, which terminates the machines that failed.
      evidence ||= await evidenceOf(api, waiting, begun);
      return { problem, evidence, seen };
    }
    await pause();
  }
}

/** A hint, where no new machine was launched because the group is full. */
const noRoom = ({ members: { length }, max }: Group, fresh: readonly string[]) =>
  fresh.length === 0 && length >= max
    ? `; the group has ${length} machines, its maximum, and no room for a new one: raise machinesMax`
    : "";

/**
 * Undoes a refresh that failed, and waits until that is done.
 *
 * @throws Error that says why it failed, and what is left of it; not where it succeeded before it could be undone, all machines proven.
 */
async function undo(
  api: FleetApi,
  { timeout, log }: RefreshOptions,
  look: Look,
  { problem, evidence, seen }: NonNullable<Awaited<ReturnType<typeof waitForSuccess>>>,
): Promise<void> {
  let undoing = "rollback";
  if (isUnderWay(seen.status)) {
    // A rollback to a version that does not work either would wait for an hour. Old machines that are being terminated do not count.
    const { members, template } = seen.group;
    const old = members.filter((member) => member.state === "InService" && member.template === template);
    const isFutile = old.length > 0 && old.every(({ id }) => seen.health[id]?.state !== "healthy");
    undoing = isFutile ? "cancellation" : "rollback";
    log(`${isFutile ? `cancelling, since no machine of ${template} is healthy either` : "rolling back"}: ${problem}`);
    await (isFutile ? api.cancel() : api.rollback()).catch((error: Error) => {
      if (error.name.startsWith(hasEnded)) return;
      throw new Error(`the release failed (${problem}), and so did its ${undoing}: ${error.message}\n${evidence}`);
    });
  }
  const patience = Math.max(timeout, rollbackPatience);
  let deadline = Date.now() + patience * 1000;
  let now = seen;
  while (isActive(now.status)) {
    await pause();
    now = await look();
    // A refresh that failed its proof may have succeeded too, before it could be rolled back: that is no success.
    if (now.status === "Successful" && problem !== unproven) return;
    if (now.isMoving) deadline = Date.now() + patience * 1000;
    else if (Date.now() >= deadline) {
      const stands = `its ${undoing} is ${now.line} after ${patience} s`;
      throw new Error(`the release failed (${problem}), and ${stands}\n${evidence}`);
    }
  }
  const kept = `the refresh is ${now.status}, and the group launches ${(await api.group()).template}`;
  throw new Error(`the release failed: ${problem}; ${kept}\n${evidence}`);
}

/** Starts the refresh or finds the one that runs. @returns Its id; undefined where every machine is of the version already. */
async function begin(api: FleetApi, { template, timeout, log }: RefreshOptions): Promise<string | undefined> {
  let deadline = 0;
  let cancelled: string | undefined;
  let last: string | undefined;
  for (; ; await pause()) {
    const running = (await api.refreshes()).find(({ Status }) => isActive(Status));
    if (running === undefined) {
      const group = await api.group();
      if ([group, ...group.members].every((each) => each.template === template)) return undefined;
      const bakeTime = proofTime(group.members.length) + margin;
      const id = await api.start(template, bakeTime).catch(ignoring("InstanceRefreshInProgress"));
      if (id !== undefined) return id;
      continue; // somebody else was faster
    }
    const { InstanceRefreshId: id, Status: status, PercentageComplete } = running;
    const to = templateName(running.DesiredConfiguration?.LaunchTemplate);
    const isHeld = (running.Preferences?.BakeTime ?? 0) >= proofTime(0) + margin;
    if (to === template && isHeld && isUnderWay(status)) {
      log(`waiting for the refresh ${id}, which an earlier run began`);
      return id;
    }
    const isRollback = status === "RollbackInProgress";
    const patience = isRollback ? Math.max(timeout, rollbackPatience) : timeout;
    // Of a rollback nothing else changes: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
    const now = JSON.stringify([id, status, PercentageComplete]);
    if (now !== last) deadline = Date.now() + patience * 1000;
    last = now;
    const isLate = Date.now() >= deadline;
    // By its id: somebody may have begun another one since.
    if (id !== cancelled && (isUnderWay(status) || (isRollback && isLate))) {
      const forward = to === template ? "would end without a proof" : `is for ${to}`;
      const why = isRollback ? `has stood still in its rollback for ${patience} s` : forward;
      log(`cancelling the refresh ${id}, which ${why}`);
      await api.cancel().catch(ignoring(hasEnded));
      cancelled = id;
      deadline = Date.now() + timeout * 1000;
    } else if (isLate) {
      const left = id === cancelled ? "it was cancelled, and no other was begun" : "nothing was changed";
      throw new Error(`the refresh ${id} to ${to} is still ${status} after ${timeout} s; ${left}`);
    }
  }
}

/** For `catch`: throws any error but this one again. */
const ignoring = (name: string) => (error: Error) => {
  if (!error.name.startsWith(name)) throw error;
  return undefined;
};

/** Logs a text unless it is the last one logged of its kind. @returns Whether it did. */
function whenChanged(log: (message: string) => void) {
  const last = new Map<string, string>();
  return (kind: string, text: string) => {
    const isNew = text !== "" && last.get(kind) !== text;
    if (isNew) log(text);
    last.set(kind, text);
    return isNew;
  };
}

const pause = () => new Promise((resolve) => setTimeout(resolve, interval * 1000));

const isUnderWay = (status: InstanceRefresh["Status"]) =>
  status === "Pending" || status === "InProgress" || status === "Baking";

const isActive = (status: InstanceRefresh["Status"]) =>
  isUnderWay(status) || status === "Cancelling" || status === "RollbackInProgress";

/** Name of the error where there is nothing to cancel or to roll back any more. */
const hasEnded = "ActiveInstanceRefreshNotFound";

import { randomUUID } from "node:crypto";
import type {
  Activity,
  AutoScaling,
  AutoScalingGroup,
  Instance as InstanceOfGroup,
  InstanceRefresh,
  LaunchTemplateSpecification,
} from "@aws-sdk/client-auto-scaling";
import type { EC2, Instance } from "@aws-sdk/client-ec2";
import type { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import { every } from "../../lists.ts";

/** An instance of a group: what Auto Scaling says of it, and since when it is ready. */
export interface Member {
  readonly id: string;
  lifecycle: string;
  health: string;
  readonly isProtected: boolean;
  /** The launch template that it was made from, and its version, as `lt-…:3`. */
  readonly template: string;
  readonly zone: string;
  readonly launched: number;
  /** Whether its instance runs, and what the target groups say of it: the worst of them. */
  readonly runs: boolean;
  readonly target?: string;
  /** Whether it is in service, and healthy wherever its health is looked at. */
  readonly isReady: boolean;
}

/** A group, and what is to become of it. */
export interface Goal {
  readonly desired: number;
  readonly max: number;
  readonly template: string;
  /** Whether the target groups' health counts, and for how long (in ms) it does not after a launch. */
  readonly looksAtTargets: boolean;
  readonly grace: number;
  /** How long (in ms) a new instance is not counted as ready. */
  readonly warmup: number;
  readonly policy?: { readonly min: number; readonly max: number };
  /** The group's zones. An instance in another one is replaced. */
  readonly zones: readonly string[];
  /** The instances that a refresh, or its rollback, replaces; `template` is then the one that they get. */
  readonly isOld?: (member: Member) => boolean;
}

const isLeaving = ({ lifecycle }: Member) => lifecycle === "Terminating";

/** Whether Auto Scaling replaces it. https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-checks-overview.html */
function isUnhealthy(member: Member, { looksAtTargets, grace }: Goal, now: number): boolean {
  if (member.health === "Unhealthy" || !member.runs) return true;
  return looksAtTargets && member.target === "unhealthy" && now - member.launched > grace;
}

/**
 * What to do next. Where an instance is replaced, it keeps within the percentages of the maintenance policy, and never goes above the
 * group's maximum size: AWS's documentation gives the percentages of the desired capacity, and does not say that they may exceed that. Only a
 * change of the group's zones may, by a tenth or by one instance.
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html, "Rebalancing activities"
 */
export function plan(members: readonly Member[], goal: Goal, now: number) {
  const { desired, template, warmup, zones } = goal;
  const hasLeft = ({ zone }: Member) => !zones.includes(zone);
  const isOld = (member: Member) => hasLeft(member) || goal.isOld?.(member) === true;
  const present = members.filter((each) => !isLeaving(each));
  const kindOf = (each: Member) => {
    // What does not run any more is replaced at once, whatever the policy.
    if (!each.runs) return "gone";
    if (isUnhealthy(each, goal, now)) return "sick";
    return isOld(each) ? "old" : "fresh";
  };
  const { gone = [], sick = [], old = [], fresh = [] } = Object.groupBy(present, kindOf);
  // A machine is in service as soon as it runs, from when AWS counts the warm-up.
  const ready = fresh.filter(({ isReady, launched }) => isReady && now - launched >= warmup);

  const max = goal.max + (old.some(hasLeft) ? Math.max(1, Math.floor(goal.max / 10)) : 0);
  const policy = goal.policy ?? { min: goal.isOld ? 90 : 0, max: 100 };
  const all = Math.ceil((desired * policy.min) / 100);
  // A policy under which nothing may be missing has room for one.
  // https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
  const share = Math.max((desired * policy.max) / 100, desired + (goal.policy && all === desired ? 1 : 0));
  const most = Math.min(Math.floor(share), Math.max(max, desired));
  const there = present.length - gone.length;
  const launch = Math.max(0, Math.min(desired - fresh.length, Math.max(most, desired) - there));

  // Without a policy one machine at a time may be missing; so may an unhealthy one whose successor has no room.
  const leastOf = (each: Member) => (!goal.policy || (sick.includes(each) && most <= desired) ? desired - 1 : all);
  let kept = ready.length + old.length + sick.length;
  const terminate = [...gone];
  // Unhealthy machines first, then old ones.
  for (const each of [...sick, ...old.sort(by(({ isReady, launched }) => [Number(isReady), launched]))]) {
    if (kept - 1 < Math.min(all, leastOf(each))) continue;
    terminate.push(each);
    kept -= 1;
  }
  // Scaling in: what is of another version than the group's, from the zone with the most, the oldest.
  const rest = fresh.filter(({ isProtected }) => !isProtected);
  for (let surplus = fresh.length - desired; surplus > 0 && rest.length > 0; surplus -= 1) {
    const inZone = (zone: string) => rest.filter((each) => each.zone === zone).length;
    rest.sort(by((each) => [each.template === template ? 1 : 0, -inZone(each.zone), each.launched]));
    terminate.push(...rest.splice(0, 1));
  }
  /** How many are still to be replaced, or to become ready. */
  const left = Math.max(0, desired - ready.length) + old.length;
  /** Whether nothing is left to be replaced, and all that is wanted is ready. */
  const isDone = left + sick.length + gone.length === 0 && present.length === members.length;
  return { launch, terminate, isDone, left: Math.min(left, desired) };
}

/** By the first of these numbers that differs. */
const by = (numbers: (each: Member) => readonly number[]) => (a: Member, b: Member) => {
  const others = numbers(b);
  const differences = numbers(a).map((each, index) => each - (others[index] as number));
  return differences.find(Boolean) ?? 0;
};

/** The subnet in whose zone there are the fewest. */
export function subnetFor(subnets: ReadonlyMap<string, string>, members: readonly Member[]): string {
  const present = members.filter((each) => !isLeaving(each));
  const count = (zone: string) => present.filter((each) => each.zone === zone).length;
  return [...subnets].sort(([, a], [, b]) => count(a) - count(b))[0]?.[0] ?? "";
}

interface Apis {
  readonly ec2: EC2;
  readonly elb: ElasticLoadBalancingV2;
  readonly autoscaling: AutoScaling;
  /** Tells the API what became of a group. */
  readonly report: (group: object) => Promise<void>;
}

/** By target group, the state of each target. */
type Health = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Auto Scaling: keeps each group at what the API has been asked for, and tells the API what it did. It remembers nothing that matters. */
export function scalingOf({ ec2, elb, autoscaling, report }: Apis) {
  const retries = new Map<string, { at: number; pause: number }>();
  /** Since when the refreshes bake. */
  const baking = new Map<string, number>();

  async function follow(group: AutoScalingGroup, instances: ReadonlyMap<string, Instance>): Promise<boolean> {
    const { AutoScalingGroupName: name = "", TargetGroupARNs: arns = [], DesiredCapacity = 0 } = group;
    const health = await healthIn(arns);
    const now = Date.now();
    const given = group.Instances ?? [];
    let members = given.map((each) => memberOf(each, instances.get(each.InstanceId ?? ""), health));
    const known = JSON.stringify(reported(members));
    const { InstanceRefreshes = [] } = await autoscaling.describeInstanceRefreshes({ AutoScalingGroupName: name });
    const refresh = InstanceRefreshes.find(({ Status = "" }) => !endings.includes(Status));
    const goal = goalOf(group, refresh);

    await serve(members, health);
    const { launch: launches, terminate, isDone, left } = plan(members, goal, now);
    const reasonOf = ({ id }: Member) => instances.get(id)?.StateReason?.Message;
    const activities = terminate.flatMap((each) => takeOut(each, goal, now, name, reasonOf(each)));
    for (const each of members.filter(isLeaving)) await end(each, health, instances);
    members = members.filter((each) => !isLeaving(each) || instances.has(each.id));

    const key = `${name} ${goal.template}`;
    const { at = 0, pause = 60_000 } = retries.get(key) ?? {};
    try {
      for (let count = 0; count < launches && at <= now; count += 1) {
        const made = await launch(group, goal.template, members);
        members.push(made);
        activities.push(activity(name, `Launching a new EC2 instance: ${made.id}`, launching));
        retries.delete(key);
      }
    } catch (error) {
      const failure = `${(error as Error).message}. Launching EC2 instance failed.`;
      activities.push(activity(name, "Launching a new EC2 instance", launching, failure));
      retries.set(key, { at: now + pause, pause: Math.min(2 * pause, 300_000) });
    }
    const failed = activities.find(({ StatusMessage }) => StatusMessage)?.StatusMessage;
    const isMoving = members.some(({ lifecycle }) => lifecycle !== "InService");
    const id = refresh?.InstanceRefreshId ?? "";
    if (refresh?.Status === "Baking" && !baking.has(id)) baking.set(id, now);
    const baked = now - (baking.get(id) ?? now);
    const progress = { isDone, isMoving, left, total: DesiredCapacity, failed, now, baked };
    const changed = refresh && refreshed(refresh, progress);
    const isEmptied = group.Status !== undefined && members.length === 0;
    const isChanged = isEmptied || JSON.stringify(reported(members)) !== known;
    if (isChanged || activities.length > 0 || changed) {
      await report({ group: name, activities, members: isChanged ? reported(members) : undefined, refresh: changed });
    }
    const isSettled = ({ lifecycle, target }: Member) =>
      lifecycle === "InService" && (!goal.looksAtTargets || target === "healthy");
    if (!members.every(isSettled) || members.length !== DesiredCapacity) return true;
    return refresh !== undefined && !endings.includes(changed?.Status ?? "");
  }

  /** What is pending is in service as soon as its instance runs, and its target groups have it. */
  async function serve(members: readonly Member[], health: Health): Promise<void> {
    for (const each of members) if (each.lifecycle === "Pending" && each.runs) each.lifecycle = "InService";
    const serving = members.filter(({ lifecycle, runs }) => lifecycle === "InService" && runs).map(({ id }) => id);
    for (const [TargetGroupArn, targets] of health) {
      const Targets = serving.filter((id) => !targets.has(id)).map((Id) => ({ Id }));
      if (Targets.length > 0) await elb.registerTargets({ TargetGroupArn, Targets });
    }
  }

  async function healthIn(arns: readonly string[]): Promise<Health> {
    const entries = arns.map(async (TargetGroupArn) => {
      const asked = elb.describeTargetHealth({ TargetGroupArn });
      // Where somebody has deleted it, its groups, and all others, go on.
      const { TargetHealthDescriptions = [] } = await asked.catch((error: Error) => {
        if (error.name !== "TargetGroupNotFoundException") throw error;
        return { TargetHealthDescriptions: [] };
      });
      const states = TargetHealthDescriptions.map(
        ({ Target, TargetHealth }) => [Target?.Id ?? "", TargetHealth?.State ?? ""] as const,
      );
      return [TargetGroupArn, new Map(states)] as const;
    });
    return new Map(await Promise.all(entries));
  }

  function memberOf(given: InstanceOfGroup, instance: Instance | undefined, health: Health): Member {
    const id = given.InstanceId ?? "";
    const states = [...health.values()].flatMap((targets) => targets.get(id) ?? []);
    const target =
      states.find((state) => state === "unhealthy") ?? states.find((state) => state !== "healthy") ?? states[0];
    const runs = instance?.State?.Name === "running" || instance?.State?.Name === "pending";
    const isReady = given.LifecycleState === "InService" && runs && (health.size === 0 || target === "healthy");
    const { LifecycleState: lifecycle = "", HealthStatus = "", AvailabilityZone: zone = "" } = given;
    const isProtected = given.ProtectedFromScaleIn ?? false;
    const launched = instance?.LaunchTime?.getTime() ?? 0;
    const template = nameOf(given.LaunchTemplate);
    return { id, lifecycle, health: HealthStatus, runs, zone, isProtected, template, launched, target, isReady };
  }

  /** Out of the target groups; when its requests are finished, terminated. */
  async function end({ id }: Member, health: Health, instances: ReadonlyMap<string, Instance>): Promise<void> {
    let isDraining = false;
    for (const [TargetGroupArn, targets] of health) {
      if (!targets.has(id)) continue;
      isDraining = true;
      if (targets.get(id) !== "draining") await elb.deregisterTargets({ TargetGroupArn, Targets: [{ Id: id }] });
    }
    if (!isDraining && instances.has(id)) await ec2.terminateInstances({ InstanceIds: [id] });
  }

  async function launch(group: AutoScalingGroup, template: string, members: readonly Member[]): Promise<Member> {
    const [LaunchTemplateId, Version] = template.split(":");
    const { Subnets = [] } = await ec2.describeSubnets({ SubnetIds: group.VPCZoneIdentifier?.split(",") });
    const zones = new Map(Subnets.map(({ SubnetId = "", AvailabilityZone = "" }) => [SubnetId, AvailabilityZone]));
    const SubnetId = subnetFor(zones, members);
    const propagated = (group.Tags ?? []).filter(({ PropagateAtLaunch }) => PropagateAtLaunch);
    const own = { Key: "aws:autoscaling:groupName", Value: group.AutoScalingGroupName };
    const Tags = [...propagated.map(({ Key, Value }) => ({ Key, Value })), own];
    const { Instances } = await ec2.runInstances({
      LaunchTemplate: { LaunchTemplateId, Version },
      SubnetId,
      TagSpecifications: [{ ResourceType: "instance", Tags }],
      MinCount: 1,
      MaxCount: 1,
    });
    const id = Instances?.[0]?.InstanceId ?? "";
    const zone = zones.get(SubnetId) ?? "";
    const isProtected = group.NewInstancesProtectedFromScaleIn ?? false;
    const made = { id, lifecycle: "Pending", health: "Healthy", isProtected, template, zone };
    return { ...made, launched: Date.now(), runs: false, isReady: false };
  }

  /** @returns Whether something is under way, so that it has to be called again soon. */
  return async (instances: ReadonlyMap<string, Instance>): Promise<boolean> => {
    const pages = autoscaling.paginateDescribeAutoScalingGroups({});
    let isBusy = false;
    for (const group of await every(pages, (page) => page.AutoScalingGroups)) {
      isBusy = (await follow(group, instances)) || isBusy;
    }
    return isBusy;
  };
}

const nameOf = ({ LaunchTemplateId, Version }: LaunchTemplateSpecification = {}) => `${LaunchTemplateId}:${Version}`;

/** What is reported to the API about the members. */
const reported = (members: readonly Member[]) =>
  members.map(({ id, lifecycle, health, isProtected, template }) => ({ id, lifecycle, health, isProtected, template }));

const endings = ["Successful", "Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"];

/** What a group, with the refresh that goes on, is to become. */
export function goalOf(group: Partial<AutoScalingGroup>, refresh?: InstanceRefresh): Goal {
  const { InstanceMaintenancePolicy: kept, HealthCheckType = "", HealthCheckGracePeriod = 0 } = group;
  const { DesiredCapacity: desired = 0, MaxSize: max = 0 } = group;
  const { Preferences: preferences = {}, Status, DesiredConfiguration, StartTime } = refresh ?? {};
  const own = nameOf(group.LaunchTemplate);
  const wanted = nameOf(DesiredConfiguration?.LaunchTemplate ?? group.LaunchTemplate);
  const isRefreshed = Status === "Pending" || Status === "InProgress" || Status === "Baking";
  const template = isRefreshed ? wanted : own;
  const min = preferences.MinHealthyPercentage ?? kept?.MinHealthyPercentage;
  const most = preferences.MaxHealthyPercentage ?? kept?.MaxHealthyPercentage;
  const isLaunchedBefore = ({ launched }: Member) => launched < (StartTime?.getTime() ?? 0);
  const isOld = (member: Member) =>
    member.template !== template || (isRefreshed && !preferences.SkipMatching && isLaunchedBefore(member));
  return {
    zones: group.AvailabilityZones ?? [],
    desired,
    max,
    template,
    looksAtTargets: HealthCheckType.includes("ELB"),
    grace: HealthCheckGracePeriod * 1000,
    warmup: refresh ? (preferences.InstanceWarmup ?? group.DefaultInstanceWarmup ?? HealthCheckGracePeriod) * 1000 : 0,
    policy: min === undefined || most === undefined ? undefined : { min, max: most },
    isOld: isRefreshed || Status === "RollbackInProgress" ? isOld : undefined,
  };
}

/** An hour in which a refresh cannot go on ends it: https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html */
const patience = 3_600_000;

/** What becomes of a refresh; undefined where nothing does. */
export function refreshed(
  refresh: InstanceRefresh,
  progress: {
    isDone: boolean;
    /** Whether an instance is being launched or terminated. */
    isMoving: boolean;
    left: number;
    total: number;
    failed?: string;
    now: number;
    baked?: number;
  },
) {
  const { isDone, isMoving, left, total, failed, now, baked = 0 } = progress;
  const { InstanceRefreshId, Status = "Pending", RollbackDetails, StartTime, Preferences } = refresh;
  const isRollback = Status === "RollbackInProgress";
  const since = (RollbackDetails?.RollbackStartTime ?? StartTime)?.getTime() ?? now;
  const change = (status: InstanceRefresh["Status"], more: Partial<InstanceRefresh>) => {
    const EndTime = endings.includes(status ?? "") ? { EndTime: new Date(now) } : {};
    return { InstanceRefreshId, before: Status, Status: status, ...EndTime, ...more };
  };
  // https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CancelInstanceRefresh.html
  if (Status === "Cancelling")
    return isMoving ? undefined : change("Cancelled", { StatusReason: "Cancelled due to user request." });
  if (isDone) {
    const whole = { PercentageComplete: isRollback ? 0 : 100, InstancesToUpdate: 0, StatusReason: "" };
    if (!isRollback && baked < (Preferences?.BakeTime ?? 0) * 1000)
      return Status === "Baking" ? undefined : change("Baking", whole);
    return change(isRollback ? "RollbackSuccessful" : "Successful", whole);
  }
  const StatusReason =
    failed ?? (left > 0 ? `Waiting for remaining instances to be available: ${left} left.` : undefined);
  if (now - since > patience) {
    if (isRollback) return change("RollbackFailed", { StatusReason });
    return change(Preferences?.AutoRollback ? "RollbackInProgress" : "Failed", { StatusReason });
  }
  const share = Math.floor((100 * (isRollback ? left : Math.max(0, total - left))) / Math.max(1, total));
  // A rollback takes it down to zero, and that alone: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
  const PercentageComplete = isRollback ? Math.min(share, refresh.PercentageComplete ?? 0) : share;
  const InstancesToUpdate = isRollback ? refresh.InstancesToUpdate : left;
  const status = Status === "Pending" ? "InProgress" : Status;
  const isSame =
    status === Status && PercentageComplete === refresh.PercentageComplete && StatusReason === refresh.StatusReason;
  return isSame ? undefined : change(status, { PercentageComplete, InstancesToUpdate, StatusReason });
}

/** Has a member terminated. @returns What there is to tell of it. */
function takeOut(member: Member, goal: Goal, now: number, group: string, reason?: string): Activity[] {
  const told: Activity[] = [];
  const { id, runs } = member;
  if (member.lifecycle === "Pending" && !runs) {
    const text = `Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: ${reason}`;
    told.push(activity(group, `Launching a new EC2 instance: ${id}`, launching, text, "Cancelled"));
  }
  if (isUnhealthy(member, goal, now)) member.health = "Unhealthy";
  member.lifecycle = "Terminating";
  let why = "an EC2 health check indicating it has been terminated or stopped";
  if (runs && member.health === "Unhealthy") why = "an ELB system health check failure";
  else if (runs)
    why = goal.isOld?.(member) ? "an instance refresh" : "a difference between desired and actual capacity";
  const cause = `an instance was taken out of service in response to ${why}`;
  return [...told, activity(group, `Terminating EC2 instance: ${id}`, cause)];
}

const launching = "an instance was started in response to a difference between desired and actual capacity";

function activity(
  AutoScalingGroupName: string,
  what: string,
  cause: string,
  failure?: string,
  failed: Activity["StatusCode"] = "Failed",
): Activity {
  const time = new Date();
  // https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html, the example
  const Description = failure ? `${what}.  Status Reason: ${failure}` : what;
  const Cause = `At ${time.toISOString().replace(/\.\d+/, "")} ${cause}.`;
  const end = failure ? { StatusCode: failed, StatusMessage: failure } : { StatusCode: "Successful" as const };
  const times = { StartTime: time, EndTime: time, Progress: 100 };
  return { ActivityId: randomUUID(), AutoScalingGroupName, Description, Cause, ...times, ...end };
}

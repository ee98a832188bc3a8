import { clientConfig } from "./aws-client.ts";
import { isHopeless, lastLines, readConsole } from "./console.ts";
import { type LogStream, tailCommand } from "./machine-logs.ts";

export interface FleetApiArgs extends Omit<LogStream, "instanceId"> {
  readonly groupName: string;
  readonly targetGroupArn: string;
}

/** `lt-…:3` of a launch template and its version. */
export function templateName(template?: { LaunchTemplateId?: string; Version?: string }): string {
  return template ? `${template.LaunchTemplateId}:${template.Version}` : "no launch template";
}

/** What a release and a proof ask of AWS about one group. */
export type FleetApi = Awaited<ReturnType<typeof connectFleet>>;
export type Group = Awaited<ReturnType<FleetApi["group"]>>;
/** A machine of a group. */
export type Member = Group["members"][number];
/** Why the load balancer sends a machine requests, or not. */
export type Health = Awaited<ReturnType<FleetApi["health"]>>[string];
/** What Auto Scaling did, or tried to do. */
export type Activity = Awaited<ReturnType<FleetApi["activities"]>>[number];

export async function connectFleet(args: FleetApiArgs) {
  const [{ AutoScaling }, { ElasticLoadBalancingV2 }, { EC2 }] = await Promise.all([
    import("@aws-sdk/client-auto-scaling"),
    import("@aws-sdk/client-elastic-load-balancing-v2"),
    import("@aws-sdk/client-ec2"),
  ]);
  const { groupName, targetGroupArn, region } = args;
  // Retried: one call that fails must not fail a release that Auto Scaling continues.
  const config = { ...clientConfig(args), maxAttempts: 8 };
  const [scaling, balancing, ec2] = [new AutoScaling(config), new ElasticLoadBalancingV2(config), new EC2(config)];
  const AutoScalingGroupName = groupName;
  return {
    /** @throws Error named `GroupNotFound` */
    async group() {
      const asked = { AutoScalingGroupNames: [groupName] };
      const { AutoScalingGroups: [group] = [] } = await scaling.describeAutoScalingGroups(asked);
      if (group === undefined) {
        throw Object.assign(new Error(`the group ${groupName} does not exist`), { name: "GroupNotFound" });
      }
      return {
        min: group.MinSize ?? 0,
        max: group.MaxSize ?? 0,
        /** Number of machines that it is set to at this moment. */
        size: group.DesiredCapacity ?? 0,
        /** Launch template and version that it launches machines from, as `lt-…:3`. */
        template: templateName(group.LaunchTemplate),
        /** Availability zones that it launches in. It replaces machines that are in others. */
        zones: group.AvailabilityZones ?? [],
        members: (group.Instances ?? []).map((each) => ({
          id: each.InstanceId ?? "",
          zone: each.AvailabilityZone ?? "",
          /** Launch template and version that it was launched from. */
          template: templateName(each.LaunchTemplate),
          /** Its lifecycle state in Auto Scaling, such as `Pending` or `InService`. */
          state: each.LifecycleState ?? "",
        })),
      };
    },
    /** Every machine that is registered with the load balancer, of this group or another one. */
    async health() {
      const found = await balancing.describeTargetHealth({ TargetGroupArn: targetGroupArn });
      const targets = (found.TargetHealthDescriptions ?? []).map(({ Target, TargetHealth }) => {
        const { State: state = "unknown", Reason, Description } = TargetHealth ?? {};
        return [Target?.Id ?? "", { state, reason: [Reason, Description].filter(Boolean).join(": ") }] as const;
      });
      return Object.fromEntries(targets);
    },
    /** The group's refreshes, the newest first. */
    async refreshes() {
      const { InstanceRefreshes = [] } = await scaling.describeInstanceRefreshes({ AutoScalingGroupName });
      return InstanceRefreshes;
    },
    /**
     * Begins to replace every machine that is not of the template's version.
     *
     * @param bakeTime Seconds after the last replacement in which it can still be rolled back.
     * @returns The refresh's id.
     */
    async start(template: string, bakeTime: number) {
      const [LaunchTemplateId, Version] = template.split(":");
      const { InstanceRefreshId = "" } = await scaling.startInstanceRefresh({
        AutoScalingGroupName,
        Strategy: "Rolling",
        // The group itself gets the version only when the refresh has succeeded.
        DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId, Version } },
        Preferences: {
          // A new machine is launched before an old one is terminated.
          MinHealthyPercentage: 100,
          MaxHealthyPercentage: 200,
          SkipMatching: true,
          AutoRollback: true,
          BakeTime: bakeTime,
          // Both are `Wait` by default: a machine that somebody protects or sets aside would hold the release for an hour, then fail it.
          ScaleInProtectedInstances: "Refresh",
          StandbyInstances: "Terminate",
        },
      });
      return InstanceRefreshId;
    },
    async cancel() {
      // By default AWS waits for launches and terminations under way. One that does not end is why a refresh is cancelled.
      await scaling.cancelInstanceRefresh({ AutoScalingGroupName, WaitForTransitioningInstances: false });
    },
    async rollback() {
      await scaling.rollbackInstanceRefresh({ AutoScalingGroupName });
    },
    async resize(DesiredCapacity: number) {
      await scaling.updateAutoScalingGroup({ AutoScalingGroupName, DesiredCapacity });
    },
    /** What Auto Scaling began since, the newest first. */
    async activities(since: Date) {
      const found = [];
      for await (const { Activities = [] } of scaling.paginateDescribeScalingActivities({ AutoScalingGroupName })) {
        const known = found.length;
        for (const { StartTime: started, StatusCode: status = "", Description: text = "" } of Activities) {
          if (started === undefined || started < since) continue;
          // A launch is `Cancelled` where the machine ended before it was in service. The text has the reason, where there is one.
          found.push({ started, isLaunch: text.startsWith("Launching"), status, text });
        }
        // A single older one is no end: activities in progress come first, however old they are.
        if (Activities.length > 0 && found.length === known) break;
      }
      return found.sort((a, b) => b.started.getTime() - a.started.getTime());
    },
    /** As {@link readConsole}. */
    console: (instanceId: string) => readConsole(ec2, region, instanceId),
    logCommand: (instanceId: string) => tailCommand({ ...args, instanceId }),
  };
}

/** What the load balancer reports of machines, and the last lines of their consoles: of the first three, with the ids of the others. */
export async function describeMachines(api: FleetApi, ids: readonly string[]): Promise<string> {
  const health = await api.health();
  const described = await Promise.all(
    ids.slice(0, 3).map(async (id) => {
      const { state, reason } = health[id] ?? { state: "not registered with the load balancer", reason: "" };
      return `${id} is ${state}${reason && ` (${reason})`}; ${lastLines(await api.console(id), api.logCommand(id))}`;
    }),
  );
  const others = ids.length > 3 ? [`and ${ids.length - 3} more: ${ids.slice(3).join(", ")}`] : [];
  return [...described, ...others].join("\n");
}

/** What Auto Scaling and the load balancer say of a machine. */
export function describeMember(
  { id, state, zone, template: own }: Member,
  { zones }: Group,
  health: Readonly<Record<string, Health>>,
  template: string,
): string {
  const of = own === template ? "" : `, of ${own} instead of ${template}`;
  const where = zones.includes(zone) ? "" : `, in ${zone} instead of ${zones.join(" or ")}`;
  return `${id} is ${state} and ${health[id]?.state ?? "not registered"}${of}${where}`;
}

/** Why not to wait for these machines: the console of one says that its user data has failed. @param seconds As {@link isHopeless} takes it. */
export async function userDataFailure(api: FleetApi, ids: readonly string[], seconds = Number.POSITIVE_INFINITY) {
  for (const id of ids) {
    if (isHopeless(await api.console(id), seconds)) return `the user data of ${id} failed`;
  }
  return undefined;
}

const hasFailed = ({ status }: Activity) => status === "Failed" || status === "Cancelled";

/** What Auto Scaling says of launches and terminations that have failed since, each text once. */
export async function failures(api: FleetApi, since: Date): Promise<string[]> {
  return [...new Set((await api.activities(since)).filter(hasFailed).map(({ text }) => text))];
}

/**
 * Why no machine is launched, once Auto Scaling has tried again in vain, which it does after a minute. A first failure is no reason yet: in an
 * account's first group launches fail until the role that Auto Scaling has made for itself is known everywhere, and a launch may fail in one
 * zone of two.
 */
export async function noLaunch(api: FleetApi, since: Date): Promise<string | undefined> {
  const launches = (await api.activities(since)).filter(({ isLaunch }) => isLaunch);
  const success = launches.findIndex((each) => !hasFailed(each));
  const [last, ...others] = success < 0 ? launches : launches.slice(0, success);
  const first = others.at(-1);
  if (!last || !first || last.started.getTime() - first.started.getTime() < 30_000) return undefined;
  return `Auto Scaling launches no machine: ${last.text}`;
}

/** For an error's message: failed launches and terminations, and what is known of machines; where that cannot be read, the reason. */
export async function evidenceOf(api: FleetApi, ids: readonly string[], since: Date): Promise<string> {
  const unread = (error: Error) => `nothing more can be read: ${error.message}`;
  const said = await failures(api, since).catch((error: Error) => [unread(error)]);
  const machines = await describeMachines(api, ids).catch(unread);
  return [...said, machines].filter(Boolean).join("\n");
}

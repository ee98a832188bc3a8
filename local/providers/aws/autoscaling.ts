import type { AutoScalingGroup } from "@aws-sdk/client-auto-scaling";
import { every } from "../../lists.ts";
import { autoscaling, elb } from "./clients.ts";
import { alarmPrice, groupPrice } from "./prices.ts";
import { until } from "./provider.ts";
import { type ByHand, define, type Row } from "./row.ts";
import type { Props } from "./values.ts";

const policyRow = {
  type: "AWS::AutoScaling::ScalingPolicy",
  nested: true,
  names: { name: [null, "PolicyName"], autoscalingGroupName: "AutoScalingGroupName" },
  only: ["estimatedInstanceWarmup", "policyType", "targetTrackingConfiguration"],
  replace: ["name"],
  // Target tracking makes two alarms of its own.
  price: alarmPrice(2),
  id: "PolicyName",
  list: ["describePolicies", "ScalingPolicies"],
  calls: { create: "putScalingPolicy", update: ["putScalingPolicy"], delete: "deletePolicy" },
  outputs: { arn: "PolicyARN" },
} satisfies Row;

const groupRow = {
  type: "AWS::AutoScaling::AutoScalingGroup",
  nested: true,
  names: {
    name: "AutoScalingGroupName",
    "launchTemplate.id": "LaunchTemplate.LaunchTemplateId",
    "launchTemplate.version": "LaunchTemplate.Version",
    protectFromScaleIn: "NewInstancesProtectedFromScaleIn",
    targetGroupArns: "TargetGroupARNs",
    vpcZoneIdentifiers: "VPCZoneIdentifier",
    "tags.key": "Tags[].Key",
    "tags.value": "Tags[].Value",
    "tags.propagateAtLaunch": "Tags[].PropagateAtLaunch",
    // What the provider does, and not AWS.
    ...{ minElbCapacity: null, waitForElbCapacity: null, waitForCapacityTimeout: null, forceDelete: null },
  },
  only: [
    ...["defaultInstanceWarmup", "desiredCapacity", "healthCheckGracePeriod", "healthCheckType"],
    ...["instanceMaintenancePolicy", "maxSize", "minSize"],
  ],
  sets: ["targetGroupArns", "vpcZoneIdentifiers"],
  defaults: { healthCheckGracePeriod: 300 },
  price: groupPrice,
  shows: ["minSize", "maxSize"],
  id: "AutoScalingGroupName",
  list: ["describeAutoScalingGroups", "AutoScalingGroups"],
  calls: { create: "createAutoScalingGroup", update: ["updateAutoScalingGroup"], delete: "deleteAutoScalingGroup" },
  more: async ({ vPCZoneIdentifier }: Props) => ({ vPCZoneIdentifier: vPCZoneIdentifier.split(",") }),
  outputs: { arn: "AutoScalingGroupARN" },
  created: (id: string, inputs: Props) => waitForCapacity(id, inputs, new Date(), "at least"),
} satisfies Row;

const resource = define("aws:autoscaling/group:Group", groupRow);

async function find(name: string): Promise<AutoScalingGroup | undefined> {
  const { AutoScalingGroups } = await (await autoscaling()).describeAutoScalingGroups({
    AutoScalingGroupNames: [name],
  });
  return AutoScalingGroups?.[0];
}

/** `10m` or `1h30m`, as Go writes it. */
function milliseconds(duration: string): number {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };
  const parts = [...duration.matchAll(/([\d.]+)(ms|[hms])/g)];
  return parts.reduce((sum, [, amount, unit = ""]) => sum + Number(amount) * (units[unit] ?? 0), 0);
}

/** Waits as Terraform's helper does, with its words; `last` says what was there last. */
async function within(
  what: string,
  state: string,
  isReached: () => Promise<boolean>,
  last: () => string,
  duration = "10m",
): Promise<void> {
  const end = Date.now() + milliseconds(duration);
  await until(async () => {
    if (await isReached()) return true;
    if (Date.now() < end) return false;
    throw new Error(
      `waiting for Auto Scaling Group ${what}: timeout while waiting for state to become '${state}' (last state: '${last()}', timeout: ${duration})`,
    );
  });
}

/** What a failed launch or termination says of itself. */
async function failures(AutoScalingGroupName: string, since: Date): Promise<string[]> {
  const pages = (await autoscaling()).paginateDescribeScalingActivities({ AutoScalingGroupName });
  return (await every(pages, (page) => page.Activities))
    .filter(
      ({ StatusCode, Progress, StartTime }) =>
        StatusCode === "Failed" && Progress === 100 && StartTime && StartTime >= since,
    )
    .map(({ ActivityId, StatusMessage }) => `scaling activity (${ActivityId}): Failed: ${StatusMessage}`);
}

/** The instances that are in service; and those of them that no target group has for unhealthy. */
async function healthy({ Instances = [], TargetGroupARNs = [] }: AutoScalingGroup) {
  const api = await elb();
  const health = await Promise.all(
    TargetGroupARNs.map((TargetGroupArn) => api.describeTargetHealth({ TargetGroupArn })),
  );
  const unhealthy = health
    .flatMap(({ TargetHealthDescriptions = [] }) => TargetHealthDescriptions)
    .filter(({ TargetHealth }) => TargetHealth?.State !== "healthy")
    .map(({ Target }) => Target?.Id);
  const inService = Instances.filter((each) => each.HealthStatus === "Healthy" && each.LifecycleState === "InService");
  return [inService, inService.filter(({ InstanceId }) => !unhealthy.includes(InstanceId))] as const;
}

/**
 * Waits as the real provider does: a creation for at least what is wanted, an update for exactly that.
 *
 * @throws Error with what failed while it waited.
 */
async function waitForCapacity(id: string, inputs: Props, since: Date, how: "at least" | "exactly"): Promise<void> {
  const { minSize, desiredCapacity = 0, waitForCapacityTimeout = "10m", waitForElbCapacity = 0 } = inputs;
  const wanted = how === "at least" ? desiredCapacity || minSize : Math.max(minSize, desiredCapacity);
  const balanced = waitForElbCapacity || (how === "at least" ? (inputs.minElbCapacity ?? 0) : 0);
  const isEnough = (count: number, want: number) => (how === "at least" ? count >= want : count === want);
  let lacking = "";
  const isSatisfied = async () => {
    const failed = await failures(id, since);
    if (failed.length > 0)
      throw new Error(`waiting for Auto Scaling Group (${id}) capacity satisfied: ${failed.join("\n")}`);
    const group = await find(id);
    const [inService, inTargetGroups] = group ? await healthy(group) : [[], []];
    const want = (count: number, where: string, have: number) =>
      `want ${how} ${count} healthy instance(s) ${where}, have ${have}`;
    if (!isEnough(inService.length, wanted)) lacking = want(wanted, "in Auto Scaling Group", inService.length);
    else if (balanced > 0 && !isEnough(inTargetGroups.length, balanced))
      lacking = want(balanced, "registered to Load Balancer", inTargetGroups.length);
    else return true;
    return false;
  };
  if (milliseconds(waitForCapacityTimeout) === 0) return;
  await within(`(${id}) capacity satisfied`, "ok", isSatisfied, () => lacking, waitForCapacityTimeout);
}

async function update(id: string, inputs: Props, changed: string[], olds: Props): Promise<void> {
  const since = new Date();
  if (changed.includes("targetGroupArns"))
    throw new Error("a group that gets other target groups is not modelled here");
  // Given where it is not changed too, it would undo what scaling did, or what an instance refresh did.
  const kept = ["desiredCapacity", "launchTemplate"].filter((input) => !changed.includes(input));
  const sent = Object.fromEntries(Object.entries(inputs).filter(([input]) => !kept.includes(input)));
  await resource.update?.(id, sent, changed, olds);
  const isResized = changed.includes("minSize") || changed.includes("desiredCapacity");
  if (isResized) await waitForCapacity(id, inputs, since, "exactly");
}

async function retag(ResourceId: string, tags: Props, _removed: string[], olds: Props): Promise<void> {
  const api = await autoscaling();
  const group = { ResourceId, ResourceType: "auto-scaling-group" };
  const gone = (olds.tags as Props[]).filter(({ key }) => !tags.some((tag: Props) => tag.key === key));
  if (gone.length > 0) await api.deleteTags({ Tags: gone.map(({ key }) => ({ ...group, Key: key })) });
  const Tags = tags.map(({ key, value, propagateAtLaunch }: Props) => ({
    ...{ ...group, Key: key, Value: value, PropagateAtLaunch: propagateAtLaunch },
  }));
  if (Tags.length > 0) await api.createOrUpdateTags({ Tags });
}

/** Drains the group before it deletes it, unless it is to be deleted by force. */
async function remove(AutoScalingGroupName: string, { forceDelete = false }: Props): Promise<void> {
  const api = await autoscaling();
  if (!(await find(AutoScalingGroupName))) return;
  if (!forceDelete) {
    await api.updateAutoScalingGroup({ AutoScalingGroupName, MinSize: 0, MaxSize: 0, DesiredCapacity: 0 });
    let count = 0;
    const isEmpty = async () => {
      count = (await find(AutoScalingGroupName))?.Instances?.length ?? 0;
      return count === 0;
    };
    await within(`(${AutoScalingGroupName}) drain`, "0", isEmpty, () => String(count));
  }
  await api.deleteAutoScalingGroup({ AutoScalingGroupName, ForceDelete: forceDelete });
  const isGone = async () => !(await find(AutoScalingGroupName));
  await within(`(${AutoScalingGroupName}) delete`, "", isGone, () => AutoScalingGroupName);
}

/** By hand, for its waiting: for machines at a creation, for their end at a deletion. */
const groupByHand: ByHand = {
  price: groupRow.price,
  shows: groupRow.shows,
  resource: { ...resource, update, retag, delete: remove },
};

export const autoscalingRows = {
  "aws:autoscaling/group:Group": groupByHand,
  "aws:autoscaling/policy:Policy": policyRow,
} satisfies Record<string, Row | ByHand>;

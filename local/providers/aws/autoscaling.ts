import { isDeepStrictEqual } from "node:util";
import type { AutoScalingGroup } from "@aws-sdk/client-auto-scaling";
import { autoscaling, type Operation } from "./clients.ts";
import { operation } from "./operations.ts";
import { alarmPrice, groupPrice } from "./prices.ts";
import { ofMade, type Resource, refuse, until } from "./provider.ts";
import type { Row } from "./row.ts";
import type { Props } from "./values.ts";

async function find(name: string): Promise<AutoScalingGroup | undefined> {
  const { AutoScalingGroups } = await autoscaling().describeAutoScalingGroups({ AutoScalingGroupNames: [name] });
  return AutoScalingGroups?.[0];
}

/** Waits no longer than the real provider does. */
async function within(what: string, isReached: () => Promise<boolean>): Promise<void> {
  const minutes = 10;
  const end = Date.now() + minutes * 60_000;
  const isLate = () => Date.now() > end && refuse("Timeout", `it is not ${what} after ${minutes} minutes`);
  await until(async () => (await isReached()) || isLate());
}

const updating = (made: Resource) => async (id: string, inputs: Props, changed: string[], olds: Props) => {
  if (changed.includes("targetGroupArns"))
    throw new Error("a group that gets other target groups is not modelled here");
  // Given where it is not changed too, it would undo what scaling did, or what an instance refresh did.
  const kept = ["desiredCapacity", "launchTemplate"].filter((input) => !changed.includes(input));
  const sent = Object.fromEntries(Object.entries(inputs).filter(([input]) => !kept.includes(input)));
  const others = changed.filter((input) => input !== "enabledMetrics");
  if (others.length > 0) await made.update?.(id, sent, others, olds);
  if (others.length < changed.length) await collect(id, inputs);
};

async function collect(AutoScalingGroupName: string, { enabledMetrics: Metrics }: Props): Promise<void> {
  if (Metrics === undefined) throw new Error("a group of which no metrics are collected any more is not modelled here");
  await autoscaling().enableMetricsCollection({ AutoScalingGroupName, Metrics, Granularity: "1Minute" });
}

/** As the real provider does: a tag that has not changed is not sent again. */
async function retag(resourceId: string, tags: Props, _removed: string[], olds: Props): Promise<void> {
  const group = { resourceId, resourceType: "auto-scaling-group" };
  const before: Props[] = olds.tags;
  const gone = before.filter(({ key }) => !tags.some((tag: Props) => tag.key === key)).map(({ key }) => ({ key }));
  const changed: Props[] = tags.filter((tag: Props) => !before.some((old) => isDeepStrictEqual(old, tag)));
  const send = (name: Operation, each: Props[]) =>
    each.length > 0 && operation("AutoScaling", name).send({ tags: each.map((tag) => ({ ...group, ...tag })) });
  await send("deleteTags", gone);
  await send("createOrUpdateTags", changed);
}

/** Drains the group before it deletes it, of protected instances too. */
async function remove(AutoScalingGroupName: string): Promise<void> {
  const group = await find(AutoScalingGroupName);
  if (!group) return;
  await autoscaling().updateAutoScalingGroup({ AutoScalingGroupName, MinSize: 0, MaxSize: 0, DesiredCapacity: 0 });
  const InstanceIds = (group.Instances ?? []).flatMap((each) => (each.ProtectedFromScaleIn && each.InstanceId) || []);
  const scaledIn = { AutoScalingGroupName, InstanceIds, ProtectedFromScaleIn: false };
  if (InstanceIds.length > 0) await autoscaling().setInstanceProtection(scaledIn);
  await within("empty", async () => !(await find(AutoScalingGroupName))?.Instances?.length);
  await autoscaling().deleteAutoScalingGroup({ AutoScalingGroupName, ForceDelete: false });
  await within("deleted", async () => !(await find(AutoScalingGroupName)));
}

const creating = (made: Resource) => async (inputs: Props) => {
  if (inputs.waitForCapacityTimeout !== "0")
    throw new Error('waiting for capacity is not modelled here: only waitForCapacityTimeout: "0"');
  const id = await made.create(inputs);
  if (inputs.enabledMetrics) await ofMade(id, collect(id, inputs));
  return id;
};

export const autoscalingRows = {
  "aws:autoscaling/group:Group": {
    type: "AWS::AutoScaling::AutoScalingGroup",
    names: {
      name: "AutoScalingGroupName",
      "launchTemplate.id": "LaunchTemplate.LaunchTemplateId",
      "launchTemplate.version": "LaunchTemplate.Version",
      targetGroupArns: "TargetGroupARNs",
      vpcZoneIdentifiers: "VPCZoneIdentifier",
      "tags.key": "Tags[].Key",
      "tags.value": "Tags[].Value",
      "tags.propagateAtLaunch": "Tags[].PropagateAtLaunch",
      // What the provider does, and not AWS; and what has calls of its own.
      waitForCapacityTimeout: null,
      enabledMetrics: null,
    },
    only: [
      ...["defaultInstanceWarmup", "desiredCapacity", "healthCheckGracePeriod", "healthCheckType"],
      ...["instanceMaintenancePolicy", "maxSize", "minSize"],
    ],
    sets: ["targetGroupArns", "vpcZoneIdentifiers"],
    rules: {
      properties: {
        // https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceMaintenancePolicy.html
        InstanceMaintenancePolicy: {
          required: ["MinHealthyPercentage", "MaxHealthyPercentage"],
          properties: { MaxHealthyPercentage: { not: { minimum: 0, exclusiveMaximum: 100 } } },
          holds: [
            "not have a difference of more than 100",
            (policy: Props) => !(policy.MaxHealthyPercentage - policy.MinHealthyPercentage > 100),
          ],
        },
        // https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-tagging.html
        Tags: { maxItems: 50 },
      },
    },
    defaults: { healthCheckGracePeriod: 300 },
    computed: ["desiredCapacity"],
    price: groupPrice,
    shows: ["minSize", "maxSize"],
    calls: { create: "createAutoScalingGroup", update: ["updateAutoScalingGroup"], delete: "deleteAutoScalingGroup" },
    more: async ({ vPCZoneIdentifier, enabledMetrics = [] }) => ({
      vPCZoneIdentifier: vPCZoneIdentifier.split(","),
      enabledMetrics: enabledMetrics.map(({ metric }: Props) => metric),
    }),
    unlike: (made) => ({ create: creating(made), update: updating(made), retag, delete: remove }),
  },
  "aws:autoscaling/policy:Policy": {
    type: "AWS::AutoScaling::ScalingPolicy",
    names: { name: [null, "PolicyName"], autoscalingGroupName: "AutoScalingGroupName" },
    only: ["estimatedInstanceWarmup", "policyType", "targetTrackingConfiguration"],
    replace: ["name"],
    // Without a type it is one of simple scaling: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html
    rules: { required: ["PolicyType"] },
    // Target tracking makes two alarms of its own.
    price: alarmPrice(2),
    id: "PolicyName",
    list: ["describePolicies", "ScalingPolicies"],
    calls: { create: "putScalingPolicy", delete: "deletePolicy" },
  },
} satisfies Record<string, Row>;

import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { beforeEach, expect, test, vi } from "vitest";
import { connectFleet, describeMachines, type FleetApi, failures } from "../../../components/fleet-api.ts";
import { answeringFleet } from "../../support/fake-fleet.ts";
import type { Asked } from "../../support/sdk.ts";

/** What AWS was asked, and answers, by the action's name; further pages of a list by their token too. */
let asked: Asked[];
let answers: Record<string, object>;
let api: FleetApi;

beforeEach(async () => {
  answers = {};
  asked = answeringFleet((action, { NextToken }) => {
    const answer = answers[NextToken ? `${action} ${NextToken}` : action];
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const group = { groupName: "app-1", targetGroupArn: "arn:targets", logGroup: "machines" };
  api = await connectFleet({ ...group, region: "ap-northeast-2", profile: "dev" });
});

const template = (Version: string) => ({ LaunchTemplateId: "lt-1", Version });

test("calls are for the region, signed by the profile, and repeated where they fail for a moment", async () => {
  await api.refreshes();
  const [{ config }] = vi.mocked(AutoScalingClient.prototype.send).mock.contexts as [AutoScalingClient];
  expect([await config.region(), config.profile, await config.maxAttempts()]).toEqual(["ap-northeast-2", "dev", 8]);
});

test("a group: its bounds, the version that it launches and where, and each machine's own", async () => {
  const place = { AvailabilityZone: "a", LifecycleState: "InService" };
  const member = { InstanceId: "i-1", ...place, LaunchTemplate: template("2") };
  const size = { MinSize: 2, MaxSize: 4, DesiredCapacity: 3 };
  const group = { ...size, LaunchTemplate: template("3"), AvailabilityZones: ["a", "c"], Instances: [member] };
  answers.DescribeAutoScalingGroups = { AutoScalingGroups: [group] };
  expect(await api.group()).toEqual({
    min: 2,
    max: 4,
    size: 3,
    template: "lt-1:3",
    zones: ["a", "c"],
    members: [{ id: "i-1", zone: "a", template: "lt-1:2", state: "InService" }],
  });
  expect(asked[0]).toMatchObject({ AutoScalingGroupNames: ["app-1"] });
});

test("a group that is gone is said as such", async () => {
  await expect(api.group()).rejects.toMatchObject({ name: "GroupNotFound", message: "the group app-1 does not exist" });
});

test("what AWS leaves out is empty", async () => {
  expect(await api.health()).toEqual({});
  expect(await api.refreshes()).toEqual([]);
  expect(await api.start("lt-1:4", 17)).toBe("");
  const group = { min: 0, max: 0, size: 0, template: "no launch template", zones: [], members: [] };
  answers.DescribeAutoScalingGroups = { AutoScalingGroups: [{}] };
  expect(await api.group()).toEqual(group);
  answers.DescribeAutoScalingGroups = { AutoScalingGroups: [{ Instances: [{}] }] };
  const member = { id: "", zone: "", template: "no launch template", state: "" };
  expect(await api.group()).toEqual({ ...group, members: [member] });
  answers.DescribeTargetHealth = { TargetHealthDescriptions: [{}] };
  expect(await api.health()).toEqual({ "": { state: "unknown", reason: "" } });
});

test("the load balancer's word on each machine, with its reason", async () => {
  const target = (Id: string, TargetHealth: object) => ({ Target: { Id }, TargetHealth });
  const bad = { State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out" };
  answers.DescribeTargetHealth = {
    TargetHealthDescriptions: [target("i-1", { State: "healthy" }), target("i-2", bad)],
  };
  expect(await api.health()).toEqual({
    "i-1": { state: "healthy", reason: "" },
    "i-2": { state: "unhealthy", reason: "Target.Timeout: Request timed out" },
  });
  expect(asked[0]).toMatchObject({ TargetGroupArn: "arn:targets" });
});

test("a refresh launches before it terminates, and lets no protected one hold it up", async () => {
  answers.StartInstanceRefresh = { InstanceRefreshId: "refresh-1" };
  expect(await api.start("lt-1:4", 17)).toBe("refresh-1");
  expect(asked[0]).toEqual({
    action: "StartInstanceRefresh",
    AutoScalingGroupName: "app-1",
    Strategy: "Rolling",
    DesiredConfiguration: { LaunchTemplate: template("4") },
    Preferences: {
      MinHealthyPercentage: 100,
      MaxHealthyPercentage: 200,
      SkipMatching: true,
      AutoRollback: true,
      BakeTime: 17,
      ScaleInProtectedInstances: "Refresh",
      StandbyInstances: "Terminate",
    },
  });
});

test("refreshes are listed, cancelled at once and rolled back for the one group", async () => {
  const refresh = { InstanceRefreshId: "refresh-1", Status: "InProgress" };
  answers.DescribeInstanceRefreshes = { InstanceRefreshes: [refresh] };
  expect(await api.refreshes()).toEqual([refresh]);
  await api.cancel();
  await api.rollback();
  const own = { AutoScalingGroupName: "app-1" };
  expect(asked).toEqual([
    { action: "DescribeInstanceRefreshes", ...own },
    { action: "CancelInstanceRefresh", ...own, WaitForTransitioningInstances: false },
    { action: "RollbackInstanceRefresh", ...own },
  ]);
});

test("what failed or was cancelled since is said once, from every page until older ones come", async () => {
  const activity = (StatusCode: string, minute: number, StatusMessage: string, what = "Launching") => {
    const StartTime = new Date(`2026-01-01T00:0${minute}:00Z`);
    // AWS repeats the message there.
    const Description = StatusMessage ? `${what}.  Status Reason: ${StatusMessage}` : what;
    return { StatusCode, StartTime, Description, StatusMessage };
  };
  // What is in progress comes first, however old it is.
  const newest = [
    activity("InProgress", 0, "draining"),
    activity("InProgress", 4, "draining", "Terminating"),
    ...[activity("Failed", 5, "no capacity"), activity("Successful", 5, "")],
  ];
  const older = [
    activity("Failed", 4, "no capacity"),
    activity("Cancelled", 3, "Client.InvalidKMSKey.InvalidState"),
    activity("Failed", 1, "long ago"),
  ];
  const oldest = [activity("Failed", 1, "longer ago")];
  answers.DescribeScalingActivities = { NextToken: "1" };
  answers["DescribeScalingActivities 1"] = { Activities: newest, NextToken: "2" };
  answers["DescribeScalingActivities 2"] = { Activities: older, NextToken: "3" };
  answers["DescribeScalingActivities 3"] = { Activities: oldest, NextToken: "4" };
  expect(await failures(api, new Date("2026-01-01T00:03:00Z"))).toEqual([
    "Launching.  Status Reason: no capacity",
    "Launching.  Status Reason: Client.InvalidKMSKey.InvalidState",
  ]);
  expect(asked).toHaveLength(4);
  expect(asked[0]).toMatchObject({ AutoScalingGroupName: "app-1" });
  const started = new Date("2026-01-01T00:05:00Z");
  const [first, ...others] = await api.activities(new Date("2026-01-01T00:04:00Z"));
  expect(first).toEqual({ started, isLaunch: true, status: "Failed", text: "Launching.  Status Reason: no capacity" });
  expect(others.map(({ text, isLaunch }) => [text, isLaunch])).toEqual([
    ["Launching", true],
    ["Terminating.  Status Reason: draining", false],
    ["Launching.  Status Reason: no capacity", true],
  ]);
});

test("what is known of a machine ends with the command that reads its log; of machines, each has lines of its own", async () => {
  const lines = Array.from({ length: 20 }, (_, line) => `line ${line}`).join("\n");
  answers.GetConsoleOutput = { Output: Buffer.from(lines).toString("base64") };
  const known = await describeMachines(api, ["i-1"]);
  expect(known).toMatch(
    /^i-1 is not registered with the load balancer; the last lines of its console:\n {2}\| line 5\n/,
  );
  expect(known).toMatch(
    /\| line 19\nits log, which outlives the machine: aws logs tail machines --log-stream-names i-1 --since 1d --region ap-northeast-2 --profile dev$/,
  );
  expect(asked.at(-1)).toMatchObject({ InstanceId: "i-1", Latest: true });
  const several = await describeMachines(api, ["i-1", "i-2", "i-3", "i-4", "i-5"]);
  expect(several.match(/^(i-\d|and.*)/gm)).toEqual(["i-1", "i-2", "i-3", "and 2 more: i-4, i-5"]);
  answers.GetConsoleOutput = new Error("no");
  expect(await api.console("i-1")).toMatch(/^not readable .* --region ap-northeast-2 --instance-id i-1$/);
});

import { afterEach, beforeEach, expect, type Mock, test, vi } from "vitest";
import { type Activity, noLaunch } from "../../../components/fleet-api.ts";
import { refreshTo } from "../../../components/instance-refresh.ts";
import { FakeFleet } from "../../support/fake-fleet.ts";
import { awsError } from "../../support/sdk.ts";

let fleet: FakeFleet;
let told: string[];
/** The proof of every machine, which is asked for once all are replaced. */
let prove: Mock<(timeout: number) => Promise<unknown>>;

beforeEach(() => {
  vi.useFakeTimers();
  fleet = new FakeFleet().add("i-old");
  told = [];
  prove = vi.fn(async () => {});
});
afterEach(() => vi.useRealTimers());

/** A release to lt-1:2 after so many seconds, whether it is over, and how it ended: nothing, or the error's message. */
async function release(seconds: number, timeout = 60) {
  const log = (message: string) => void told.push(message);
  const options = { template: "lt-1:2", timeout, prove, log };
  const ended = refreshTo(fleet, options).catch((error: Error) => error.message);
  let isOver = false;
  void ended.then(() => (isOver = true));
  const after = async (seconds: number) => void (await vi.advanceTimersByTimeAsync(seconds * 1000));
  const succeeds = async () => {
    fleet.becomes("Successful");
    await after(2);
    expect(await ended).toBeUndefined();
  };
  await after(seconds);
  return { ended, after, succeeds, isOver: () => isOver };
}

/** How a release has ended after so many seconds. */
async function outcome(seconds: number, timeout?: number) {
  const { ended } = await release(seconds, timeout);
  return Promise.race([ended, "it goes on"]);
}

/** What a call does that comes just after the refresh has ended. */
const tooLate = () => {
  fleet.becomes("Successful");
  throw awsError("ActiveInstanceRefreshNotFoundFault");
};

test("a refresh to the version is started and waited for", async () => {
  const { ended, after, isOver } = await release(4);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  fleet.becomes("InProgress", { PercentageComplete: 50, StatusReason: "Waiting for i-new" });
  await after(4);
  expect(isOver()).toBe(false);
  fleet.becomes("Successful", { PercentageComplete: 100, StatusReason: undefined });
  await after(2);
  expect(await ended).toBeUndefined();
  expect(told).toEqual([
    "Pending, 0 %",
    "i-old is InService and healthy, of lt-1:1 instead of lt-1:2",
    "InProgress, 50 %: Waiting for i-new",
    "Successful, 100 %",
  ]);
});

test("when all are replaced, each machine proves itself once, in less time than Auto Scaling waits for it", async () => {
  fleet.add("i-new", { template: "lt-1:2" });
  const { after, succeeds } = await release(2);
  expect(prove).not.toHaveBeenCalled();
  // Scaling does not make the time longer for which Auto Scaling waits.
  fleet.add("i-3", { template: "lt-1:2" }).add("i-4", { template: "lt-1:2" });
  fleet.becomes("Baking", { PercentageComplete: 100 });
  await after(6);
  expect(prove).toHaveBeenCalledExactlyOnceWith(12);
  expect(fleet.list[0]?.Preferences?.BakeTime).toBe(27);
  await succeeds();
});

test("a machine that does not prove itself: the release is rolled back, and the group keeps its version", async () => {
  prove.mockRejectedValue(new Error('process (process.arch): expected arm64, got "x64"; i-new is healthy'));
  const { ended, after } = await release(2);
  fleet.add("i-new", { template: "lt-1:2" });
  fleet.becomes("Baking", { PercentageComplete: 100 });
  await after(4);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  expect(await ended).toBe(
    "the release failed: a machine did not prove itself; the refresh is RollbackSuccessful, and the group launches lt-1:1\n" +
      'process (process.arch): expected arm64, got "x64"; i-new is healthy',
  );
  expect(prove).toHaveBeenCalledOnce();
});

test("a release that was not proven and ended before it could be rolled back has failed", async () => {
  prove.mockRejectedValue(new Error("no answer"));
  fleet.on.rollback = tooLate;
  const { ended, after } = await release(2);
  fleet.becomes("Baking", { PercentageComplete: 100 });
  await after(4);
  expect(await ended).toMatch(
    /^the release failed: a machine did not prove itself; the refresh is Successful.*\nno answer$/,
  );
});

test("a rollback that goes on has time; one that stands still has not", async () => {
  fleet.on.rollback = () => fleet.becomes("RollbackInProgress");
  const { ended, after, isOver } = await release(62);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  for (const id of ["i-1", "i-2", "i-3"]) {
    await after(100);
    fleet.add(id);
  }
  // The last machine was seen two seconds later.
  await after(120);
  expect(isOver()).toBe(false);
  await after(2);
  expect(isOver()).toBe(true);
  expect(await ended).toContain("and its rollback is RollbackInProgress, 0 % after 120 s");
});

test("machines, and what Auto Scaling could not do, are shown as they change", async () => {
  const { after, succeeds } = await release(2);
  fleet.add("i-new", { template: "lt-1:2", state: "Pending", health: "" });
  fleet.messages = ["Launching a new EC2 instance: no capacity in ap-northeast-2a"];
  await after(8);
  fleet.add("i-new", { template: "lt-1:2", health: "initial" });
  await after(4);
  await succeeds();
  const old = "i-old is InService and healthy, of lt-1:1 instead of lt-1:2";
  expect(told.slice(1, -1)).toEqual([
    old,
    `${old}; i-new is Pending and not registered`,
    "Launching a new EC2 instance: no capacity in ap-northeast-2a",
    `${old}; i-new is InService and initial`,
  ]);
});

test("a refresh that is not listed yet is waited for, whatever has become of the one before it", async () => {
  fleet.refreshing("Failed", "lt-1:2");
  fleet.on.start = () => void vi.spyOn(fleet, "refreshes").mockResolvedValueOnce([...fleet.list]);
  const { ended, after } = await release(4);
  fleet.becomes("Successful");
  await after(4);
  expect(await ended).toBeUndefined();
});

test.each([
  ["is started where the group is of another version", { template: "lt-1:1", member: "lt-1:2" }, 1],
  ["is started where a machine is of another version", { template: "lt-1:2", member: "lt-1:1" }, 1],
  ["is started where the group is of another template", { template: "lt-2:2", member: "lt-1:2" }, 1],
  ["is not started where all are of the version already", { template: "lt-1:2", member: "lt-1:2" }, 0],
])("a refresh %s", async (_, { template, member }, starts) => {
  fleet = new FakeFleet();
  fleet.template = template;
  fleet.add("i-1", { template: member });
  const { ended, succeeds } = await release(0);
  expect(fleet.calls).toEqual(Array(starts).fill("start lt-1:2"));
  if (starts > 0) await succeeds();
  expect(await ended).toBeUndefined();
});

test("one to the same version that runs is waited for, since the up that began it was killed", async () => {
  // As it is begun where the group has no machine yet.
  fleet.refreshing("InProgress", "lt-1:2", { PercentageComplete: 20, Preferences: { BakeTime: 25 } });
  const { succeeds } = await release(2);
  await succeeds();
  expect(fleet.calls).toEqual([]);
  expect(told[0]).toBe("waiting for the refresh refresh-1, which an earlier run began");
});

test("one to another version is cancelled first, once; so is one that somebody begins then, and a cancelling that does not end is an error that says so", async () => {
  fleet.refreshing("InProgress", "lt-1:9");
  fleet.on.cancel = () => fleet.becomes("Cancelling");
  const { ended, after } = await release(6, 10);
  expect(fleet.calls).toEqual(["cancel"]);
  fleet.becomes("Cancelled");
  fleet.refreshing("InProgress", "lt-1:8");
  await after(6);
  expect(fleet.calls).toEqual(["cancel", "cancel"]);
  expect(told).toEqual([
    "cancelling the refresh refresh-1, which is for lt-1:9",
    "cancelling the refresh refresh-2, which is for lt-1:8",
  ]);
  await after(10);
  expect(await ended).toBe(
    "the refresh refresh-2 to lt-1:8 is still Cancelling after 10 s; it was cancelled, and no other was begun",
  );
});

test.each([
  ["would end without a proof", { Preferences: {} }],
  ["is for no launch template", { Preferences: undefined, DesiredConfiguration: undefined }],
])("one that %s is cancelled, and begun again", async (why, more) => {
  fleet.refreshing("InProgress", "lt-1:2", more);
  const { succeeds } = await release(2);
  expect(fleet.calls).toEqual(["cancel", "start lt-1:2"]);
  expect(told[0]).toBe(`cancelling the refresh refresh-1, which ${why}`);
  await succeeds();
});

test("one that ended just before it could be cancelled is in nobody's way", async () => {
  fleet.refreshing("InProgress", "lt-1:9");
  fleet.on.cancel = tooLate;
  const { succeeds } = await release(2);
  expect(fleet.calls).toEqual(["cancel", "start lt-1:2"]);
  await succeeds();
});

test("launches of the refresh before that failed say nothing about this one", async () => {
  fleet.refreshing("RollbackInProgress", "lt-1:9");
  const begun = Date.now();
  const { activities } = fleet;
  fleet.messages = ["Launching a new EC2 instance: no capacity"];
  fleet.activities = async (since) => (since.getTime() > begun ? [] : activities.call(fleet, since));
  const { after, succeeds } = await release(40);
  fleet.becomes("RollbackSuccessful");
  await after(20);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  await succeeds();
});

test("a rollback that runs is waited for as long as it goes on, then the version is tried again", async () => {
  fleet.refreshing("RollbackInProgress", "lt-1:2", { PercentageComplete: 100 });
  const { after, succeeds } = await release(118, 10);
  fleet.becomes("RollbackInProgress", { PercentageComplete: 50 });
  await after(118);
  expect(fleet.calls).toEqual([]);
  fleet.becomes("RollbackSuccessful");
  await after(2);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  await succeeds();
});

test("fails where another one does not end, and changes nothing", async () => {
  fleet.refreshing("Cancelling", "lt-1:9");
  expect(await outcome(10, 10)).toBe(
    "the refresh refresh-1 to lt-1:9 is still Cancelling after 10 s; nothing was changed",
  );
  expect(fleet.calls).toEqual([]);
});

test("somebody else's start at the same time is found, and waited for", async () => {
  fleet.on.start = () => {
    fleet.on.start = () => {};
    fleet.refreshing("InProgress", "lt-1:2");
    throw awsError("InstanceRefreshInProgressFault");
  };
  const { succeeds } = await release(4);
  await succeeds();
  expect(fleet.calls).toEqual(["start lt-1:2"]);
});

const failed = "booted\npulling\nhono-app: no such image\nhono-app: USER-DATA-FAILED\n";

test("a new machine whose user data failed ends it early: it is rolled back, and the error has its own words", async () => {
  fleet.on.rollback = () => fleet.becomes("RollbackInProgress");
  const { ended, after } = await release(2, 600);
  fleet.becomes("InProgress");
  const reason = "Target.FailedHealthChecks: Health checks failed";
  fleet.add("i-new", { template: "lt-1:2", health: "unhealthy", reason });
  fleet.consoles["i-new"] = failed;
  await after(6);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  fleet.becomes("RollbackSuccessful");
  await after(2);
  const message = await ended;
  expect(message).toContain(
    "the release failed: the user data of i-new failed; the refresh is RollbackSuccessful, and the group launches lt-1:1",
  );
  expect(message).toContain(`i-new is unhealthy (${reason}); the last lines of its console:\n  | booted`);
  expect(message).toContain("  | hono-app: no such image");
  expect(message).toContain("its log, which outlives the machine: tail i-new");
  expect(message).not.toContain("i-old");
});

test.each([
  ["an old machine's", "i-old", "lt-1:1", "unhealthy"],
  ["a healthy new machine's", "i-new", "lt-1:2", "healthy"],
] as const)("%s failure marker ends nothing", async (_, id, template, health) => {
  fleet = new FakeFleet().add("i-1");
  const { after, succeeds } = await release(0);
  fleet.add(id, { template, health });
  fleet.consoles[id] = failed;
  await after(20);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  await succeeds();
});

test("without progress it is rolled back at its deadline; progress puts that off", async () => {
  const { ended, after } = await release(18, 20);
  fleet.add("i-1", { template: "lt-1:2" }).add("i-2", { template: "lt-1:2", health: "unhealthy" });
  fleet.becomes("InProgress", { PercentageComplete: 50 });
  await after(18);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  await after(4);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  expect(told).toContain("rolling back: no progress in 20 s");
  await after(2);
  expect(await ended).toContain("the release failed: no progress in 20 s; the refresh is RollbackSuccessful");
});

test("where every new machine is healthy Auto Scaling has time, unless it cannot launch the next", async () => {
  const { ended, after } = await release(0, 20);
  fleet.add("i-new", { template: "lt-1:2" });
  await after(60);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  fleet.messages = ["Launching a new EC2 instance: VcpuLimitExceeded"];
  await after(4);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  expect(await ended).toBe(
    "the release failed: no progress in 20 s; the refresh is RollbackSuccessful, and the group launches lt-1:1\n" +
      "Launching a new EC2 instance: VcpuLimitExceeded",
  );
});

test("what cannot be read any more keeps nothing from being rolled back, and hides no reason", async () => {
  vi.spyOn(fleet, "activities").mockResolvedValueOnce([]).mockRejectedValue(new Error("Rate exceeded"));
  const { ended, after } = await release(2, 600);
  fleet.add("i-new", { template: "lt-1:2", health: "unhealthy" });
  fleet.consoles["i-new"] = failed;
  await after(6);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
  expect(await ended).toMatch(
    /^the release failed: the user data of i-new failed; .*\nnothing more can be read: Rate exceeded\ni-new is unhealthy; /,
  );
});

const refuse = () => {
  throw awsError("IrreversibleInstanceRefreshFault", "there is nothing to go back to");
};
test.each<[string, () => void, RegExp]>([
  ["is refused", refuse, / \(no progress in 4 s\), and so did its rollback: there is nothing to go back to\n/],
  ["does not end", () => {}, / \(no progress in 4 s\), and its rollback is Pending, 0 % after 120 s\n/],
  ["fails", () => fleet.becomes("RollbackFailed"), /: no progress in 4 s; the refresh is RollbackFailed, /],
])("a rollback that %s ends with both reasons", async (_, rollback, reasons) => {
  fleet.on.rollback = rollback;
  const message = await outcome(126, 4);
  expect(message).toMatch(/^the release failed/);
  expect(message).toMatch(reasons);
});

test("one that succeeded just before its rollback has succeeded", async () => {
  fleet.on.rollback = tooLate;
  expect(await outcome(6, 4)).toBeUndefined();
});

test.each(["Failed", "Cancelled", "RollbackSuccessful"] as const)(
  "%s, which is not our doing, is an error with AWS's reason, failed activities and machines",
  async (status) => {
    const { ended, after } = await release(0);
    fleet.add("i-new", { template: "lt-1:2", health: "" });
    fleet.messages = ["Launching a new EC2 instance: VcpuLimitExceeded"];
    fleet.becomes(status, { StatusReason: "an operator said so" });
    await after(2);
    const message = await ended;
    expect(message).toContain(`the release failed: ${status}: an operator said so; the refresh is ${status}`);
    expect(message).toContain("\nLaunching a new EC2 instance: VcpuLimitExceeded\n");
    expect(message).toContain("i-new is not registered with the load balancer; the last lines of its console:");
    expect(fleet.calls).toEqual(["start lt-1:2"]);
  },
);

test("where Auto Scaling launches no machine, it is rolled back when Auto Scaling has tried again, and not at its deadline", async () => {
  const failure = "Launching a new EC2 instance: VcpuLimitExceeded";
  fleet.messages = [failure];
  fleet.members = [];
  const { ended, after } = await release(58, 3600);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  await after(10);
  const problem = `Auto Scaling launches no machine: ${failure}`;
  expect(await ended).toContain(`the release failed: ${problem}`);
  expect(told).toEqual(["Pending, 0 %", failure, `rolling back: ${problem}`, "RollbackSuccessful, 0 %"]);
});

test("a machine that ends before it serves, and has no successor, is a launch that failed", async () => {
  const { ended, after } = await release(0, 3600);
  fleet.add("i-new", { template: "lt-1:2", state: "Pending", health: "" });
  fleet.messages = ["Launching a new EC2 instance: no capacity in ap-northeast-2a"];
  await after(64);
  expect(fleet.calls).toEqual(["start lt-1:2"]);
  fleet.members = fleet.members.filter(({ id }) => id !== "i-new");
  fleet.messages = [
    "Launching a new EC2 instance: i-new: Instance became unhealthy. Client.InvalidKMSKey.InvalidState",
  ];
  await after(10);
  expect(await ended).toContain(
    "the release failed: Auto Scaling launches no machine: Launching a new EC2 instance: i-new: Instance became unhealthy.",
  );
});

/** A launch that began so many seconds after the release. */
const launch = (seconds: number, status: Activity["status"]) => {
  return { started: new Date(1_000_000 + seconds * 1000), isLaunch: true, status, text: `at ${seconds} s: ${status}` };
};

test.each([
  [
    "failed twice, half a minute apart",
    [launch(30, "Failed"), launch(0, "Failed")],
    "Auto Scaling launches no machine: at 30 s: Failed",
  ],
  ["failed twice at about the same time", [launch(29, "Failed"), launch(0, "Failed")], undefined],
  ["failed once", [launch(60, "Failed")], undefined],
  // As AWS has been seen to do it where an account's first group is made: both zones are refused, then one after the other succeeds.
  [
    "failed before one that succeeded, and once after it",
    [launch(62, "Failed"), launch(61, "Successful"), launch(2, "Failed")],
    undefined,
  ],
  [
    "failed before the last one succeeded",
    [launch(178, "Successful"), launch(62, "Failed"), launch(2, "Failed")],
    undefined,
  ],
  ["failed once, as a termination did", [launch(60, "Failed"), { ...launch(0, "Failed"), isLaunch: false }], undefined],
])("launches that %s", async (_, seen, reason) => {
  fleet.activities = async () => seen;
  expect(await noLaunch(fleet, new Date(1_000_000))).toBe(reason);
});

test("where no machine of the version before is healthy either, it is cancelled: a rollback would not end", async () => {
  fleet.targets["i-old"] = { state: "unhealthy", reason: "" };
  const { ended, after } = await release(2);
  fleet.add("i-new", { template: "lt-1:2", health: "unhealthy" }).add("i-good", { template: "lt-1:2" });
  fleet.consoles["i-new"] = failed;
  await after(6);
  expect(fleet.calls).toEqual(["start lt-1:2", "cancel"]);
  expect(told).toContain("cancelling, since no machine of lt-1:1 is healthy either: the user data of i-new failed");
  expect(await ended).toContain("the refresh is Cancelled, and the group launches lt-1:1");
});

test("one healthy machine of the version before is enough for a rollback", async () => {
  fleet.targets["i-old"] = { state: "unhealthy", reason: "" };
  fleet.add("i-old-2");
  await outcome(64);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
});

test("a cancellation that is refused ends with both reasons", async () => {
  delete fleet.targets["i-old"];
  fleet.on.cancel = refuse;
  expect(await outcome(64)).toMatch(
    / \(no progress in 60 s\), and so did its cancellation: there is nothing to go back to\n/,
  );
});

test("old machines on their way out do not count: what was not proven is rolled back", async () => {
  prove.mockRejectedValue(new Error("no answer"));
  const { after } = await release(2);
  fleet.add("i-new", { template: "lt-1:2" });
  fleet.add("i-old", { state: "Terminating", health: "draining" });
  fleet.becomes("Baking", { PercentageComplete: 100 });
  await after(4);
  expect(fleet.calls).toEqual(["start lt-1:2", "rollback"]);
});

test("a rollback that stands still is cancelled, and the version is tried; the cancelling has its own time", async () => {
  fleet.refreshing("RollbackInProgress", "lt-1:9");
  fleet.on.cancel = () => {};
  // Nothing moves while a machine warms up.
  const { ended, after, isOver } = await release(118, 10);
  expect(fleet.calls).toEqual([]);
  await after(10);
  expect(told[0]).toBe("cancelling the refresh refresh-1, which has stood still in its rollback for 120 s");
  expect([fleet.calls, isOver()]).toEqual([["cancel"], false]);
  await after(6);
  expect(await ended).toContain("is still RollbackInProgress after 10 s; it was cancelled, and no other was begun");
  fleet.on.cancel = () => fleet.becomes("Cancelled");
  const next = await release(124, 10);
  expect(fleet.calls).toEqual(["cancel", "cancel", "start lt-1:2"]);
  await next.succeeds();
});

test("a group without room for a new machine says so", async () => {
  fleet.max = 1;
  expect(await outcome(64)).toContain(
    "no progress in 60 s; the group has 1 machines, its maximum, and no room for a new one: raise machinesMax;",
  );
});

test("AWS's own error is the error", async () => {
  fleet.on.start = fleet.on.cancel = () => {
    throw awsError("AccessDenied", `not authorized for ${fleet.calls.at(-1)}`);
  };
  expect(await outcome(0)).toBe("not authorized for start lt-1:2");
  fleet.refreshing("InProgress", "lt-1:9");
  expect(await outcome(0)).toBe("not authorized for cancel");
});

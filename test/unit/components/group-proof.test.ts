import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type GroupProof, proveGroup } from "../../../components/group-proof.ts";
import { FakeFleet } from "../../support/fake-fleet.ts";
import { expected, reportOf } from "../../support/report.ts";

let fleet: FakeFleet;
/** Who answers in turn, where not those that serve; an empty name hangs up. */
let answering: string[] | undefined;
let turn: number;
let answer: (id: string, nonce: string) => unknown;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  fleet = new FakeFleet();
  answering = undefined;
  turn = 0;
  answer = (id, nonce) => {
    const report = reportOf(id, nonce);
    return id.startsWith("i-other") ? { ...report, machine: { ...report.machine, architecture: "x86_64" } } : report;
  };
});
afterEach(() => vi.useRealTimers());

/** A proof after so many seconds. */
async function prove(seconds: number, timeout = 60, isScaling = false) {
  const ask = async (nonce: string) => {
    const asked = answering ?? fleet.serving;
    const id = asked[turn++ % asked.length];
    if (!id) throw new Error("socket hang up");
    return answer(id, nonce);
  };
  const options = { expected, template: "lt-1:1", ask, timeout, isScaling };
  const ended: Promise<GroupProof | string> = proveGroup(fleet, options).catch((error: Error) => error.message);
  const after = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);
  await after(seconds);
  return { ended, after };
}

/** What has come of a proof after so many seconds: the proof, or its error's message. */
async function outcome(seconds: number, timeout?: number, isScaling?: boolean) {
  const { ended } = await prove(seconds, timeout, isScaling);
  return Promise.race([ended, "it goes on"]);
}

test("every machine that answered is proven, each with its own id, in the order of their ids", async () => {
  fleet.add("i-2").add("i-1");
  const proofOf = (id: string) => ({
    id,
    zone: "a",
    proof: { ...expected, instanceId: id, verifiedAt: expect.stringMatching(/^\d{4}-/) },
  });
  expect(await outcome(1)).toEqual({ image: "arm64", machines: [proofOf("i-1"), proofOf("i-2")] });
});

test("the other group's machines behind the load balancer are no business of this one", async () => {
  fleet.add("i-1");
  fleet.targets["i-other"] = { state: "healthy", reason: "" };
  answering = ["i-other", "i-other", "i-other", "i-1"];
  expect(await outcome(1)).toMatchObject({ machines: [{ id: "i-1" }] });
});

test("a machine that scaling has just added is left out during a release, but not of a group that has too few", async () => {
  fleet.min = 2;
  fleet.add("i-1").add("i-2").add("i-new", { health: "initial" }).add("i-newer", { health: "" });
  expect(await outcome(1, 30, true)).toMatchObject({ machines: [{ id: "i-1" }, { id: "i-2" }] });
  fleet.min = 3;
  expect(await outcome(31, 30, true)).toContain(
    "2 machines in service, 3 needed; i-new is InService and initial; i-newer is InService and not registered\n",
  );
});

test("a group whose zones have changed is proven when none of its machines is where it was", async () => {
  fleet.zones = ["b", "c"];
  fleet.add("i-old");
  expect(await outcome(31, 30)).toContain("30 s; i-old is InService and healthy, in a instead of b or c\n");
  fleet.add("i-new", { zone: "b" });
  const { ended, after } = await prove(10);
  fleet.members.shift();
  await after(2);
  expect(await ended).toMatchObject({ machines: [{ id: "i-new", zone: "b" }] });
});

test("fails where one never answers, and says which, and what the load balancer and its console say", async () => {
  fleet.min = 2;
  fleet.add("i-1").add("i-2", { health: "unhealthy", reason: "Target.Timeout: Request timed out" });
  fleet.consoles["i-2"] = "booted\nlistening on port 81\n";
  const message = await outcome(31, 30);
  expect(message).toContain("time-out after 30 s; i-2 is InService and unhealthy\n");
  expect(message).toContain(
    "i-2 is unhealthy (Target.Timeout: Request timed out); the last lines of its console:\n  | booted\n  | listening on port 81",
  );
  expect(message).not.toContain("i-1 ");
});

test("fails where too few are in service, and says what Auto Scaling says", async () => {
  fleet.min = 2;
  fleet.add("i-1").add("i-2", { state: "Pending", health: "" });
  fleet.messages = ["Launching a new EC2 instance: no capacity"];
  expect(await outcome(31, 30)).toContain(
    "time-out after 30 s; 1 machines in service, 2 needed; i-2 is Pending and not registered\nLaunching a new EC2 instance: no capacity\n",
  );
});

test("fails soon where Auto Scaling launches no machine at all", async () => {
  fleet.messages = ["Launching a new EC2 instance: VcpuLimitExceeded"];
  const [failure] = fleet.messages;
  expect(await outcome(46, 3600)).toBe("it goes on");
  expect(await outcome(76, 3600)).toBe(
    `Auto Scaling launches no machine: ${failure}; 0 machines in service, 1 needed\n${failure}`,
  );
  // Neither where there are still those that it shall replace.
  fleet.zones = ["b"];
  fleet.add("i-old");
  expect(await outcome(76, 3600)).toContain(`Auto Scaling launches no machine: ${failure}; i-old is InService`);
});

test.each([
  ["one that it launched is on its way", () => fleet.add("i-1", { state: "Pending", health: "" })],
  ["enough are there, and do not answer", () => fleet.add("i-1").add("i-2")],
])("launches that fail are no reason to give up where %s", async (_, add) => {
  fleet.min = 2;
  fleet.messages = ["Launching a new EC2 instance: no capacity"];
  add();
  answering = [""];
  expect(await outcome(76, 3600)).toBe("it goes on");
});

test("a launch that failed in one zone, where another took its place, is no failure", async () => {
  fleet.zones = ["b"];
  fleet.messages = ["Launching a new EC2 instance: no capacity"];
  fleet.add("i-old").add("i-new", { zone: "b" });
  answering = ["i-new"];
  const { ended, after } = await prove(60, 90);
  fleet.members.shift();
  await after(2);
  expect(await ended).toMatchObject({ machines: [{ id: "i-new" }] });
});

test("fails soon where a machine's user data failed, with its words", async () => {
  fleet.add("i-1", { health: "unhealthy" });
  fleet.consoles["i-1"] = "no such image\nhono-app: USER-DATA-FAILED\n";
  expect(await outcome(16, 3600)).toMatch(/^the user data of i-1 failed; [\s\S]* {2}\| no such image/);
});

test("a machine that goes on trying, as one of an earlier up that had no way out, has two minutes", async () => {
  fleet.add("i-1", { health: "unhealthy" });
  fleet.consoles["i-1"] =
    "x: still failing: pull; trying again every 10 s\r\n[ 1.5] cloud-init[9]: x: USER-DATA-FAILED\r\nno";
  const { ended, after } = await prove(110, 3600);
  expect(await Promise.race([ended, "it goes on"])).toBe("it goes on");
  await after(30);
  expect(await ended).toMatch(/^the user data of i-1 failed/);
});

test("before the time-out the console is read of those machines alone that are new and not healthy", async () => {
  fleet.add("i-1").add("i-2", { health: "unhealthy" }).add("i-old", { template: "lt-1:0", health: "unhealthy" });
  fleet.add("i-3").consoles["i-old"] = "hono-app: USER-DATA-FAILED\n";
  answering = ["i-3", ""];
  const consoles = vi.spyOn(fleet, "console");
  expect(await outcome(16, 3600)).toBe("it goes on");
  expect(consoles.mock.calls).toEqual([["i-2"]]);
});

test("a machine that dies meanwhile is not asked for, its replacement is", async () => {
  fleet.add("i-1").add("i-2", { health: "unhealthy" });
  const { ended, after } = await prove(3);
  fleet.add("i-2", { state: "Terminating", health: "draining" }).add("i-3");
  await after(3);
  expect(await ended).toMatchObject({ machines: [{ id: "i-1" }, { id: "i-3" }] });
});

test.each([
  ["registered", { "i-stranger": { state: "healthy", reason: "" } }],
  ["not registered", {}],
] as const)("fails where a machine of no group answers, %s", async (_, registered) => {
  fleet.add("i-1");
  Object.assign(fleet.targets, registered);
  answering = ["i-stranger"];
  expect(await outcome(2)).toBe(
    "i-stranger answers behind the load balancer, but belongs to no Auto Scaling group of this stack",
  );
});

test("one that has left the group since it answered is no stranger", async () => {
  fleet.add("i-1").add("i-2", { state: "Pending", health: "" });
  answering = ["i-new"];
  const { ended, after } = await prove(0);
  fleet.add("i-new", { state: "Pending", health: "" });
  answering = ["i-1"];
  await after(0.15);
  fleet.members = fleet.members.filter(({ id }) => id === "i-1");
  expect(await after(1).then(() => ended)).toMatchObject({ machines: [{ id: "i-1" }] });
});

test.each<[string, () => void]>([
  ["in the group", () => fleet.add("i-new", { state: "Pending", health: "" })],
  ["leaving", () => Object.assign(fleet.targets, { "i-new": { state: "draining", reason: "" } })],
])("one that is %s by the next look is no stranger", async (_, appear) => {
  fleet.add("i-1");
  answering = ["i-new"];
  answer = (id, nonce) => {
    if (turn === 1) appear();
    answering = ["i-1", "i-new"];
    return reportOf(id, nonce);
  };
  expect(await outcome(1)).toMatchObject({ machines: [{ id: "i-1" }] });
});

test("a machine that contradicts is refused at once, with its console", async () => {
  fleet.add("i-1");
  answer = (id, nonce) => ({ ...reportOf(id, nonce), process: { architecture: "x64", elf: "x86_64" } });
  expect(await outcome(0, 3600)).toContain(
    'process (process.arch): expected arm64, got "x64"; running binary (ELF): expected aarch64, got "x86_64"; i-1 is healthy; the last lines of its console:\n  | booted',
  );
});

test("an answer to an earlier question proves nothing", async () => {
  fleet.add("i-1");
  answer = (id) => reportOf(id, "earlier");
  expect(await outcome(11, 10)).toContain("i-1: nonce: expected");
});

test.each([
  [1, 8],
  [21, 21],
  [100, 64],
])("with %i machines behind the load balancer there are %i questions at a time", async (machines, questions) => {
  fleet.add("i-1");
  for (let count = 1; count < machines; count++) fleet.targets[`i-other-${count}`] = { state: "healthy", reason: "" };
  answering = Object.keys(fleet.targets);
  expect(await outcome(0.1)).toMatchObject({ machines: [{ id: "i-1" }] });
  expect(turn).toBe(questions);
});

test("a machine of the version before, which answers once more, contradicts nothing", async () => {
  fleet.add("i-1").add("i-old", { template: "lt-1:0", state: "Terminating", health: "draining" });
  answering = ["i-old", "i-1"];
  answer = (id, nonce) =>
    id === "i-old"
      ? { ...reportOf(id, nonce), image: { architecture: "arm64", digest: "sha256:old" } }
      : reportOf(id, nonce);
  expect(await outcome(1)).toMatchObject({ machines: [{ id: "i-1" }] });
});

test("a load balancer that never answers is perhaps out of reach from here", async () => {
  fleet.add("i-1");
  answer = () => {
    throw new Error("/platform: The operation was aborted due to timeout");
  };
  expect(await outcome(11, 10)).toContain(
    "aborted due to timeout: the load balancer does not answer; perhaps its port cannot be reached from here (allowedCidrs, or a firewall on the way)\n",
  );
});

test("where nothing more can be read, the error still has its reason", async () => {
  fleet.add("i-1", { health: "unhealthy" });
  vi.spyOn(fleet, "activities").mockRejectedValue(new Error("Rate exceeded"));
  vi.spyOn(fleet, "console").mockRejectedValue(new Error("no console"));
  const unread = "nothing more can be read: ";
  expect(await outcome(11, 10)).toBe(
    `time-out after 10 s; i-1 is InService and unhealthy\n${unread}Rate exceeded\n${unread}no console`,
  );
});

test("a machine of another version is waited for, though it answers", async () => {
  fleet.add("i-1", { template: "lt-1:9" });
  expect(await outcome(11, 10)).toContain("i-1 is InService and healthy, of lt-1:9 instead of lt-1:1");
  expect(turn).toBe(8);
});

test("what keeps questions from being answered is in the error", async () => {
  fleet.add("i-1");
  fleet.targets["i-other"] = { state: "healthy", reason: "" };
  answering = ["", "i-other"];
  expect(await outcome(11, 10)).toContain("i-1 is InService and healthy; /platform: socket hang up\n");
  // Ten times a second, for nine and a half.
  expect(turn).toBe(8 * 95);
});

test("an answer that names no machine is nobody's", async () => {
  fleet.add("i-1");
  const odd = [null, {}, { machine: null }, { machine: { instanceId: 5 } }];
  answer = (id, nonce) => (odd.length > 0 ? odd.pop() : reportOf(id, nonce));
  expect(await outcome(1)).toMatchObject({ machines: [{ id: "i-1" }] });
});

test("a machine that has proven itself is not looked at again", async () => {
  fleet.add("i-1").add("i-2");
  answering = ["i-1"];
  const lies = () => ({ ...reportOf("i-1", ""), process: {} });
  const { ended, after } = await prove(0.05);
  answer = (id, nonce) => (id === "i-1" ? lies() : reportOf(id, nonce));
  answering = ["i-1", "i-2"];
  await after(1);
  expect(await ended).toMatchObject({ machines: [{ id: "i-1" }, { id: "i-2" }] });
});

test("where no machine can be asked, the group is looked at every second; every 15 seconds a line says what is awaited", async () => {
  fleet.add("i-1", { health: "initial" });
  const looks = vi.spyOn(fleet, "group");
  const consoles = vi.spyOn(fleet, "console");
  expect(await outcome(40, 40)).toMatch(/^time-out after 40 s; i-1 is InService and initial\n/);
  expect(looks).toHaveBeenCalledTimes(41);
  expect(consoles).toHaveBeenCalledTimes(3);
  expect(vi.mocked(process.stdout.write).mock.calls.map(([line]) => line)).toEqual(
    [15, 30].map((at) => `not proven after ${at} s, asking until 40 s: i-1 is InService and initial\n`),
  );
});

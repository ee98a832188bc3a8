import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GroupVerification } from "../../../components/group-verification.ts";
import { KeptAmi } from "../../../components/kept-ami.ts";
import { Rollout } from "../../../components/rollout.ts";
import { answeringFleet, FakeFleet } from "../../support/fake-fleet.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { listening } from "../../support/process.ts";
import { expected, image, reportOf } from "../../support/report.ts";
import { type Asked, awsError, changes } from "../../support/sdk.ts";

/** The group that AWS answers for, unless a test says otherwise; its machines answer at an address. */
let fleet: FakeFleet;
let answer: (action: string) => object;
let asked: Asked[];
let shown: string[];
/** Called when a machine is asked. */
let onQuestion: () => void;

beforeEach(async () => {
  await mock();
  fleet = new FakeFleet();
  fleet.template = "lt-1:2";
  answer = (action) => fleet.answer(action);
  asked = answeringFleet((action) => answer(action));
  shown = [];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => shown.push(String(text)) > 0);
  onQuestion = () => {};
  vi.useFakeTimers({ toFake: ["setTimeout", "Date"] }).setTimerTickMode("nextTimerAsync");
});
afterEach(() => vi.useRealTimers());

/** What the engine hands to a provider of a group, of which each healthy machine answers in turn. */
async function inputsOf(type: string) {
  let turn = 0;
  const address = await listening(({ url = "" }, response) => {
    onQuestion();
    const id = fleet.serving[turn++ % fleet.serving.length];
    response.end(JSON.stringify(reportOf(id, url.split("nonce=")[1] ?? null)));
  });
  return { ...only(type).inputs, address };
}

const type = (noun: string) => `pulumi-nodejs:dynamic/hono-app:${noun}`;
const group = {
  groupName: "app-1",
  targetGroupArn: "arn:targets",
  logGroup: "machines",
  region: "ap-northeast-2",
  timeout: 600,
  address: "balancer.example",
};

describe("Rollout", () => {
  beforeEach(() => settle(pulumi.output(new Rollout("app", { ...group, ...image, template: "lt-1:2" }).id)));

  test("hands on the group, the version and what machines must be, and its version is the template's", async () => {
    const { __provider, ...inputs } = only(type("Rollout")).inputs;
    expect(inputs).toEqual({ ...group, template: "lt-1:2", expected });
  });

  test("another version or group is rolled out; another time-out is not", async () => {
    const { inputs } = only(type("Rollout"));
    const changes = async (news: object) => {
      const { diff } = providerOf(inputs);
      return (await diff("id", inputs, { ...inputs, ...news })).changes;
    };
    expect(await changes({})).toBe(false);
    expect(await changes({ timeout: 30, region: "other", targetGroupArn: "other" })).toBe(false);
    // A refresh would read with the profile of the state.
    expect(await changes({ profile: "other" })).toBe(true);
    expect(await changes({ template: "lt-1:3" })).toBe(true);
    expect(await changes({ groupName: "app-2" })).toBe(true);
    expect(await changes({ size: 1 })).toBe(true);
  });

  test("a group that scales no more is set to its size, and one that scales is left as it is", async () => {
    const { inputs } = only(type("Rollout"));
    const { create, update } = providerOf(inputs);
    await create({ ...inputs, size: 1 });
    await update("app-1", { ...inputs, size: 1 }, inputs);
    await update("app-1", { ...inputs, size: 1, template: "lt-1:1" }, { ...inputs, size: 1 });
    expect(changes(asked)).toEqual([]);
    await update("app-1", inputs, { ...inputs, size: 1 });
    const resize = { action: "UpdateAutoScalingGroup", AutoScalingGroupName: "app-1", DesiredCapacity: 1 };
    expect(changes(asked)).toEqual([resize]);
  });

  test("what a refresh found on the group counts, not what was rolled out", async () => {
    const { inputs } = only(type("Rollout"));
    const { diff } = providerOf(inputs);
    expect(await diff("id", { ...inputs, template: "lt-1:9" }, inputs)).toEqual({ changes: true });
  });

  test("is over when every machine has proven itself, but for those that scaling has just added", async () => {
    fleet.add("i-1").add("i-2", { health: "initial" });
    onQuestion = () => fleet.becomes("Successful");
    const inputs = await inputsOf(type("Rollout"));
    const { create, update } = providerOf(inputs);
    fleet.refreshing("Baking", "lt-1:2");
    expect(await create(inputs)).toEqual({ id: "app-1", outs: inputs });
    fleet.refreshing("Baking", "lt-1:2");
    expect(await update("app-1", {}, inputs)).toEqual({ outs: inputs });
    expect(shown).toContain("app-1 to lt-1:2: waiting for the refresh refresh-2, which an earlier run began\n");
  });

  test("a refresh finds the version that the group has, or no group; what AWS refuses to say is an error", async () => {
    const { inputs } = only(type("Rollout"));
    const read = () => providerOf(inputs).read("app-1", inputs);
    fleet.template = "lt-1:9";
    expect(await read()).toEqual({ id: "app-1", props: { ...inputs, template: "lt-1:9" } });
    // A policy that goes last may have made the group larger again.
    fleet.size = 2;
    const sized = { ...inputs, size: 1 };
    expect((await providerOf(inputs).read("app-1", sized)).props).toMatchObject({ size: 2 });
    answer = () => ({ AutoScalingGroups: [] });
    expect(await read()).toEqual({});
    answer = () => {
      throw awsError("AccessDenied", "not authorized");
    };
    await expect(read()).rejects.toThrow("not authorized");
  });
});

describe("GroupVerification", () => {
  const args = { ...group, ...image, template: "lt-1:2", min: 2, subnetIds: ["subnet-a"] };
  beforeEach(() => settle(pulumi.output(new GroupVerification("app", args).id)));

  test("what machines must be comes from the architecture's table and the deployed digest", () => {
    const { __provider, ...inputs } = only(type("GroupVerification")).inputs;
    expect(inputs).toEqual({ ...group, template: "lt-1:2", min: 2, subnetIds: ["subnet-a"], expected });
  });

  test("another address, name, group, version, subnet or expectation is verified again; other machines are not", async () => {
    const { inputs } = only(type("GroupVerification"));
    const proof = { image: "arm64", machines: [{ id: "i-1" }] };
    const changes = async (news: object) => {
      const { diff } = providerOf(inputs);
      return (await diff("id", { ...inputs, proof }, { ...inputs, ...news })).changes;
    };
    expect(await changes({})).toBe(false);
    expect(await changes({ proof: { image: "arm64", machines: [{ id: "i-2" }, { id: "i-3" }] } })).toBe(false);
    expect(await changes({ timeout: 30 })).toBe(false);
    expect(await changes({ expected: Object.fromEntries(Object.entries(expected).reverse()) })).toBe(false);
    for (const key of ["profile", "address", "domain", "groupName", "template", "min", "subnetIds"]) {
      expect(await changes({ [key]: "other" }), key).toBe(true);
    }
    for (const key of Object.keys(expected)) {
      expect(await changes({ expected: { ...expected, [key]: "other" } }), key).toBe(true);
    }
  });

  test("every machine proves itself; a refresh asks again, and says since when those are proven that were before", async () => {
    fleet.add("i-1");
    const inputs = await inputsOf(type("GroupVerification"));
    const { create, update, read } = providerOf(inputs);
    const proofOf = (id: string, date: string) => {
      return { id, zone: "a", proof: { ...expected, instanceId: id, verifiedAt: `${date}T00:00:00.000Z` } };
    };
    const on = (date: string) => void vi.setSystemTime(date);
    const machines = [proofOf("i-1", "2026-01-01")];
    const outs = { ...inputs, proof: { image: "arm64", machines } };
    on("2026-01-01");
    expect(await create(inputs)).toEqual({ id: "app-1", outs });
    on("2026-01-01");
    expect(await update("app-1", {}, inputs)).toEqual({ outs });
    on("2026-01-02");
    fleet.add("i-2");
    fleet.add("i-3", { health: "initial" });
    const props = { ...outs, proof: { image: "arm64", machines: [...machines, proofOf("i-2", "2026-01-02")] } };
    expect(await read("app-1", outs)).toEqual({ id: "app-1", props });
  });

  test("a group that does not prove itself in ten seconds leaves the state, and the reason is shown", async () => {
    fleet.add("i-1", { health: "unhealthy" });
    const inputs = await inputsOf(type("GroupVerification"));
    expect(await providerOf(inputs).read("app-1", { ...inputs, proof: { machines: [] } })).toEqual({});
    expect(shown.join("")).toContain(
      `no longer verified: app-1 behind ${inputs.address} failed verification: time-out after 10 s; 0 machines in service, 1 needed; i-1 is InService and unhealthy`,
    );
  });

  test("a group that does not prove itself fails the up, which says what to do", async () => {
    fleet.add("i-1", { health: "unhealthy" });
    const inputs = { ...(await inputsOf(type("GroupVerification"))), timeout: 1 };
    const reason = /failed verification: time-out after 1 s;.*\nWhat to do: .*"A release of a fleet failed"$/s;
    await expect(providerOf(inputs).create(inputs)).rejects.toThrow(reason);
    await expect(providerOf(inputs).update("app-1", {}, inputs)).rejects.toThrow(reason);
  });
});

describe("KeptAmi", () => {
  beforeEach(() => settle(pulumi.output(new KeptAmi("app", { newest: "ami-2", occasion: "release 1" }).id)));

  const decide = async (olds: object, news: object = {}) => {
    const { inputs } = only(type("KeptAmi"));
    const { check, diff, update } = providerOf(inputs);
    const checked = (await check(olds as never, { ...inputs, ...news } as never)).inputs as { ami: string };
    const { changes } = await diff("id", olds, checked);
    expect(await update("id", olds, checked)).toEqual({ outs: checked });
    return { ami: checked.ami, changes };
  };

  test("the first one is the newest", async () => {
    const { inputs } = only(type("KeptAmi"));
    const { check, create } = providerOf(inputs);
    const first = { ...inputs, ami: "ami-2" };
    expect(await check({}, inputs)).toEqual({ inputs: first });
    expect(await create(first)).toEqual({ id: "ami-2", outs: first });
  });

  test("a newer one alone changes nothing; with a release it is taken", async () => {
    const { inputs } = only(type("KeptAmi"));
    const olds = { ...inputs, newest: "ami-1", ami: "ami-1" };
    expect(await decide(olds)).toEqual({ ami: "ami-1", changes: false });
    expect(await decide(olds, { occasion: "release 2" })).toEqual({ ami: "ami-2", changes: true });
  });
});

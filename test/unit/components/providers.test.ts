import { EC2Client } from "@aws-sdk/client-ec2";
import * as pulumi from "@pulumi/pulumi";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GroupVerification } from "../../../components/group-verification.ts";
import { KeptAmi } from "../../../components/kept-ami.ts";
import { Rollout } from "../../../components/rollout.ts";
import { Verification } from "../../../components/verification.ts";
import { answeringFleet, FakeFleet } from "../../support/fake-fleet.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";
import { listening } from "../../support/process.ts";
import { expected, reportOf } from "../../support/report.ts";
import { type Asked, awsError, changes } from "../../support/sdk.ts";

// The providers of the program's own resources, but for ImageIndex's, by what the engine hands to them.

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

const common = { logGroup: "machines", region: "ap-northeast-2", timeout: 600 };
const group = { ...common, groupName: "app-1", targetGroupArn: "arn:targets", address: "balancer.example" };
const groupArgs = { ...group, template: "lt-1:2" };
const ofMachine = { ...expected, instanceId: "i-1" };

const made = {
  Verification: () => new Verification("app", { ...common, expected, url: "http://203.0.113.7", instanceId: "i-1" }),
  Rollout: () => new Rollout("app", { ...groupArgs, expected }),
  GroupVerification: () => new GroupVerification("app", { ...groupArgs, expected, min: 2, subnetIds: ["subnet-a"] }),
  KeptAmi: () => new KeptAmi("app", { newest: "ami-2", amiUpdate: "keep", occasion: "release 1" }),
};

/** Registers a resource. @returns Its provider, and what the engine hands to that. */
async function of(noun: keyof typeof made) {
  await settle(pulumi.output(made[noun]().id));
  const { __provider, ...inputs } = only(`pulumi-nodejs:dynamic/hono-app:${noun}`).inputs;
  return [providerOf({ __provider }), inputs] as const;
}

/** The same where each healthy machine answers in turn, at an address; where none is, somebody fails there. */
async function running(noun: keyof typeof made) {
  const [provider, inputs] = await of(noun);
  let turn = 0;
  const address = await listening(({ url = "" }, response) => {
    onQuestion();
    const id = fleet.serving[turn++ % fleet.serving.length];
    if (id === undefined) response.statusCode = 503;
    response.end(JSON.stringify(reportOf(id, url.split("nonce=")[1] ?? null)));
  });
  const where = noun === "Verification" ? { url: `http://${address}`, timeout: 11 } : { address };
  return [provider, { ...inputs, ...where }, address] as const;
}

test.each<[keyof typeof made, handed: object, keys: string[], facts: object]>([
  ["Verification", { ...common, url: "http://203.0.113.7", expected: ofMachine }, ["profile", "url"], ofMachine],
  ["Rollout", { ...groupArgs, expected }, ["profile", "groupName", "template", "size"], {}],
  [
    "GroupVerification",
    { ...groupArgs, min: 2, subnetIds: ["subnet-a"], expected },
    ["profile", "address", "domain", "groupName", "template", "min", "subnetIds"],
    expected,
  ],
])(
  "%s is handed what its machines must be, and is done again where it is another",
  async (noun, handed, keys, facts) => {
    const [{ diff }, inputs] = await of(noun);
    expect(inputs).toEqual(handed);
    // What was proven before is none of it.
    const changes = async (news: object) =>
      (await diff("id", { ...inputs, proof: {} }, { ...inputs, ...news })).changes;
    const reversed = Object.fromEntries(Object.entries(inputs.expected as object).reverse());
    const others = { timeout: 30, logGroup: "other", region: "other", targetGroupArn: "other" };
    for (const same of [{}, others, { expected: reversed }, { proof: { image: "arm64" } }]) {
      expect(await changes(same), JSON.stringify(same)).toBe(false);
    }
    // A refresh reads with the profile of the state.
    const expectations = Object.keys(facts).map((fact) => ({ expected: { ...facts, [fact]: "other" } }));
    for (const other of [...keys.map((key) => ({ [key]: "other" })), ...expectations]) {
      expect(await changes(other), JSON.stringify(other)).toBe(true);
    }
  },
);

describe("Verification", () => {
  test("a machine that proves itself is in the state under its id; a refresh keeps when that was", async () => {
    fleet.add("i-1");
    const [{ create, update, read }, inputs] = await running("Verification");
    const outs = { ...inputs, proof: { ...ofMachine, verifiedAt: expect.stringMatching(/^\d{4}-/) } };
    expect(await create(inputs)).toEqual({ id: "i-1", outs });
    expect(await update("i-1", {}, inputs)).toEqual({ outs });
    const verifiedAt = "2026-01-01T00:00:00.000Z";
    expect(await read("i-1", { ...inputs, proof: { verifiedAt } })).toEqual({
      id: "i-1",
      props: { ...inputs, proof: { ...ofMachine, verifiedAt } },
    });
  });

  test("a machine that does not prove itself fails the up with its console, and leaves the state in a refresh, which waits 10 s", async () => {
    answer = () => ({ Output: Buffer.from("booted\n").toString("base64") });
    const [{ create, read }, inputs] = await running("Verification");
    const log = "its log, which outlives the machine: aws logs tail machines --log-stream-names i-1 --since 1d";
    const failure = `i-1 at ${inputs.url} failed verification: time-out after`;
    const problem = "/platform: answered 503\nthe last lines of its console:\n  | booted\n";
    const reason = `${failure} 11 s; ${problem}${log} --region ap-northeast-2\nWhat to do: `;
    await expect(create(inputs)).rejects.toThrow(reason);
    await expect(create({ ...inputs, timeout: 1, region: "eu-west-1", profile: "dev" })).rejects.toThrow("booted");
    const { config } = vi.mocked(EC2Client.prototype.send).mock.contexts.at(-1) as EC2Client;
    expect([await config.region(), config.profile]).toEqual(["eu-west-1", "dev"]);
    shown = [];
    expect(await read("i-1", { ...inputs, proof: {} })).toEqual({});
    expect(shown).toEqual([expect.stringContaining(`no longer verified: ${failure} 10 s; /platform: answered 503`)]);
  });
});

describe("Rollout", () => {
  test("a group that scales no more is set to its size, and one that scales is left as it is", async () => {
    const [{ create, update }, inputs] = await of("Rollout");
    await create({ ...inputs, size: 1 });
    await update("app-1", { ...inputs, size: 1 }, inputs);
    await update("app-1", { ...inputs, size: 1, template: "lt-1:1" }, { ...inputs, size: 1 });
    expect(changes(asked)).toEqual([]);
    await update("app-1", inputs, { ...inputs, size: 1 });
    const resize = { action: "UpdateAutoScalingGroup", AutoScalingGroupName: "app-1", DesiredCapacity: 1 };
    expect(changes(asked)).toEqual([resize]);
  });

  test("is over when every machine has proven itself, but for those that scaling has just added", async () => {
    fleet.add("i-1").add("i-2", { health: "initial" });
    onQuestion = () => fleet.becomes("Successful");
    const [{ create, update }, inputs] = await running("Rollout");
    fleet.refreshing("Baking", "lt-1:2");
    expect(await create(inputs)).toEqual({ id: "app-1", outs: inputs });
    fleet.refreshing("Baking", "lt-1:2");
    expect(await update("app-1", {}, inputs)).toEqual({ outs: inputs });
    expect(shown).toContain("app-1 to lt-1:2: waiting for the refresh refresh-2, which an earlier run began\n");
  });

  test("a refresh finds the version that the group has, or no group; what AWS refuses to say is an error", async () => {
    const [{ read }, inputs] = await of("Rollout");
    fleet.template = "lt-1:9";
    expect(await read("app-1", inputs)).toEqual({ id: "app-1", props: { ...inputs, template: "lt-1:9" } });
    // A policy that goes last may have made the group larger again.
    fleet.size = 2;
    expect((await read("app-1", { ...inputs, size: 1 })).props).toMatchObject({ size: 2 });
    answer = () => ({ AutoScalingGroups: [] });
    expect(await read("app-1", inputs)).toEqual({});
    answer = () => {
      throw awsError("AccessDenied", "not authorized");
    };
    await expect(read("app-1", inputs)).rejects.toThrow("not authorized");
  });
});

describe("GroupVerification", () => {
  test("every machine proves itself; a refresh asks again, and says since when those are proven that were before", async () => {
    fleet.add("i-1");
    const [{ create, update, read }, inputs] = await running("GroupVerification");
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
    // A refresh leaves out a machine that is still starting; an up does not.
    await expect(create({ ...inputs, timeout: 1 })).rejects.toThrow(
      /time-out after 1 s; .*i-3 is InService and initial/,
    );
  });

  test("a group that does not prove itself fails the up, which says what to do, and leaves the state after ten seconds", async () => {
    fleet.add("i-1", { health: "unhealthy" });
    const [{ create, update, read }, inputs, address] = await running("GroupVerification");
    const reason = /failed verification: time-out after 1 s;.*\nWhat to do: .*"A release of a fleet failed"$/s;
    await expect(create({ ...inputs, timeout: 1 })).rejects.toThrow(reason);
    await expect(update("app-1", {}, { ...inputs, timeout: 1 })).rejects.toThrow(reason);
    expect(await read("app-1", { ...inputs, proof: { machines: [] } })).toEqual({});
    expect(shown.join("")).toContain(
      `no longer verified: app-1 behind ${address} failed verification: time-out after 10 s; 0 machines in service, 1 needed; i-1 is InService and unhealthy`,
    );
    answer = () => ({});
    const unknown = "app-1 behind app.example failed verification: the group app-1 does not exist\n";
    await expect(create({ ...inputs, domain: "app.example" })).rejects.toThrow(unknown);
  });
});

test("KeptAmi: the first AMI is the newest; a newer one alone changes nothing, unless it is to be taken at once, and is taken with a release", async () => {
  const [{ check, create, diff, update }, inputs] = await of("KeptAmi");
  const first = { ...inputs, ami: "ami-2" };
  expect(await check({}, inputs)).toEqual({ inputs: first });
  expect(await create(first)).toEqual({ id: "ami-2", outs: first });
  const olds = { ...inputs, newest: "ami-1", ami: "ami-1" };
  for (const [news, decided] of [
    [{}, { ami: "ami-1", changes: false }],
    [{ amiUpdate: "latest" }, { ami: "ami-2", changes: true }],
    [
      { amiUpdate: "latest", newest: "ami-1" },
      { ami: "ami-1", changes: false },
    ],
    [{ occasion: "release 2" }, { ami: "ami-2", changes: true }],
    [
      { occasion: "release 2", newest: "ami-1" },
      { ami: "ami-1", changes: true },
    ],
  ] as const) {
    const checked = (await check(olds, { ...inputs, ...news })).inputs;
    expect({ ami: checked.ami, ...(await diff("id", olds, checked)) }).toEqual(decided);
    expect(await update("id", olds, checked)).toEqual({ outs: checked });
  }
  const latest = { ...olds, amiUpdate: "latest" };
  expect((await check(latest, inputs)).inputs.ami, "no longer to be taken at once").toBe("ami-1");
});

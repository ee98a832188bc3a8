import timers from "node:timers/promises";
import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { localAddressOf, toLocalAddress } from "../../../local/address.ts";
import { provider, type Resource } from "../../../local/providers/aws/provider.ts";
import {
  compare,
  encodeDocuments,
  type Flag,
  type Inputs,
  keepSecrets,
  leaves,
  merge,
  type Props,
  refresh,
  same,
} from "../../../local/providers/aws/values.ts";
import { secret } from "../../support/mocks.ts";
import { everywhere } from "../../support/process.ts";

const inputs: Inputs = {
  name: ["replace"],
  policy: ["json"],
  groups: ["set"],
  "disk.size": [],
  "disk.encrypted": ["replace"],
  "filters.value": ["replace"],
  "options.size": [],
  tags: [],
};

describe("an address of the local cloud", () => {
  test("is that of the public address, and of the private one of what has no public address", () => {
    const PrivateIpAddress = "10.0.129.4";
    expect(localAddressOf({ PublicIpAddress: "54.214.7.9", PrivateIpAddress }, "127.18")).toBe("127.18.7.9");
    expect(localAddressOf({ PrivateIpAddress }, "127.18")).toBe("127.18.129.4");
    expect(() => localAddressOf({}, "127.18")).toThrow('not an IPv4 address: ""');
  });

  test("refuses what is no address, and a prefix outside of loopback", () => {
    expect(() => toLocalAddress("ec2.example", "127.18")).toThrow('"ec2.example"');
    expect(() => toLocalAddress("54.214.7.9", "10.0")).toThrow("LOCAL_CLOUD_PREFIX");
  });
});

describe("inputs", () => {
  test("names properties that are not known, nested ones and those in lists too", () => {
    const given = { name: "a", size: 1, disk: { size: 1, iops: 3 }, filters: [{ value: "x" }, { kind: "y" }] };
    expect(leaves(inputs, given).unknown).toEqual(["size", "disk.iops", "filters[1].kind"]);
  });

  test.each<[flags: Flag[], one: unknown, other: unknown, isSame: boolean]>([
    [["json"], '{"a":1,"b":[2,3]}', '{ "b": [2, 3], "a": 1 }', true],
    [["json"], "[1,2]", "[2,1]", false],
    [["json"], "text", '"text"', false],
    [["json"], { a: 1 }, { a: 1 }, true],
    [["set"], ["x", "y"], ["y", "x"], true],
    [["set"], ["x"], ["y"], false],
    [[], ["x", "y"], ["y", "x"], false],
    [[], "1.0", "1", false],
    [[], { a: 1, b: undefined }, { a: 1 }, true],
    [[], null, undefined, false],
  ])("with the flags %j, as %j and %j, are the same: %j", (flags, one, other, isSame) => {
    expect(same(flags, one, other)).toBe(isSame);
  });

  test("are the same in another order or spelling, and with or without a secret's wrapping", () => {
    const before = { policy: '{"a":1}', groups: ["x", "y"], tags: { k: "v" } };
    const after = { policy: secret('{ "a": 1 }'), groups: ["y", secret("x")], tags: secret({ k: secret("v") }) };
    expect(compare(inputs, before, after)).toEqual({ changed: [], replaces: [] });
  });

  test.each([
    ["disk", { size: 8, encrypted: true }, { size: 9, encrypted: true }, false],
    ["disk", { size: 8, encrypted: true }, { size: 8 }, true],
    ["filters", [{ value: "a" }], [{ value: "a" }, { value: "b" }], true],
    // Until a value is known, all that may be in it counts.
    ["tags", { k: "v" }, { k: unknownValue }, false],
    ["disk", { size: 8 }, unknownValue, true],
    ["options", { size: 8 }, unknownValue, false],
  ])("update or replace, by what differs inside: %s, from %j to %j", (name, before, after, isReplaced) => {
    const replaces = isReplaced ? [name] : [];
    expect(compare(inputs, { [name]: before }, { [name]: after })).toEqual({ changed: [name], replaces });
  });

  test("are refreshed from AWS, and keep the program's spelling where it means the same", () => {
    const declared = {
      policy: '{ "a": 1 }',
      groups: ["b", "a"],
      disk: { size: 8, encrypted: true },
      name: "n",
      filters: [{ value: "a" }],
      tags: secret({ k: "v" }),
    };
    const live = {
      policy: '{"a":1}',
      groups: ["a", "b"],
      disk: { size: 9, iops: 3 },
      other: 1,
      filters: [{ value: "b", kind: "x" }, { value: "c" }],
      tags: { k: "v" },
    };
    const found = { disk: { size: 9, encrypted: true }, filters: [{ value: "b" }, { value: "c" }] };
    expect(refresh(inputs, declared, live)).toEqual({ ...declared, ...found });
  });

  test("are not refreshed by what cannot be compared, nor a secret by the same in the open", () => {
    const declared = { disk: { size: 8 }, filters: [{ value: "a" }] };
    expect(refresh(inputs, declared, { disk: null, filters: { value: "b" } })).toEqual(declared);
    for (const value of [[{ value: "a" }], { value: "a" }]) {
      expect(refresh(inputs, { filters: secret(value) }, { filters: value })).toEqual({ filters: secret(value) });
    }
  });

  test("get the tags that someone added, where there are any", () => {
    for (const tags of [{ by: "hand" }, {}, undefined]) {
      expect(refresh(inputs, { name: "n" }, { tags })).toEqual({ name: "n", ...(tags?.by && { tags }) });
    }
  });

  test("that are documents become text once they are known, and other objects do not", () => {
    const others = { tags: { k: "v" }, unknown: { a: 1 }, name: "n" };
    const encode = (policy: unknown) => encodeDocuments(inputs, { policy, ...others });
    expect(encode({ a: [1] })).toEqual({ policy: '{"a":[1]}', ...others });
    expect(encode({ a: unknownValue })).toEqual({ policy: unknownValue, ...others });
    for (const policy of [{ a: [1] }, '{"a":[1]}']) {
      expect(encode(secret(policy))).toEqual({ policy: secret('{"a":[1]}'), ...others });
    }
  });

  test("stand over what AWS has, object by object", () => {
    const live = { disk: { size: 8, iops: 3 }, policy: "{}", tags: { a: "b" }, arn: "x" };
    const given = { disk: { size: 9 }, policy: {}, tags: unknownValue };
    expect(merge(live, given)).toEqual({ ...given, disk: { size: 9, iops: 3 }, arn: "x" });
  });

  test("stay secret in the outputs", () => {
    const outputs = { policy: "p", name: "n", arn: "x" };
    const wrapped = { ...outputs, policy: secret("p") };
    expect(keepSecrets(outputs, { policy: secret("p"), name: "n" })).toEqual(wrapped);
  });
});

describe("the provider", () => {
  beforeEach(() => {
    vi.stubEnv("AWS_REGION", "ap-northeast-2");
  });

  const role: Resource = {
    label: "IAM Role",
    cloudFormation: { type: "AWS::IAM::Role", names: { name: "RoleName", policy: "AssumeRolePolicyDocument" } },
    autoName: 20,
    inputs: { name: ["replace"], policy: ["required", "json"], tags: [] },
    create: async () => "id",
    read: async (_id, { name }) => (name === "gone" ? undefined : { name, policy: "live", tags: {} }),
    list: async () => [],
    delete: async (id) => {
      attempts += 1;
      if (attempts > 1 && id === "left") return;
      if (attempts > 1) vi.setSystemTime(Date.now() + 20 * 60_000);
      throw Object.assign(new Error("must go first."), { name: "x", Error: { Code: "DependencyViolation" } });
    },
  };
  let attempts = 0;
  const aws = provider("7.48.0", { "aws:iam/role:Role": role }, {}, async () => {});
  const urn = "urn:pulumi:dev::app::my:index:Parent$aws:iam/role:Role::graviton";

  test("names as pulumi-aws does, keeps the name, and refuses one that is too long with it", async () => {
    const first = await aws.check?.(urn, {}, { policy: "p" });
    expect(first?.inputs.name).toMatch(/^graviton-[0-9a-f]{7}$/);
    expect((await aws.check?.(urn, first?.inputs, { policy: "p" }))?.inputs.name).toBe(first?.inputs.name);
    const long = await aws.check?.(`${urn}-and-much-more`, {}, { policy: "p" });
    const reason = "name 'graviton-and-much-more-' plus 7 random chars is longer than maximum length 20";
    expect(long?.failures).toEqual([{ property: "name", reason }]);
  });

  test("refuses what is unknown or missing by name, and another region", async () => {
    const result = await aws.check?.(urn, {}, { polcy: "p", __defaults: [] });
    expect(result?.failures?.map(({ property }) => property)).toEqual(["polcy", "policy"]);
    await expect(aws.check?.(urn, {}, { policy: "p", region: "us-east-1" })).rejects.toThrow("us-east-1");
    await expect(aws.check?.("urn:pulumi:dev::app::aws:s3/bucket:Bucket::b", {}, {})).rejects.toThrow(
      "aws:s3/bucket:Bucket",
    );
    await expect(aws.invoke?.("aws:ec2/getVpc:getVpc", {})).rejects.toThrow("aws:ec2/getVpc:getVpc");
  });

  test("refuses what AWS would refuse, where it is new or changed", async () => {
    const policy = '{"Statement":[]}';
    const check = async (before: object, description: string) =>
      (await aws.check?.(urn, before, { name: "n", policy, tags: { description } }))?.failures ?? [];
    const long = "d".repeat(257);
    const [failure, ...others] = await check({ name: "n", policy }, long);
    expect(others).toEqual([]);
    expect(failure?.property).toBe("tags");
    expect(failure?.reason).toMatch(
      /^AWS refuses it: Tags.0.Value of AWS::IAM::Role is "d+…, and must NOT have more than 256/,
    );
    expect(await check({ name: "n", policy }, "short")).toEqual([]);
    expect(await check({ name: "n", policy, tags: { description: long } }, long)).toEqual([]);
  });

  test("compares what is computed, where it is not given, with what its state has", async () => {
    const group = { ...role, computed: ["policy"] };
    const { diff } = provider("", { "aws:iam/role:Role": group }, {}, async () => {});
    const changes = async (before: object, state: string, after: object) =>
      (await diff?.("id", urn, { __inputs: before, policy: state }, after))?.changes;
    expect(await changes({ policy: "a" }, "a", {})).toBe(false);
    expect(await changes({}, "a", { policy: "a" })).toBe(false);
    expect(await changes({}, "a", { policy: "b" })).toBe(undefined);
  });

  test("deletes first only what was given its name by the program", async () => {
    const replace = (before: string, after: string, name: string) =>
      aws.diff?.("id", urn, { __inputs: { name, tags: before } }, { name, tags: after });
    expect(await replace("a", "b", "mine")).toMatchObject({ changes: undefined, deleteBeforeReplace: true });
    expect(await replace("a", "b", "graviton-0123abc")).toMatchObject({
      changes: undefined,
      deleteBeforeReplace: false,
    });
    expect(await replace("a", "a", "mine")).toMatchObject({ changes: false });
    const renamed = aws.diff?.("id", urn, { __inputs: { name: "mine" } }, { name: "mine-too" });
    expect(await renamed).toMatchObject({ replaces: ["name"], deleteBeforeReplace: true });
  });

  test("deletes first, where only some inputs ask for it, unless another one makes it another thing", async () => {
    const inputs: Inputs = { subnet: ["replace"], table: ["replace"] };
    const link = { ...role, autoName: 0, inputs, deleteBeforeReplace: ["table"] };
    const { diff } = provider("", { "aws:iam/role:Role": link }, {}, async () => {});
    const isFirst = async (news: Props) =>
      (await diff?.("id", urn, { __inputs: { subnet: "a", table: "a" } }, news))?.deleteBeforeReplace;
    expect(await isFirst({ subnet: "a", table: "b" })).toBe(true);
    expect(await isFirst({ subnet: "b", table: "b" })).toBe(false);
  });

  test("reads a deleted resource as gone, and an existing one with its live values", async () => {
    expect((await aws.read?.("id", urn, { __inputs: { name: "gone" } }))?.id).toBe("");
    const found = await aws.read?.("id", urn, { __inputs: { name: "n", policy: "p" } });
    expect(found).toMatchObject({ id: "id", inputs: { name: "n", policy: "live" }, props: { policy: "live" } });
  });

  test("deletes what is still in use when that is gone, and gives up after 20 minutes", async () => {
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ["Date"] });
    everywhere(vi.spyOn(timers, "setTimeout").mockResolvedValue(undefined));
    attempts = 0;
    await aws.delete?.("left", urn, {});
    expect(attempts).toBe(2);
    attempts = 0;
    await expect(aws.delete?.("used", urn, {})).rejects.toThrow(
      "deleting IAM Role (graviton): DependencyViolation: must go first.",
    );
    expect(attempts).toBe(2);
  });

  test("removes the tags that are gone", async () => {
    const retag = vi.fn();
    const { update } = provider("", { "aws:iam/role:Role": { ...role, retag } }, {}, async () => {});
    const inputs = (tags: object) => ({ name: "n", policy: "p", tags });
    await update?.("id", urn, inputs({ app: "a", gone: "b" }), inputs({ app: "a", more: "c" }));
    expect(retag).toHaveBeenCalledExactlyOnceWith("id", { app: "a", more: "c" }, ["gone"], expect.anything());
  });

  test.each([false, true])(
    "takes a refused update as made, unless its type keeps the state: %j",
    async (keepsState) => {
      const update = () => Promise.reject(Object.assign(new Error("no"), { name: "AccessDenied" }));
      const types = { "aws:iam/role:Role": { ...role, keepsState, update } };
      const { diff, ...refusing } = provider("", types, {}, async () => {});
      const [olds, news] = [{ arn: "x", policy: "a", __inputs: { policy: "a" } }, { policy: "b" }];
      const error: Props = await refusing.update?.("id", urn, olds, news).catch((refusal) => refusal);
      const { message, id, reasons, properties = olds } = error;
      expect(message).toBe("updating IAM Role (graviton): AccessDenied: no");
      expect([id, reasons]).toEqual(keepsState ? [undefined, undefined] : ["id", [message]]);
      expect(properties.arn).toBe("x");
      expect((await diff?.("id", urn, properties, news))?.changes).toBe(keepsState ? undefined : false);
    },
  );
});

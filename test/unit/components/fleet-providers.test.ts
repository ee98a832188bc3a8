import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, test } from "vitest";
import { architectures } from "../../../components/architecture.ts";
import { GroupVerification } from "../../../components/group-verification.ts";
import { KeptAmi } from "../../../components/kept-ami.ts";
import { Rollout } from "../../../components/rollout.ts";
import { mock, only, providerOf, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

const type = (noun: string) => `pulumi-nodejs:dynamic/hono-app:${noun}`;
const group = {
  groupName: "app-1",
  targetGroupArn: "arn:targets",
  logGroup: "machines",
  region: "ap-northeast-2",
  timeout: 600,
  address: "balancer.example",
};
const image = {
  digest: "sha256:index",
  configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
  architecture: architectures.intel,
};
/** What machines must be: from the architecture's table and the deployed digest. */
const expected = {
  machine: "x86_64",
  image: "amd64",
  process: "x64",
  digest: "sha256:index",
  imageId: "sha256:amd64",
};

describe("Rollout", () => {
  beforeEach(() => settle(pulumi.output(new Rollout("app", { ...group, ...image, template: "lt-1:2" }).id)));

  test("hands on the group, the version and what machines must be, and its version is the template's", async () => {
    const { __provider, ...inputs } = only(type("Rollout")).inputs;
    expect(inputs).toEqual({ ...group, template: "lt-1:2", expected });
  });

  test("another version or group is rolled out, and so is what other code rolled out; another time-out is not", async () => {
    const { inputs } = only(type("Rollout"));
    const changes = async (news: object) => {
      const { diff } = providerOf(inputs);
      return (await diff("id", inputs, { ...inputs, ...news })).changes;
    };
    expect(await changes({})).toBe(false);
    expect(await changes({ timeout: 30, profile: "other", region: "other", targetGroupArn: "other" })).toBe(false);
    expect(await changes({ template: "lt-1:3" })).toBe(true);
    expect(await changes({ groupName: "app-2" })).toBe(true);
    expect(await changes({ __provider: "other" })).toBe(true);
  });

  test("what a refresh found on the group counts, not what was rolled out", async () => {
    const { inputs } = only(type("Rollout"));
    const { diff } = providerOf(inputs);
    expect(await diff("id", { ...inputs, template: "lt-1:9" }, inputs)).toEqual({ changes: true });
  });
});

describe("GroupVerification", () => {
  const args = {
    ...group,
    ...image,
    template: "lt-1:2",
    min: 2,
  };
  beforeEach(() => settle(pulumi.output(new GroupVerification("app", args).id)));

  test("what machines must be comes from the architecture's table and the deployed digest", () => {
    const { __provider, ...inputs } = only(type("GroupVerification")).inputs;
    expect(inputs).toEqual({ ...group, template: "lt-1:2", min: 2, expected });
  });

  test("another address, name, group, version or expectation is verified again; other machines are not", async () => {
    const { inputs } = only(type("GroupVerification"));
    const proof = { image: "amd64", machines: [{ id: "i-1" }] };
    const changes = async (news: object) => {
      const { diff } = providerOf(inputs);
      return (await diff("id", { ...inputs, proof }, { ...inputs, ...news })).changes;
    };
    expect(await changes({})).toBe(false);
    expect(await changes({ proof: { image: "amd64", machines: [{ id: "i-2" }, { id: "i-3" }] } })).toBe(false);
    expect(await changes({ timeout: 30, profile: "other" })).toBe(false);
    const expected = inputs.expected as object;
    expect(await changes({ expected: Object.fromEntries(Object.entries(expected).reverse()) })).toBe(false);
    for (const key of ["address", "domain", "groupName", "template", "min"]) {
      expect(await changes({ [key]: "other" }), key).toBe(true);
    }
    for (const key of Object.keys(expected)) {
      expect(await changes({ expected: { ...expected, [key]: "other" } }), key).toBe(true);
    }
    expect(await changes({ __provider: "other" })).toBe(true);
  });
});

describe("KeptAmi", () => {
  beforeEach(() => settle(pulumi.output(new KeptAmi("app", { newest: "ami-2", occasion: "release 1" }).id)));

  const decide = async (olds: object, news: object = {}) => {
    const { inputs } = only(type("KeptAmi"));
    const { check, diff } = providerOf(inputs);
    const checked = (await check(olds as never, { ...inputs, ...news } as never)).inputs as { ami: string };
    const { changes } = await diff("id", olds, checked);
    return { ami: checked.ami, changes };
  };

  test("the first one is the newest", async () => {
    expect((await decide({})).ami).toBe("ami-2");
  });

  test("a newer one alone changes nothing; with a release it is taken", async () => {
    const { inputs } = only(type("KeptAmi"));
    const olds = { ...inputs, newest: "ami-1", ami: "ami-1" };
    expect(await decide(olds)).toEqual({ ami: "ami-1", changes: false });
    expect(await decide(olds, { occasion: "release 2" })).toEqual({ ami: "ami-2", changes: true });
    expect((await decide(olds, { __provider: "" })).changes).toBe(true);
  });
});

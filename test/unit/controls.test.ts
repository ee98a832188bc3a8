import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { beforeAll, describe, expect, test } from "vitest";
import { provider } from "../../local/providers/aws/provider.ts";
import { resources as definitions } from "../../local/providers/aws/resources.ts";
import { controls, exceptions, knownTypes, type Resource, violations } from "../support/controls.ts";
import { account, all, runProgram } from "../support/mocks.ts";

/** Every resource that the whole program registers, as index.ts wires it. */
let resources: Resource[];

beforeAll(async () => {
  resources = (await runProgram())
    .filter(({ type }) => !/^(hono-app:index|pulumi):/.test(type))
    .map(({ type, name, inputs }) => ({ type, name, inputs, id: type === "awsx:ec2:Vpc" ? "vpc-1" : `${name}-id` }));
});

test("no resource is of a type that the controls were not written for", () => {
  expect(resources.filter(({ type }) => !knownTypes.has(type)).map(({ type, name }) => `${type} ${name}`)).toEqual([]);
});

test("AWS refuses no resource", async () => {
  const aws = provider("", definitions, {}, async () => {});
  // As in a preview: what other resources become is not known.
  const isOther = /^(.*-id|vpc-1|subnet-[12]|ami-of-.*)$/;
  const preview = (inputs: object) =>
    JSON.parse(JSON.stringify(inputs), (_, value) => (isOther.test(value) ? unknownValue : value));
  const ours = resources.filter(({ type }) => type in definitions);
  expect(ours.length).toBeGreaterThan(15);
  for (const { type, name, inputs } of ours) {
    const checked = await aws.check?.(`urn:pulumi:dev::hono-app::${type}::${name}`, {}, preview(inputs));
    expect(checked?.failures, name).toEqual([]);
  }
});

describe.each(controls.map((control) => ({ ...control, control, id: control.ids.join(", ") })))(
  "$id: $title",
  ({ control }) => {
    test("holds for every resource", () => {
      expect(resources.filter(control.applies)).not.toEqual([]);
      expect(violations(control, resources)).toEqual([]);
    });

    test.each(Object.entries(control.mutants))("is broken when %s", (_, mutant) => {
      expect(violations(control, mutant(resources))).not.toEqual([]);
    });
  },
);

test("each role is one service's, and the flow log's for this account alone", () => {
  const trusts = resources
    .filter(({ type }) => type === "aws:iam/role:Role")
    .map(({ name, inputs }) => [name, inputs.assumeRolePolicy.Statement]);
  expect(Object.fromEntries(trusts)).toEqual({
    "hono-app": [expect.objectContaining({ Principal: { Service: "ec2.amazonaws.com" } })],
    "hono-app-flow-logs": [
      expect.objectContaining({
        Principal: { Service: "vpc-flow-logs.amazonaws.com" },
        Condition: {
          StringEquals: { "aws:SourceAccount": account },
          ArnLike: { "aws:SourceArn": `arn:aws:ec2:ap-northeast-2:${account}:vpc-flow-log/*` },
        },
      }),
    ],
  });
});

test("the registry's token goes to the builder's login and nowhere else", () => {
  const registered = JSON.stringify(all(), (key, value) => (key === "registries" ? undefined : value));
  expect(JSON.stringify(all())).toContain("canary-token");
  expect(registered).not.toContain("canary-token");
});

test("the one exception: the two machines' public addresses (EC2.9, CKV_AWS_88)", () => {
  expect(exceptions.flatMap((control) => violations(control, resources))).toEqual([
    "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-graviton has a public address",
    "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-intel has a public address",
  ]);
});

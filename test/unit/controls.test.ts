import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test } from "vitest";
import { controls, departures, knownTypes, type Resource, violations } from "./controls.ts";
import { account, all, configure, mock, settle } from "./mocks.ts";

/** Every resource that the whole program registers, as index.ts wires it. */
let resources: Resource[];

beforeAll(async () => {
  await mock();
  configure();
  const program = await import("../../index.ts");
  await settle(pulumi.output({ ...program }));
  resources = all()
    .filter(({ type }) => !type.startsWith("hono-app:index:"))
    .map(({ type, name, inputs }) => ({ type, name, inputs, id: type === "awsx:ec2:Vpc" ? "vpc-1" : `${name}-id` }));
});

test("no resource is of a type that the controls were not written for", () => {
  expect(resources.filter(({ type }) => !knownTypes.has(type)).map(({ type, name }) => `${type} ${name}`)).toEqual([]);
});

describe.each(controls.map((control) => ({ ...control, control, id: control.ids.join(", ") })))(
  "$id: $title",
  ({ control }) => {
    test("holds for every resource", () => {
      expect(resources.filter(control.applies)).not.toEqual([]);
      expect(violations(control, resources)).toEqual([]);
    });

    test.each(Object.entries(control.twins))("is broken when %s", (_, twin) => {
      expect(violations(control, twin(resources))).not.toEqual([]);
    });
  },
);

test("each role is one service's, and the flow log's for this account alone", () => {
  const trusts = resources
    .filter(({ type }) => type === "aws:iam/role:Role")
    .map(({ name, inputs }) => [name, JSON.parse(inputs.assumeRolePolicy).Statement]);
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

test("the one departure: the two machines' public addresses (EC2.9, CKV_AWS_88)", () => {
  expect(departures.flatMap((control) => violations(control, resources))).toEqual([
    "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-graviton has a public address",
    "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-intel has a public address",
  ]);
});

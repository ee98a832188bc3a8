import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { beforeAll, describe, expect, test } from "vitest";
import { provider } from "../../local/providers/aws/provider.ts";
import { resources as definitions } from "../../local/providers/aws/resources.ts";
import { controls, exceptions, knownTypes, type Resource, violations } from "../support/controls.ts";
import { account, all, runProgram } from "../support/mocks.ts";

const fleet = { fleet: "true" };
/** The programs that controls are asked about: the pair, and fleets of every kind. */
const variants = {
  pair: {},
  fleet,
  "protected fleet with a domain": { ...fleet, domain: "app.example.com", protect: "true", latestTag: "false" },
  "fleet with endpoints": {
    ...{ ...fleet, egress: "endpoints", cpuTarget: "60" },
    alarmTopic: `arn:aws:sns:ap-northeast-2:${account}:alarms`,
  },
  "fleet with addresses": { ...fleet, egress: "public" },
};
type Variant = keyof typeof variants;

/** Every resource that each of them registers. */
const programs = {} as Record<Variant, Resource[]>;
let resources: Resource[];

beforeAll(async () => {
  for (const [variant, settings] of Object.entries(variants)) {
    programs[variant as Variant] = (await runProgram(settings))
      .filter(({ type }) => !/^(hono-app:index|pulumi):/.test(type))
      .map(({ type, name, inputs }) => ({ type, name, inputs, id: type === "awsx:ec2:Vpc" ? "vpc-1" : `${name}-id` }));
  }
  resources = programs.pair;
});

describe.each(Object.keys(variants) as Variant[])("%s", (variant) => {
  test("no resource is of a type that the controls were not written for", () => {
    const unknown = programs[variant].filter(({ type }) => !knownTypes.has(type));
    expect(unknown.map(({ type, name }) => `${type} ${name}`)).toEqual([]);
  });

  test("AWS refuses no resource", async () => {
    const aws = provider("", definitions, {}, async () => {});
    // As in a preview: what other resources become is not known.
    const isOther = /^(.*-id|vpc-1|subnet-[1-6]|rtb-[12]|ami-of-.*|arn:aws:elasticloadbalancing:.*)$/;
    const preview = (inputs: object) =>
      JSON.parse(JSON.stringify(inputs), (_, value) => (isOther.test(value) ? unknownValue : value));
    const ours = programs[variant].filter(({ type }) => type in definitions);
    expect(ours.length).toBeGreaterThan(15);
    for (const { type, name, inputs } of ours) {
      const checked = await aws.check?.(`urn:pulumi:dev::hono-app::${type}::${name}`, {}, preview(inputs));
      expect(checked?.failures, name).toEqual([]);
    }
  });
});

describe.each(controls.map((control) => ({ ...control, control, id: control.ids.join(", ") })))(
  "$id: $title",
  ({ control }) => {
    test("holds for every resource", () => {
      expect(Object.values(programs).flat().filter(control.applies)).not.toEqual([]);
      for (const [variant, each] of Object.entries(programs)) expect(violations(control, each), variant).toEqual([]);
    });

    // In every program that has what it changes.
    test.each(Object.entries(control.mutants))("is broken when %s", (_, mutant) => {
      const changed = Object.entries(programs).flatMap(([variant, each]) => {
        const types = new Set(each.map(({ type }) => type));
        try {
          const result = mutant(each);
          return JSON.stringify(result) === JSON.stringify(each) ? [] : [[variant, result] as const];
        } catch (error) {
          const missing = /^no (\S+) to change$/.exec((error as Error).message)?.[1];
          if (missing === undefined || types.has(missing)) throw error;
          return [];
        }
      });
      expect(changed).not.toEqual([]);
      for (const [variant, result] of changed) expect(violations(control, result), variant).not.toEqual([]);
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

const ofFleet = [
  "AutoScaling.6: aws:autoscaling/group:Group hono-app-graviton has one type of machine",
  "AutoScaling.6: aws:autoscaling/group:Group hono-app-intel has one type of machine",
  "ELB.5, CKV_AWS_91: aws:lb/loadBalancer:LoadBalancer hono-app logs no requests",
];
const open = [
  "ELB.1, CKV_AWS_2: aws:lb/listener:Listener hono-app-http speaks HTTP",
  "ELB.6, CKV_AWS_150: aws:lb/loadBalancer:LoadBalancer hono-app can be deleted",
];
test.each<[Variant, string[]]>([
  [
    "pair",
    [
      "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-graviton has a public address",
      "EC2.9, CKV_AWS_88: aws:ec2/instance:Instance hono-app-intel has a public address",
    ],
  ],
  ["fleet", [...ofFleet, ...open]],
  ["protected fleet with a domain", ofFleet],
  ["fleet with endpoints", [...ofFleet, ...open]],
  [
    "fleet with addresses",
    [
      ...[...ofFleet, ...open],
      "EC2.25: aws:ec2/launchTemplate:LaunchTemplate hono-app-graviton gives public addresses",
      "EC2.25: aws:ec2/launchTemplate:LaunchTemplate hono-app-intel gives public addresses",
    ],
  ],
])("the exceptions of a %s", (variant, expected) => {
  expect(exceptions.flatMap((control) => violations(control, programs[variant])).sort()).toEqual(expected.sort());
});

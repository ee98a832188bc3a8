import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { describe, expect, test } from "vitest";
import { provider } from "../../local/providers/aws/provider.ts";
import { resources as definitions } from "../../local/providers/aws/resources.ts";
import { changed, controls, exceptions, type Resource, violations } from "../support/controls.ts";
import { account, only, registryHost, runProgram, secret } from "../support/mocks.ts";

const fleet = { fleet: "true" };
/** The programs that controls are asked about: the pair, and fleets of every kind. */
const variants = {
  pair: {},
  fleet,
  "protected fleet with a domain": { ...fleet, domain: "app.example.com", protect: "true", latestTag: "false" },
  "fleet with endpoints": {
    ...fleet,
    egress: "endpoints",
    cpuTarget: "60",
    alarmTopic: `arn:aws:sns:ap-northeast-2:${account}:alarms`,
  },
  "fleet with addresses": { ...fleet, egress: "public" },
};
type Variant = keyof typeof variants;

/** Every resource that each of them registers. What runs before all tests would belong to none, for mutation testing. */
const programs: Partial<Record<Variant, Promise<Resource[]>>> = {};
function programOf(variant: Variant): Promise<Resource[]> {
  programs[variant] ??= runProgram(variants[variant]).then((found) =>
    found
      .filter(({ type }) => !/^(hono-app:index|pulumi):/.test(type))
      .map(({ type, name, inputs }) => ({ type, name, inputs, id: `${name}-id` })),
  );
  return programs[variant];
}
async function allPrograms() {
  const all: [Variant, Resource[]][] = [];
  // One after another: the mocks are of one program.
  for (const variant of Object.keys(variants) as Variant[]) all.push([variant, await programOf(variant)]);
  return all;
}

test.each(Object.keys(variants) as Variant[])(
  "%s: AWS refuses no resource, and no control is broken",
  async (variant) => {
    const program = await programOf(variant);
    expect(controls.flatMap((control) => violations(control, program))).toEqual([]);
    const aws = provider("", definitions, {}, async () => {});
    // As in a preview: what other resources become is not known.
    const isOther = /^(.*-id|.*-allocation|ami-of-.*|arn:aws:elasticloadbalancing:.*)$/;
    const preview = (inputs: object) =>
      JSON.parse(JSON.stringify(inputs), (_, value) => (isOther.test(value) ? unknownValue : value));
    const ours = program.filter(({ type }) => type in definitions);
    expect(ours.length).toBeGreaterThan(15);
    for (const { type, name, inputs } of ours) {
      const checked = await aws.check?.(`urn:pulumi:dev::hono-app::${type}::${name}`, {}, preview(inputs));
      expect(checked?.failures, name).toEqual([]);
    }
  },
);

describe.each(controls.map((control) => ({ ...control, control, id: control.ids.join(", ") })))(
  "$id: $title",
  ({ control }) => {
    // In every program that has what it changes.
    test.each(Object.entries(control.mutants))("is broken when %s", async (_, mutant) => {
      const programs = (await allPrograms()).filter(([, program]) => program.some(({ type }) => type === mutant[0]));
      expect(programs).not.toEqual([]);
      for (const [variant, program] of programs)
        expect(violations(control, changed(program, mutant)), variant).not.toEqual([]);
    });
  },
);

// Another type may have some of its own: look them up when you add its row.
test("the types that have no control are these", async () => {
  const resources = (await allPrograms()).flatMap(([, program]) => program);
  const hasControl = (type: string) =>
    [...controls, ...exceptions].some(({ applies }) => resources.some((each) => each.type === type && applies(each)));
  const types = [...new Set(resources.map(({ type }) => type))].filter((type) => type.startsWith("aws:"));
  expect(types.filter((type) => !hasControl(type)).sort()).toEqual([
    "aws:autoscaling/policy:Policy",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/eip:Eip",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/role:Role",
    "aws:lb/targetGroup:TargetGroup",
  ]);
});

test("the registry's token goes to the builder's login, as a secret, and nowhere else", async () => {
  const registered = await runProgram();
  const login = only("docker-build:index:Image").inputs.registries;
  expect(login).toEqual(secret([{ address: registryHost, username: "AWS", password: "canary-token" }]));
  expect(JSON.stringify(registered, (_, value) => (value === login ? undefined : value))).not.toContain("canary-token");
});

const ofFleet = ["AutoScaling.6: hono-app-graviton", "AutoScaling.6: hono-app-intel", "ELB.5, CKV_AWS_91: hono-app"];
const open = ["ELB.1, CKV_AWS_2: hono-app-http", "ELB.6, CKV_AWS_150: hono-app"];
test.each<[Variant, string[]]>([
  ["pair", ["EC2.9, CKV_AWS_88: hono-app-graviton", "EC2.9, CKV_AWS_88: hono-app-intel"]],
  ["fleet", [...ofFleet, ...open]],
  ["protected fleet with a domain", ofFleet],
  ["fleet with endpoints", [...ofFleet, ...open]],
  ["fleet with addresses", [...[...ofFleet, ...open], "EC2.25: hono-app-graviton", "EC2.25: hono-app-intel"]],
])("the exceptions of a %s", async (variant, expected) => {
  const program = await programOf(variant);
  expect(exceptions.flatMap((control) => violations(control, program)).sort()).toEqual(expected.sort());
});

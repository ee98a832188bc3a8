import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import timers from "node:timers/promises";
import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { describe, expect, test, vi } from "vitest";
import { functions } from "../../../local/providers/aws/functions.ts";
import { sentBy, whole } from "../../../local/providers/aws/row.ts";
import { resources, rows, type Token } from "../../../local/providers/aws/rows.ts";
import { everywhere } from "../../support/process.ts";
import { answering, awsError, changes } from "../../support/sdk.ts";

const require = createRequire(import.meta.url);

/** What @pulumi/aws says of a type's inputs: which there are, and which it refuses to go without. */
function provided(token: string) {
  const source = readFileSync(require.resolve(`@pulumi/aws/${token.split(":")[1]}.js`), "utf8");
  const found = (pattern: RegExp) => [...source.matchAll(pattern)].map(([, name = ""]) => name);
  return {
    inputs: found(/resourceInputs\["(\w+)"\] = \(?args\?/g),
    required: found(/Missing required property '(\w+)'/g),
  };
}

const outer = (paths: readonly string[]) => [...new Set(paths.map((path) => path.split(".")[0] as string))];

describe.each(Object.entries(rows))("%s", (token, row) => {
  const { inputs } = resources[token as Token];
  const names = outer(Object.keys(inputs));
  const pulumi = provided(token);

  test("has every input that @pulumi/aws requires, and calls each by its name", () => {
    expect(pulumi.required.filter((name) => !names.includes(name))).toEqual([]);
    const named = Object.keys(row.names ?? {});
    expect(outer(named).filter((name) => !pulumi.inputs.includes(name))).toEqual([]);
  });

  test.runIf(typeof row.calls.create === "string" && typeof row.calls.update !== "function" && !row.unlike)(
    "sends each of its inputs, and one that it changes in place with an update too",
    () => {
      const { calls, ...rest } = row;
      const { create, delete: remove } = calls;
      const { updates: update } = whole(row);
      // Those without a name are not AWS's, but the provider's.
      const isSent = (name: string) => name !== "tags" && row.names?.[name] !== null;
      const known = names.filter((name) => isSent(name) && pulumi.inputs.includes(name));
      const sent = (operations: readonly unknown[]) =>
        operations.flatMap((name) => sentBy({ calls, ...rest }, name as never, known));
      const changed = sent([...update.map((entry) => [entry].flat()[0]), ...(remove ? [remove] : [])]);
      const made = sent([create]);
      expect(known.filter((name) => !made.includes(name) && !changed.includes(name))).toEqual([]);
      const replaced = outer(Object.keys(inputs).filter((path) => inputs[path]?.includes("replace")));
      expect(known.filter((name) => !changed.includes(name) && !replaced.includes(name))).toEqual([]);
    },
  );
});

test.each<[Token, label: string, inputs: object]>([
  ["aws:ec2/internetGateway:InternetGateway", "EC2 Internet Gateway", { vpcId: [], tags: [] }],
  [
    "aws:ec2/natGateway:NatGateway",
    "EC2 Nat Gateway",
    { allocationId: ["replace"], connectivityType: ["replace"], subnetId: ["required", "replace"], tags: [] },
  ],
  [
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "ECR Lifecycle Policy",
    { repository: ["required", "replace"], policy: ["required", "replace", "json"] },
  ],
])("%s: AWS's schema says what its inputs are, and what may be done with them", (token, label, inputs) => {
  expect(resources[token]).toMatchObject({ label });
  expect(resources[token].inputs).toEqual(inputs);
});

test.each<[Token, number]>([
  ["aws:iam/role:Role", 64],
  ["aws:lb/loadBalancer:LoadBalancer", 32],
  ["aws:ec2/securityGroup:SecurityGroup", 255],
])("%s: a name that is made is no longer than AWS takes: %i", (token, length) => {
  expect(resources[token].autoName).toBe(length);
});

test("a rule that was added to the default group by hand is seen, and revoked by an update", async () => {
  const IpPermissions = [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }];
  const SecurityGroups = [{ GroupId: "sg-1", GroupName: "default", IpPermissions }];
  const asked = answering([EC2Client], (action) => (action === "DescribeSecurityGroups" ? { SecurityGroups } : {}));
  const group = resources["aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"];
  const inputs = { vpcId: "vpc-1", ingress: [], egress: [] };
  expect(await group.read("sg-1", inputs)).toMatchObject({
    ingress: [{ protocol: "tcp", fromPort: 22, toPort: 22, cidrBlocks: ["0.0.0.0/0"] }],
    egress: [],
  });
  await group.update?.("sg-1", inputs, ["ingress"], {});
  expect(changes(asked)).toEqual([{ action: "RevokeSecurityGroupIngress", GroupId: "sg-1", IpPermissions }]);
});

test("tags that aws:ignoreTags names are not read", async () => {
  vi.stubEnv("PULUMI_CONFIG", JSON.stringify({ ignoreTags: '{"keys":["by"],"keyPrefixes":["org:"]}' }));
  const Tags = ["app", "by", "org:cost"].map((Key) => ({ Key, Value: "a" }));
  answering([AutoScalingClient, EC2Client], (action) =>
    action === "DescribeRouteTables"
      ? { RouteTables: [{ RouteTableId: "rtb-1", Tags }] }
      : { AutoScalingGroups: [{ AutoScalingGroupName: "a", VPCZoneIdentifier: "subnet-1", Tags }] },
  );
  const tags = async (token: Token, id: string) => (await resources[token].read(id, {}))?.tags;
  expect(await tags("aws:ec2/routeTable:RouteTable", "rtb-1")).toEqual({ app: "a" });
  expect(await tags("aws:autoscaling/group:Group", "a")).toEqual([{ key: "app", value: "a" }]);
});

test("a machine's change in place that is not known is an error", async () => {
  const change = resources["aws:ec2/instance:Instance"].update?.("i-1", {}, ["instanceType"], {});
  await expect(change).rejects.toThrow(
    "instanceType does not change in place in this cloud; what does: metadataOptions",
  );
});

test("the second of what has to be one may be on the last page", async () => {
  answering([EC2Client], (_, { NextToken }) =>
    NextToken ? { Images: [{ ImageId: "ami-2" }] } : { Images: [{ ImageId: "ami-1" }], NextToken: "more" },
  );
  const found = functions["aws:ec2/getAmi:getAmi"]?.run({ owners: ["amazon"] });
  await expect(found).rejects.toThrow("Your query returned more than one result.");
});

test.each<[Token, string[]]>([
  ["aws:ec2/eip:Eip", ["address", "domain", "ipamPoolId", "networkBorderGroup", "publicIpv4Pool"]],
  ["aws:ec2/vpcEndpoint:VpcEndpoint", ["serviceName", "vpcEndpointType", "vpcId"]],
  ["aws:ec2/launchTemplate:LaunchTemplate", ["name"]],
  ["aws:lb/loadBalancer:LoadBalancer", ["internal", "loadBalancerType", "name"]],
  ["aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", ["securityGroupId"]],
])("%s is replaced for these inputs alone", (token, inputs) => {
  const { inputs: known } = resources[token];
  const replacing = Object.keys(known).filter((path) => known[path]?.includes("replace"));
  expect(replacing.sort()).toEqual(inputs);
});

test("a NAT gateway is awaited, and one that has failed says why", async () => {
  const NatGatewayId = "nat-1";
  const failed = { FailureCode: "Gateway.NotAttached", FailureMessage: "no Internet gateway" };
  const states = [
    { NatGatewayId, State: "pending" },
    { NatGatewayId, State: "failed", ...failed },
  ];
  everywhere(vi.spyOn(timers, "setTimeout").mockResolvedValue(undefined));
  answering([EC2Client], (action) =>
    action === "CreateNatGateway" ? { NatGateway: { NatGatewayId } } : { NatGateways: states.splice(0, 1) },
  );
  const made = resources["aws:ec2/natGateway:NatGateway"].create({ subnetId: "subnet-1", allocationId: "eipalloc-1" });
  await expect(made).rejects.toMatchObject({ name: "Gateway.NotAttached", message: "no Internet gateway" });
  expect(states).toEqual([]);
});

test("what is made is kept where the rest of its creation fails", async () => {
  answering([EC2Client], (action) => {
    if (action === "AttachInternetGateway") throw awsError("InvalidParameterValue");
    return { InternetGateway: { InternetGatewayId: "igw-1" } };
  });
  const made = resources["aws:ec2/internetGateway:InternetGateway"].create({ vpcId: "vpc-1" });
  await expect(made).rejects.toMatchObject({ name: "InvalidParameterValue", id: "igw-1" });
});

test("the order of a load balancer's subnets means nothing", () => {
  expect(resources["aws:lb/loadBalancer:LoadBalancer"].inputs.subnets).toContain("set");
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Instance, IpPermission, VpcEndpoint } from "@aws-sdk/client-ec2";
import { IAMClient } from "@aws-sdk/client-iam";
import { STSClient } from "@aws-sdk/client-sts";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { note, runningPid, stopDaemon } from "../../../local/daemon.ts";
import { credentialsOf } from "../../../local/services/ec2/credentials.ts";
import { tableOf } from "../../../local/services/ec2/firewall.ts";
import { gatewayFor, groupOf } from "../../../local/services/ec2/machine.ts";
import { type Network, openingsOf, reachOf } from "../../../local/services/ec2/network.ts";
import { temporaryFolder } from "../../support/process.ts";
import { answering } from "../../support/sdk.ts";

test("each loopback address has a subnet of its own in 240.0.0.0/4", () => {
  expect(gatewayFor("127.18.0.11")).toBe("241.32.0.177/28");
  expect(gatewayFor("127.18.0.12")).toBe("241.32.0.193/28");
  expect(gatewayFor("127.255.255.255")).toBe("255.255.255.241/28");
});

test("each loopback address has a group of its own, which no user of the host has", () => {
  expect(groupOf("127.18.0.11")).toBe(2 ** 30 + 18 * 65536 + 11);
  expect(groupOf("127.18.1.11") - groupOf("127.18.0.11")).toBe(256);
});

test.each([
  ["ec2.amazonaws.com", { AWS_ACCESS_KEY_ID: "key", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: "token" }],
  ["vpc-flow-logs.amazonaws.com", undefined],
])("of a role that trusts %s a machine has these credentials: %j", async (Service, expected) => {
  const trust = JSON.stringify({ Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service } }] });
  const Roles = [{ Arn: "arn:role", AssumeRolePolicyDocument: encodeURIComponent(trust) }];
  const Credentials = { AccessKeyId: "key", SecretAccessKey: "secret", SessionToken: "token" };
  const asked = answering([IAMClient, STSClient], (action) =>
    action === "GetInstanceProfile" ? { InstanceProfile: { Roles } } : { Credentials },
  );
  const machine = {
    InstanceId: "i-1",
    IamInstanceProfile: { Arn: "arn:aws:iam::123456789012:instance-profile/a/b/app" },
  };
  expect(await credentialsOf(machine)).toEqual(expected);
  const assumed = { action: "AssumeRole", RoleArn: "arn:role", RoleSessionName: "i-1" };
  const profile = { action: "GetInstanceProfile", InstanceProfileName: "app" };
  expect(asked).toEqual([profile, ...(expected ? [assumed] : [])]);
});

test("a daemon that ends just before it is stopped is stopped", async () => {
  const pidFile = join(temporaryFolder(onTestFinished), "pid");
  // Still there, but it leads no process group: as little to signal as when it has ended.
  const daemon = spawn("sh", ["-c", `${note}; read line`, pidFile]);
  await vi.waitUntil(() => runningPid({ pidFile }), { interval: 5 });
  const stopped = stopDaemon({ pidFile });
  daemon.stdin.end();
  await stopped;
  expect(existsSync(pidFile)).toBe(false);
});

test("a daemon that does not end is killed with what it has started", async () => {
  const pidFile = join(temporaryFolder(onTestFinished), "pid");
  const { stdout } = spawn("sh", ["-c", `trap "" TERM; ${note}; sleep 600 & echo; wait`, pidFile], { detached: true });
  await once(stdout, "data");
  await stopDaemon({ pidFile }, 10);
  // It is open while one of them lives.
  await text(stdout);
});

test("a process that has got the id of a daemon that ended is not taken for it", () => {
  const pidFile = join(temporaryFolder(onTestFinished), "pid");
  writeFileSync(pidFile, `${process.pid} 1`);
  expect(runningPid({ pidFile })).toBeUndefined();
});

beforeEach(() => {
  vi.stubEnv("LOCAL_CLOUD_PREFIX", "127.18");
});

const group = (GroupId: string, IpPermissions: IpPermission[], IpPermissionsEgress: IpPermission[] = []) => ({
  GroupId,
  IpPermissions,
  IpPermissionsEgress,
});
const everywhere = [{ CidrIp: "0.0.0.0/0" }];
const tcp = (port: number) => ({ IpProtocol: "tcp", FromPort: port, ToPort: port });
const fromGroup = (GroupId: string) => ({ UserIdGroupPairs: [{ GroupId }] });
const instance = (id: string, PrivateIpAddress: string, groupId: string): Instance => ({
  InstanceId: id,
  PrivateIpAddress,
  VpcId: "vpc-1",
  SubnetId: "subnet-private",
  SecurityGroups: [{ GroupId: groupId }],
});
const machine = instance("i-1", "10.0.1.4", "sg-app");
const network: Network = {
  instances: [machine, { ...instance("i-2", "10.0.0.5", "sg-other"), PublicIpAddress: "54.214.7.9" }],
  interfaces: [
    ...["10.0.0.8", "10.0.128.8"].map((PrivateIpAddress) => ({
      PrivateIpAddress,
      Description: "ELB app/hono/1",
      Groups: [{ GroupId: "sg-balancer" }],
    })),
    {
      PrivateIpAddress: "10.0.0.9",
      Description: "VPC Endpoint Interface vpce-1",
      Groups: [{ GroupId: "sg-balancer" }],
    },
  ],
  groups: [
    group("sg-app", [{ ...tcp(3000), ...fromGroup("sg-balancer") }], [{ ...tcp(443), IpRanges: everywhere }]),
    group("sg-other", [{ IpProtocol: "-1", IpRanges: [{ CidrIp: "1.2.3.4/32" }], ...fromGroup("sg-other") }]),
    group("sg-balancer", [{ ...tcp(80), IpRanges: everywhere }], [{ ...tcp(3000), ...fromGroup("sg-app") }]),
    group("sg-endpoints", [{ ...tcp(443), ...fromGroup("sg-app") }]),
  ],
  routeTables: [],
  natGateways: [],
  endpoints: [],
};
const [first, second] = ["127.18.0.8", "127.18.128.8"];

test("a machine is reached by whom its groups name, and their members by their addresses", () => {
  const fromBalancer = { protocol: "tcp", ports: [3000, 3000], ranges: [`${first}/32`, `${second}/32`] };
  expect(openingsOf(network)).toEqual([
    { address: "127.18.1.4", ingress: [fromBalancer], egress: undefined },
    {
      address: "127.18.7.9",
      ingress: [{ protocol: "-1", ports: undefined, ranges: ["1.2.3.4/32", "127.18.7.9/32"] }],
      egress: undefined,
    },
    ...[first, second].map((address) => ({
      address,
      ingress: [{ protocol: "tcp", ports: [80, 80], ranges: ["0.0.0.0/0"] }],
      egress: [{ protocol: "tcp", ports: [3000, 3000], ranges: ["127.18.1.4/32"] }],
    })),
  ]);
});

test("ICMP has no ports, and a group without members lets nobody in", () => {
  const groups = [group("sg-app", [{ IpProtocol: "icmp", FromPort: 8, ToPort: -1, ...fromGroup("sg-nobody") }])];
  expect(openingsOf({ ...network, instances: [machine], interfaces: [], groups })[0]?.ingress).toEqual([
    { protocol: "icmp", ports: undefined, ranges: [] },
  ]);
});

test("what no rule allows is dropped, coming in as going out; what was accepted goes on", () => {
  const openings = [
    { address: "A", ingress: [{ protocol: "tcp", ports: [80, 81] as const, ranges: ["R", "S"] }] },
    { address: "B", ingress: [], egress: [{ protocol: "-1", ranges: ["A"] }] },
  ];
  const senders = [
    { group: 7, reach: { api: true, registry: true, hub: false } },
    { group: 8, reach: { api: false, registry: false, hub: false } },
  ];
  expect(tableOf("c", "P", openings, senders).split("\n")).toEqual([
    "*filter",
    ":c - [0:0]",
    ":c-from - [0:0]",
    ":c-out - [0:0]",
    "-A c -p tcp ! --syn -j ACCEPT",
    "-A c -s B -j c-from",
    "-A c -s R -d A -p tcp --dport 80:81 -j ACCEPT",
    "-A c -s S -d A -p tcp --dport 80:81 -j ACCEPT",
    "-A c -d A -j DROP",
    "-A c -d B -j DROP",
    "-A c-from -s B -d A -j RETURN",
    "-A c-from -s B -j DROP",
    "-A c-out -d P -p tcp --dport 5001 -m owner --gid-owner 7 -j DROP",
    "-A c-out -d P -p tcp --dport 5000 -m owner --gid-owner 8 -j DROP",
    "-A c-out -d P -p tcp --dport 5443 -m owner --gid-owner 8 -j DROP",
    "-A c-out -d P -p tcp --dport 5001 -m owner --gid-owner 8 -j DROP",
    "COMMIT",
    "",
  ]);
});

describe("a machine's requests", () => {
  const table = (RouteTableId: string, target: object, association: object) => ({
    RouteTableId,
    VpcId: "vpc-1",
    Associations: [association],
    Routes: [
      { DestinationCidrBlock: "10.0.0.0/16", GatewayId: "local" },
      { DestinationCidrBlock: "0.0.0.0/0", ...target },
    ],
  });
  const open = table("rtb-public", { GatewayId: "igw-1" }, { SubnetId: "subnet-public" });
  const throughNat = table("rtb-private", { NatGatewayId: "nat-1" }, { SubnetId: "subnet-private" });
  const isolated = { ...throughNat, Routes: throughNat.Routes.slice(0, 1) };
  const nat = { NatGatewayId: "nat-1", State: "available" as const, VpcId: "vpc-1", SubnetId: "subnet-public" };
  const endpoint = (service: string) => ({
    ServiceName: `com.amazonaws.ap-northeast-2.${service}`,
    VpcId: "vpc-1",
    State: "Available" as const,
    VpcEndpointType: "Interface" as const,
    PrivateDnsEnabled: true,
    SubnetIds: ["subnet-private"],
    Groups: [{ GroupId: "sg-endpoints" }],
  });
  const s3 = {
    ...endpoint("s3"),
    VpcEndpointType: "Gateway" as const,
    PrivateDnsEnabled: false,
    SubnetIds: [],
    Groups: [],
    RouteTableIds: ["rtb-private"],
  };
  const [api, registry] = [endpoint("ecr.api"), endpoint("ecr.dkr")];
  const all = { api: true, registry: true, hub: true };
  const none = { api: false, registry: false, hub: false };
  const ecr = { api: true, registry: true, hub: false };
  const apiAlone = { ...none, api: true };
  const publicly = { ...machine, PublicIpAddress: "54.214.7.9" };
  const onMain = { ...publicly, SubnetId: "subnet-other" };
  const udp = { ...tcp(443), IpProtocol: "udp", IpRanges: everywhere };
  const unlisted = { ...machine, SecurityGroups: [{ GroupId: "sg-balancer" }] };
  const main = { ...open, Associations: [{ Main: true }] };
  const opened = { routeTables: [{ ...open, Associations: [{ SubnetId: "subnet-private" }] }] };

  /** Private machines' tables, with this NAT gateway. */
  const byNat = (change: object = {}) => ({ routeTables: [open, throughNat], natGateways: [{ ...nat, ...change }] });
  /** No way out but these endpoints. */
  const by = (...endpoints: VpcEndpoint[]) => ({ routeTables: [isolated], endpoints });
  const byAll = (change: VpcEndpoint) => by(...[api, registry, s3].map((each) => ({ ...each, ...change })));

  test.each<[string, Partial<Network>, Instance, object]>([
    ["go through a NAT gateway in a public subnet", byNat(), machine, all],
    ["wait for a NAT gateway that is not there yet", byNat({ State: "pending" }), machine, none],
    ["end at a NAT gateway that is in no public subnet", { ...byNat(), routeTables: [throughNat] }, machine, none],
    ["end at a NAT gateway that is gone", { ...byNat(), natGateways: [] }, machine, none],
    ["have no way out of an isolated subnet", { ...byNat(), routeTables: [open, isolated] }, machine, none],
    ["go out with a public address", opened, publicly, all],
    ["need a public address for the internet gateway", opened, machine, none],
    ["have no use for a public address without a route", { routeTables: [isolated] }, publicly, none],
    ["go by the main table where the subnet has none", { routeTables: [throughNat, main] }, onMain, all],
    ["reach ECR by endpoints", byAll({}), machine, ecr],
    ["log in without S3, and pull nothing", by(api, registry), machine, apiAlone],
    ["pull nothing without the registry's endpoint", by(api, s3), machine, apiAlone],
    ["do not log in without the API's endpoint", by(registry, s3), machine, { ...none, registry: true }],
    ["find no endpoint of another VPC", byAll({ VpcId: "vpc-2" }), machine, none],
    ["find no endpoint that is not there yet", byAll({ State: "Pending" }), machine, none],
    ["find no endpoint without a subnet", byAll({ SubnetIds: [] }), machine, none],
    ["are led past endpoints without private DNS", byAll({ PrivateDnsEnabled: false }), machine, none],
    ["do not pass an endpoint's groups", byAll({ Groups: [{ GroupId: "sg-balancer" }] }), machine, none],
    [
      "are led to an endpoint, whatever other way there is",
      { ...byNat(), endpoints: [{ ...api, Groups: [{ GroupId: "sg-balancer" }] }, registry] },
      machine,
      { ...all, api: false },
    ],
    [
      "find S3 by the subnet's own table",
      by(api, registry, { ...s3, RouteTableIds: ["rtb-public"] }),
      machine,
      apiAlone,
    ],
    ["need a rule that lets them out", byNat(), unlisted, none],
    ["need one for TCP", { ...byNat(), groups: [group("sg-app", [], [udp])] }, machine, none],
  ])("%s", (_, change, sender, expected) => {
    expect(reachOf(sender, { ...network, ...change })).toEqual(expected);
  });

  test("pass an endpoint whose group allows the VPC's block", () => {
    const groups = (CidrIp: string) =>
      network.groups.map((each) =>
        each.GroupId === "sg-endpoints" ? group("sg-endpoints", [{ ...tcp(443), IpRanges: [{ CidrIp }] }]) : each,
      );
    const changed = (CidrIp: string) => ({ ...network, ...byAll({}), groups: groups(CidrIp) });
    expect(reachOf(machine, changed("10.0.0.0/16"))).toEqual(ecr);
    expect(reachOf(machine, changed("10.1.0.0/16"))).toEqual(none);
  });
});

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { lifecyclePolicy, repositoryPolicy } from "../../components/repository.ts";
import { processes } from "../../tools/processes.ts";
import { expectDestroyConverges, expectUpConverges, inventory, killMachine } from "../support/faults.ts";
import { killAtCreate, killAtDestroy, killAtUpdate } from "../support/kill.ts";
import { lastBuild, unwritten } from "../support/previews.ts";
import {
  cloud,
  deployed,
  describeInstances,
  ec2,
  ecr,
  expireLogin,
  iam,
  local,
  logs,
  succeed,
  summary,
} from "../support/stack.ts";

/** Fills the first page of the list of instances with terminated ones, as after many launches. */
async function fillFirstPage(ImageId?: string): Promise<void> {
  const NetworkInterfaces = [{ DeviceIndex: 0, AssociatePublicIpAddress: false }];
  const launch = { ImageId, InstanceType: "t3.small", MinCount: 1, MaxCount: 1, NetworkInterfaces } as const;
  for (let count = 0; count < 3; count++) {
    const { Instances = [] } = await ec2.runInstances(launch);
    await ec2.terminateInstances({ InstanceIds: Instances.map(({ InstanceId = "" }) => InstanceId) });
  }
  expect((await ec2.describeInstances({})).NextToken).toBeDefined();
}

/** Command lines that name this cloud's folders. */
function commandLines(): string[] {
  const commands = processes().map(({ pid, read }) =>
    pid === process.pid ? "" : read("cmdline").replaceAll("\0", " "),
  );
  return commands.filter((command) => command.includes(cloud.dir) || command.includes(`${cloud.run}/`));
}

const firewall = () => execFileSync("iptables", ["--list-rules"]).toString();
const chains = new RegExp(`\\b${basename(cloud.run)}\\b`);

test("an instance whose machine dies is shown by a preview, and replaced by the next up", async () => {
  const before = await deployed();
  const { id } = before.intel;
  await fillFirstPage((await describeInstances(id))[0]?.ImageId);
  await killMachine(id);
  expect(await succeed("preview")).toMatch(/aws:ec2:Instance hono-app-intel\s+create/);
  const after = await expectUpConverges();
  expect(after.intel.id).not.toBe(id);
  expect(after.graviton.id).toBe(before.graviton.id);
});

test("refuses a second command at the same time", async () => {
  const [first, second] = await Promise.all([local("preview"), local("preview")]);
  expect([first.status, second.status].sort()).toEqual([0, 1]);
  const refused = first.status === 1 ? first : second;
  expect(refused.output).toMatch(
    /preview \(process \d+\) is using this local cloud; wait until it ends, then run preview again/,
  );
});

test("refuses an unknown command with the usage", async () => {
  const { status, output } = await local("deploy");
  expect(status).toBe(2);
  expect(output).toContain("not a command: deploy");
  expect(output).toContain("usage: npm run local -- [COMMAND]");
});

test("destroy, though its login has expired, leaves nothing of the stack, a first preview writes nothing, down leaves no process, and they can be repeated", async () => {
  // The tests of the next file find a cloud that runs, whether or not they deploy.
  onTestFinished(async () => {
    await succeed("env");
  });
  await deployed();
  expireLogin();
  await expectDestroyConverges();
  const data = join(cloud.dir, "registry", "data", "docker", "registry", "v2");
  const blobs = readdirSync(join(data, "blobs"), { recursive: true }).filter((file) => String(file).endsWith("data"));
  expect(blobs).toEqual([]);
  const host = ["--host", `unix://${cloud.run}/docker.sock`];
  expect(execFileSync("docker", [...host, "volume", "ls", "--quiet"]).toString()).toBe("");
  await succeed("destroy");

  const before = await unwritten();
  const preview = await succeed("preview");
  expect(lastBuild()).toEqual({ status: "completed", platforms: ["linux/amd64", "linux/arm64"] });
  expect(Object.keys(summary(preview))).toEqual(["create"]);
  expect(await unwritten()).toEqual(before);

  expect(commandLines().length).toBeGreaterThan(4);
  expect(firewall()).toMatch(chains);
  await succeed("down");
  expect(commandLines()).toEqual([]);
  expect(existsSync(cloud.run)).toBe(false);
  expect(firewall()).not.toMatch(chains);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(cloud.dir);
  await succeed("down");
});

// Three of the steps at which `npm run test:faults` kills; each leaves something that needs its own kind of recovery.

test("the provider killed while it creates subnets: the next destroy leaves none", () =>
  killAtCreate("aws", "aws:ec2:Subnet hono-app-public-a", expectDestroyConverges));

test("the engine killed while it replaces an instance: the next up converges", () =>
  killAtUpdate("engine", "aws:ec2:Instance hono-app-intel creating replacement"));

test("the program killed in a destroy: the next up creates what is gone", () =>
  killAtDestroy("program", "aws:ec2:SecurityGroup hono-app", async () => void (await expectUpConverges())));

/** Creates what an interrupted command could leave, with the stack's tags: three of each type, and more than a page of log groups. */
async function leaveBehind(): Promise<void> {
  const tags = { project: "hono-app", stack: "local" };
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const tagged = <T extends string>(ResourceType: T) => ({ TagSpecifications: [{ ResourceType, Tags }] });
  const statement = { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } };
  const trust = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  const allow = { Effect: "Allow", Action: "logs:PutLogEvents", Resource: "*" };
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: [allow] });
  const names = ["left-1", "left-2", "left-3"];
  for (let count = 1; count <= 51; count++) await logs.createLogGroup({ logGroupName: `left-${count}`, tags });
  for (const name of names) {
    await iam.createRole({ RoleName: name, AssumeRolePolicyDocument: trust, Tags });
    await iam.createInstanceProfile({ InstanceProfileName: name, Tags });
    await iam.putRolePolicy({ RoleName: "left-1", PolicyName: name, PolicyDocument: policy });
    await ecr.createRepository({ repositoryName: name, tags: Tags });
    await ecr.putLifecyclePolicy({ repositoryName: name, lifecyclePolicyText: JSON.stringify(lifecyclePolicy(2)) });
    const policyText = JSON.stringify(repositoryPolicy("123456789012"));
    await ecr.setRepositoryPolicy({ repositoryName: name, policyText });
  }
  for (const [index, name] of names.entries()) {
    const { Vpc } = await ec2.createVpc({ CidrBlock: `10.${index + 1}.0.0/16`, ...tagged("vpc") });
    const vpc = { VpcId: Vpc?.VpcId };
    const { InternetGateway } = await ec2.createInternetGateway(tagged("internet-gateway"));
    await ec2.attachInternetGateway({ InternetGatewayId: InternetGateway?.InternetGatewayId, ...vpc });
    const { Subnet } = await ec2.createSubnet({ CidrBlock: Vpc?.CidrBlock, ...vpc, ...tagged("subnet") });
    const { RouteTable } = await ec2.createRouteTable({ ...vpc, ...tagged("route-table") });
    const table = { RouteTableId: RouteTable?.RouteTableId };
    await ec2.associateRouteTable({ SubnetId: Subnet?.SubnetId, ...table });
    await ec2.createRoute({
      ...table,
      DestinationCidrBlock: "0.0.0.0/0",
      GatewayId: InternetGateway?.InternetGatewayId,
    });
    const { GroupId } = await ec2.createSecurityGroup({
      GroupName: name,
      Description: name,
      ...vpc,
      ...tagged("security-group"),
    });
    const port = { IpProtocol: "tcp", FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: "0.0.0.0/0" }] };
    const rule = { GroupId, IpPermissions: [port], ...tagged("security-group-rule") };
    await ec2.authorizeSecurityGroupIngress(rule);
    await ec2.createFlowLogs({
      ResourceIds: [Vpc?.VpcId ?? ""],
      ResourceType: "VPC",
      TrafficType: "REJECT",
      LogGroupName: name,
      DeliverLogsPermissionArn: (await iam.getRole({ RoleName: name })).Role?.Arn,
      ...tagged("vpc-flow-log"),
    });
  }
}

test("what an interrupted command left is deleted, from every page of every list", async () => {
  await deployed();
  const before = await inventory();
  // First of all: also what is left of this test, where it fails half-way, is then deleted.
  writeFileSync(join(cloud.dir, "unfinished"), "");
  await leaveBehind();
  const { "aws:ec2/instance:Instance": _, NetworkInterface: __, ...left } = await inventory();
  for (const [kind, ids] of Object.entries(left))
    expect(ids.length, kind).toBeGreaterThanOrEqual((before[kind]?.length ?? 0) + 3);
  await succeed("refresh");
  expect(await inventory()).toEqual(before);
});

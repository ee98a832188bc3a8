import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { lifecyclePolicy, repositoryPolicy } from "../../components/repository.ts";
import { resources, type Token } from "../../local/providers/aws/rows.ts";
import type { Props } from "../../local/providers/aws/values.ts";
import { blobsOf } from "../../local/services/registry.ts";
import { processes } from "../../tools/processes.ts";
import { projectName } from "../../tools/project.ts";
import { expectDestroyConverges, expectUpConverges, inventory, killMachine } from "../support/faults.ts";
import { killAtCreate, killAtDestroy, killAtUpdate } from "../support/kill.ts";
import { make } from "../support/make.ts";
import { buildingPreview } from "../support/previews.ts";
import {
  cloud,
  configured,
  deployed,
  describeInstances,
  ec2,
  editPage,
  expectStill,
  expireLogin,
  iam,
  instanceRole,
  local,
  outputs,
  refused,
  state,
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

test("an instance whose machine dies is shown by a preview, beside which no other command runs, and replaced by the next up", async () => {
  const before = await deployed();
  const { id } = before.intel;
  await fillFirstPage((await describeInstances(id))[0]?.ImageId);
  await killMachine(id);
  const previews = await Promise.all([local("preview"), local("preview")]);
  const [shown, other] = previews.sort((a, b) => Number(a.status) - Number(b.status));
  expect([shown?.status, other?.status]).toEqual([0, 1]);
  expect(shown?.output).toMatch(/aws:ec2:Instance hono-app-intel\s+create/);
  expect(other?.output).toMatch(
    /preview \(process \d+\) is using this local cloud; wait until it ends, then run preview again/,
  );
  const after = await expectUpConverges();
  expect(after.intel.id).not.toBe(id);
  expect(after.graviton.id).toBe(before.graviton.id);
});

/** Makes what an interrupted command could leave, with the stack's tags: three of each type, and more than a page of log groups. */
async function leaveBehind(): Promise<void> {
  const tags = { project: projectName, stack: "local" };
  const leave = (type: Token, inputs: Props) => resources[type].create({ ...inputs, tags });
  const arn = (service: string, name: string) => `arn:aws:${service}:123456789012:${name}`;
  const allowing = (more: object) =>
    JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...more }] });
  const assumeRolePolicy = allowing({
    Action: "sts:AssumeRole",
    Principal: { Service: "vpc-flow-logs.amazonaws.com" },
  });
  // All of one role, whose lists have pages too.
  const [role, policy] = ["left-1", allowing({ Action: "logs:PutLogEvents", Resource: "*" })];
  for (let count = 1; count <= 51; count++) await leave("aws:cloudwatch/logGroup:LogGroup", { name: `left-${count}` });
  for (const number of [1, 2, 3]) {
    const [name, cidrBlock] = [`left-${number}`, `10.${number}.0.0/16`];
    await leave("aws:iam/role:Role", { name, assumeRolePolicy });
    await leave("aws:iam/instanceProfile:InstanceProfile", { name });
    await leave("aws:iam/rolePolicy:RolePolicy", { name, role, policy });
    const repository = await leave("aws:ecr/repository:Repository", { name });
    const lifecycle = JSON.stringify(lifecyclePolicy(2));
    await leave("aws:ecr/lifecyclePolicy:LifecyclePolicy", { repository, policy: lifecycle });
    const access = JSON.stringify(repositoryPolicy("123456789012"));
    await leave("aws:ecr/repositoryPolicy:RepositoryPolicy", { repository, policy: access });
    const vpcId = await leave("aws:ec2/vpc:Vpc", { cidrBlock });
    const gatewayId = await leave("aws:ec2/internetGateway:InternetGateway", { vpcId });
    const subnetId = await leave("aws:ec2/subnet:Subnet", { vpcId, cidrBlock });
    const routeTableId = await leave("aws:ec2/routeTable:RouteTable", { vpcId });
    await leave("aws:ec2/routeTableAssociation:RouteTableAssociation", { routeTableId, subnetId });
    await leave("aws:ec2/route:Route", { routeTableId, gatewayId, destinationCidrBlock: "0.0.0.0/0" });
    const securityGroupId = await leave("aws:ec2/securityGroup:SecurityGroup", { vpcId, name, description: name });
    const rule = { securityGroupId, ipProtocol: "tcp", fromPort: 80, toPort: 80, cidrIpv4: "0.0.0.0/0" };
    await leave("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", rule);
    await leave("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", rule);
    const [iamRoleArn, logDestination] = [arn("iam:", `role/${name}`), arn("logs:ap-northeast-2", `log-group:${name}`)];
    await leave("aws:ec2/flowLog:FlowLog", { vpcId, trafficType: "REJECT", iamRoleArn, logDestination });
  }
}

test("what an interrupted command left is deleted, from every page of every list, and nothing of another stack", async () => {
  await deployed();
  await make("aws:cloudwatch/logGroup:LogGroup", { name: "another", tags: { project: projectName, stack: "another" } });
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

// Three of the steps at which `npm run test:faults` kills: where the stack comes to be protected, where it is, and where there is none. Each
// leaves something that needs its own kind of recovery.

const production = { protect: "true", forceDelete: "false", latestTag: "false" };

test("the program killed in a destroy: the next up creates what is gone", () =>
  configured(production, () =>
    killAtDestroy("program", "aws:ec2:SecurityGroup hono-app", async () => void (await expectUpConverges())),
  ));

// The next test destroys it, once the protection is removed.
test("production refuses destroy until the protection is removed; the engine killed while it replaces an instance there: the next up converges", async () => {
  await configured(production, async () => {
    const stack = await deployed();
    await refused(
      local("destroy"),
      /hono-app:index:Repository::hono-app.*cannot be deleted|cannot be deleted[\s\S]*because it is protected/,
    );
    await expectStill(stack);
    // A release still replaces protected machines, and the rules by which images expire can change.
    const step = "aws:ec2:Instance hono-app-intel creating replacement";
    const releasing = (work: () => Promise<void>) => {
      editPage("protected");
      return work();
    };
    await configured({ keepReleases: "20" }, () => killAtUpdate("engine", step, releasing));
    for (const name of machineNames) expect(outputs()[name].id).not.toBe(stack[name].id);
  });
}, 300_000);

test("destroy, though its login has expired and others have given its role policies, leaves nothing of the stack, and can be repeated", async () => {
  await deployed();
  expireLogin();
  const RoleName = instanceRole();
  const PolicyArn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
  await iam.attachRolePolicy({ RoleName, PolicyArn });
  const Statement = [{ Effect: "Allow", Action: "s3:GetObject", Resource: "*" }];
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement });
  await iam.putRolePolicy({ RoleName, PolicyName: "by-hand", PolicyDocument });
  await expectDestroyConverges();
  expect(blobsOf(cloud)).toEqual([]);
  const host = ["--host", `unix://${cloud.run}/docker.sock`];
  expect(execFileSync("docker", [...host, "volume", "ls", "--quiet"]).toString()).toBe("");
  await succeed("destroy");
});

test("the provider killed while it creates subnets: the next destroy leaves none", () =>
  killAtCreate("aws", "aws:ec2:Subnet hono-app-public-a", expectDestroyConverges));

test("a first preview writes nothing; down leaves no process, and can be repeated", async () => {
  // The tests of the next file find a cloud that runs, whether or not they deploy.
  onTestFinished(async () => {
    await succeed("env");
  });
  if (state().resources.length > 0) await succeed("destroy");
  expect(Object.keys(summary(await buildingPreview()))).toEqual(["create"]);

  expect(commandLines().length).toBeGreaterThan(4);
  expect(firewall()).toMatch(chains);
  await succeed("down");
  expect(commandLines()).toEqual([]);
  await refused(local("output"), "the stack has no outputs: npm run local deploys it");
  expect(existsSync(cloud.run)).toBe(false);
  expect(firewall()).not.toMatch(chains);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(cloud.dir);
  await succeed("down");
});

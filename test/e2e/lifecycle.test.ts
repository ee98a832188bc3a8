import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { aws, cloud, deployed, local, outputs, registry, succeed, summary } from "../support/stack.ts";

const ec2 = new EC2Client(aws);

/** What AWS's API says of an instance. */
async function describe(id: string): Promise<Instance | undefined> {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0];
}

const stateOf = async (id: string) => (await describe(id))?.State?.Name;

/** As after many launches: instances that are gone stay listed, before those that run. */
async function fillFirstPage(ImageId?: string): Promise<void> {
  const NetworkInterfaces = [{ DeviceIndex: 0, AssociatePublicIpAddress: false }];
  const launch = { ImageId, InstanceType: "t3.small", MinCount: 1, MaxCount: 1, NetworkInterfaces } as const;
  for (let count = 0; count < 3; count++) {
    const { Instances = [] } = await ec2.send(new RunInstancesCommand(launch));
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: Instances.map(({ InstanceId = "" }) => InstanceId) }));
  }
  expect((await ec2.send(new DescribeInstancesCommand({}))).NextToken).toBeDefined();
}

/** Processes that carry this cloud's folder or run folder in their command line. */
function processes(): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return command.includes(cloud.dir) || command.includes(`${cloud.run}/`) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

const pidOf = (daemon: string) => Number(readFileSync(join(cloud.run, `${daemon}.pid`), "utf8").split(" ")[0]);
const interfaces = () => execFileSync("ip", ["-brief", "link"]).toString();

test("a machine that dies is seen as such, and the next up makes another", async () => {
  const before = await deployed();
  const { id } = before.intel;
  await fillFirstPage((await describe(id))?.ImageId);
  process.kill(Number(readFileSync(join(cloud.run, id, "engine.pid"), "utf8")), "SIGKILL");
  await expect.poll(() => stateOf(id), { timeout: 20_000 }).toBe("terminated");
  const after = await deployed();
  expect(after.intel.id).not.toBe(id);
  expect(after.graviton.id).toBe(before.graviton.id);
  expect((await fetch(`${after.intel.url}/health`)).status).toBe(200);
});

test("with every daemon killed, the next up recovers by itself", async () => {
  const before = await deployed();
  for (const daemon of ["moto", "registry", "buildkitd", "ec2"]) process.kill(pidOf(daemon), "SIGKILL");
  const output = await succeed("up");
  expect(output).toContain("what ran in the local cloud is gone with it");
  const after = await outputs();
  expect(after.imageRef).toBe(before.imageRef);
  for (const name of machineNames) {
    expect(after[name].id).not.toBe(before[name].id);
    expect((await fetch(`${after[name].url}/health`)).status).toBe(200);
  }
  expect(Object.keys(summary(await succeed("up")))).toEqual(["unchanged"]);
});

test("two commands at once: the second is refused with a sentence", async () => {
  await deployed();
  const [first, second] = await Promise.all([local("refresh"), local("refresh")]);
  expect([first.status, second.status].sort()).toEqual([0, 1]);
  const refused = first.status === 1 ? first : second;
  expect(refused.output).toMatch(
    /refresh \(process \d+\) works on this local cloud; wait for its end, then run refresh again/,
  );
});

test("a command that is not one is refused with what there is", async () => {
  const { status, output } = await local("deploy");
  expect(status).toBe(2);
  expect(output).toContain("not a command: deploy");
  expect(output).toContain("usage: npm run local -- [COMMAND]");
});

test("destroy leaves no machine, container, network, volume or image; down no process; and both may be said twice", async () => {
  const stack = await deployed();
  for (const name of machineNames) expect(interfaces()).toContain(`ec2-${stack[name].id.slice(-11)}`);

  expect(summary(await succeed("destroy"))).toEqual({ deleted: expect.any(Number) });
  for (const name of machineNames) {
    expect(await stateOf(stack[name].id)).toBe("terminated");
    await expect.poll(() => existsSync(join(cloud.dir, "machines", stack[name].id)), { timeout: 20_000 }).toBe(false);
    expect(interfaces()).not.toContain(stack[name].id.slice(-11));
  }
  expect(JSON.parse((await registry("/v2/hono-app-local/tags/list")).body).tags ?? []).toEqual([]);
  const data = join(cloud.dir, "registry", "data", "docker", "registry", "v2");
  const blobs = readdirSync(join(data, "blobs"), { recursive: true }).filter((file) => String(file).endsWith("data"));
  expect(blobs).toEqual([]);
  const host = ["--host", `unix://${cloud.run}/docker.sock`];
  expect(execFileSync("docker", [...host, "ps", "--all", "--quiet"]).toString()).toBe("");
  expect(execFileSync("docker", [...host, "volume", "ls", "--quiet"]).toString()).toBe("");
  await succeed("destroy");

  expect(processes().length).toBeGreaterThan(4);
  await succeed("down");
  expect(processes()).toEqual([]);
  expect(existsSync(cloud.run)).toBe(false);
  expect(execFileSync("iptables", ["--list-rules"]).toString()).not.toContain(`${cloud.prefix}.`);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(cloud.dir);
  await succeed("down");
});

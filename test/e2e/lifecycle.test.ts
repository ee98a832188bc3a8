import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { processes } from "../../tools/processes.ts";
import { ec2, expectUpConverges, instanceState, killMachine } from "../support/faults.ts";
import { lastBuild, unwritten } from "../support/previews.ts";
import { cloud, deployed, describeInstances, local, registry, succeed, summary } from "../support/stack.ts";

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

const interfaces = () => execFileSync("ip", ["-brief", "link"]).toString();

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
  await deployed();
  const [first, second] = await Promise.all([local("refresh"), local("refresh")]);
  expect([first.status, second.status].sort()).toEqual([0, 1]);
  const refused = first.status === 1 ? first : second;
  expect(refused.output).toMatch(
    /refresh \(process \d+\) is using this local cloud; wait until it ends, then run refresh again/,
  );
});

test("refuses an unknown command with the usage", async () => {
  const { status, output } = await local("deploy");
  expect(status).toBe(2);
  expect(output).toContain("not a command: deploy");
  expect(output).toContain("usage: npm run local -- [COMMAND]");
});

test("destroy leaves nothing of the stack, a first preview writes nothing, down leaves no process, and they can be repeated", async () => {
  // The tests of the next file find a cloud that runs, whether or not they deploy.
  onTestFinished(async () => {
    await succeed("env");
  });
  const stack = await deployed();
  for (const name of machineNames) expect(interfaces()).toContain(`ec2-${stack[name].id.slice(-11)}`);

  expect(summary(await succeed("destroy"))).toEqual({ deleted: expect.any(Number) });
  for (const name of machineNames) {
    expect(await instanceState(stack[name].id)).toBe("terminated");
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

  const before = await unwritten();
  const preview = await succeed("preview");
  expect(lastBuild()).toEqual({ status: "completed", platforms: ["linux/amd64", "linux/arm64"] });
  expect(Object.keys(summary(preview))).toEqual(["create"]);
  expect(await unwritten()).toEqual(before);

  expect(commandLines().length).toBeGreaterThan(4);
  await succeed("down");
  expect(commandLines()).toEqual([]);
  expect(existsSync(cloud.run)).toBe(false);
  expect(execFileSync("iptables", ["--list-rules"]).toString()).not.toContain(`${cloud.prefix}.`);
  expect(readFileSync("/proc/mounts", "utf8")).not.toContain(cloud.dir);
  await succeed("down");
});

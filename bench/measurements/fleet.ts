import { readFileSync, writeFileSync } from "node:fs";
import { Agent, type RequestOptions } from "node:http";
import { join } from "node:path";
import { EC2 } from "@aws-sdk/client-ec2";
import { quantile } from "simple-statistics";
import { type MachineName, machineNames } from "../../components/architecture.ts";
import type { GroupProof } from "../../components/group-proof.ts";
import { localAddressOf } from "../../local/address.ts";
import { sdkOf } from "../../local/cloud.ts";
import { get } from "../../tools/http.ts";
import { step } from "../../tools/process.ts";
import type { Measurement } from "../measurement.ts";
import { local, type Sandbox } from "../sandbox.ts";

/** Fleets of several sizes, behind a load balancer: their first `up`, a second one, a release under load, and what the balancer adds. */
export async function measureFleet(sandbox: Sandbox): Promise<Measurement[]> {
  const found: Measurement[] = [];
  const file = join(sandbox.project, "Pulumi.local.yaml");
  const original = readFileSync(file, "utf8");
  try {
    for (const machines of sandbox.quick ? [1] : [1, 2, 4]) {
      const fleet = `\n  fleet: true\n  machinesMin: ${machines}\n  machinesMax: ${2 * machines}`;
      writeFileSync(file, original.replace(/^config:/m, `$&${fleet}`));
      found.push(...(await measureSize(sandbox, machines * machineNames.length)));
    }
  } finally {
    writeFileSync(file, original);
  }
  return found;
}

async function measureSize(sandbox: Sandbox, size: number): Promise<Measurement[]> {
  const fleet = `a fleet of ${size}`;
  // Builds the image, so that the first size has no more to do than the others.
  await sandbox.command(local("preview"));
  const up = await step(`up of ${fleet}`, () => sandbox.time(local("up")));
  const again = await step(`a second up of ${fleet}`, () => sandbox.time(local("up")));
  const outputs: Outputs = JSON.parse(await sandbox.command(local("output", "--json")));
  const added = await step(`requests to ${fleet}`, () => latency(sandbox, outputs));
  const { seconds, asked, failed } = await step(`a release of ${fleet}`, () => release(sandbox, outputs));
  await step(`destroy of ${fleet}`, () => sandbox.command(local("destroy")));
  const found: Measurement[] = [
    { what: "up, the image built", unit: "s", ours: [up] },
    { what: "up with nothing to do", unit: "s", ours: [again] },
    { what: "a release", unit: "s", ours: [seconds] },
    { what: "requests during a release", unit: "", ours: [asked] },
    { what: "failed requests during a release", unit: "", ours: [failed] },
    ...added,
  ];
  return found.map((each) => ({ ...each, what: `fleet of ${size}: ${each.what}` }));
}

type Outputs = { readonly url: string } & Readonly<Record<MachineName, Pick<GroupProof, "machines">>>;

/** A release while four clients ask without a break, over a new connection each time. */
async function release(sandbox: Sandbox, { url }: Outputs) {
  const results: boolean[] = [];
  const seconds = await sandbox.release(Array(4).fill(url), async () => {
    results.push(await timeOf(`${url}/platform`).then(Number.isFinite, () => false));
  });
  return { seconds, asked: results.length, failed: results.filter((isAnswered) => !isAnswered).length };
}

/**
 * One request after another over a connection that is kept, to the load balancer and, in turn with that, to each machine itself: from the
 * balancer's own address, which alone is let in.
 */
async function latency(sandbox: Sandbox, outputs: Outputs): Promise<Measurement[]> {
  const { cloud } = sandbox;
  const ec2 = new EC2(sdkOf(cloud, "root"));
  const ids = machineNames.flatMap((name) => outputs[name].machines.map(({ id }) => id));
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: ids });
  const machines = Reservations.flatMap(({ Instances = [] }) => Instances);
  const { NetworkInterfaces = [] } = await ec2.describeNetworkInterfaces({
    Filters: [{ Name: "description", Values: ["ELB app/*"] }],
  });
  const [balancer] = NetworkInterfaces;
  if (!balancer) throw new Error("the load balancer has no network interface");
  const localAddress = localAddressOf(balancer, cloud.prefix);
  const direct = machines.map((machine) => `http://${localAddressOf(machine, cloud.prefix)}`);

  const agent = new Agent({ keepAlive: true });
  const times = { balancer: [] as number[], machine: [] as number[] };
  for (let asked = -100; asked < 2000; asked++) {
    const through = await timeOf(`${outputs.url}/platform`, { agent });
    const itself = await timeOf(`${direct[Math.abs(asked) % direct.length]}/platform`, { agent, localAddress });
    // The first ones open connections, and find the app cold.
    if (asked < 0) continue;
    times.balancer.push(through);
    times.machine.push(itself);
  }
  agent.destroy();
  const row = (share: number, what: string): Measurement => ({
    what: `${what} answered within`,
    unit: "ms",
    ours: [quantile(times.balancer, share)],
    others: { "a machine, asked directly": [quantile(times.machine, share)] },
  });
  return [row(0.5, "half of the requests"), row(0.99, "99 of 100 requests")];
}

/** Milliseconds until a request is answered with 200 and read. */
async function timeOf(url: string, options: RequestOptions = {}): Promise<number> {
  const started = performance.now();
  const { status } = await get(url, { ...options, signal: AbortSignal.timeout(10_000) });
  if (status !== 200) throw new Error(`${url}: ${status}`);
  return performance.now() - started;
}

import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { machineNames } from "../../components/architecture.ts";
import type { Proof } from "../../components/proof.ts";
import { builds } from "../../local/services/buildkitd.ts";
import { filesBelow } from "../../tools/paths.ts";
import { step } from "../../tools/process.ts";
import type { Measurement } from "../measurement.ts";
import { local, type Sandbox } from "../sandbox.ts";

const empty = (...command: string[]) => ["npm", "run", "--silent", "empty", "--", ...command];

/** The stack's commands: `up` from nothing, ones with nothing to do, and a release. Ends with the stack destroyed. */
export async function measureStack(sandbox: Sandbox): Promise<Measurement[]> {
  // What all local clouds of a clone share is made once, by the first.
  await step("starting the local cloud once", () => sandbox.start());
  const fresh: number[] = [];
  const rest: Measurement[] = [];
  for (let cycle = 0; cycle < sandbox.runs(2); cycle++) {
    fresh.push(await step("up from nothing", () => upFromNothing(sandbox)));
    if (cycle === 0) rest.push(...(await nothingToDo(sandbox)), ...(await release(sandbox)));
    await step("destroy", () => sandbox.command(local("destroy")));
  }
  return [{ what: "up from nothing, the local cloud's start included", unit: "s", ours: fresh }, ...rest];
}

async function upFromNothing(sandbox: Sandbox): Promise<number> {
  await sandbox.down();
  rmSync(sandbox.cloud.dir, { recursive: true, force: true });
  const seconds = await sandbox.time(local("up"));
  await sandbox.open();
  return seconds;
}

async function nothingToDo(sandbox: Sandbox): Promise<Measurement[]> {
  const before = { builds: await builds(sandbox.cloud), files: registryFiles(sandbox) };
  const times = await sandbox.rounds(sandbox.runs(5), {
    "up with nothing to do": () => sandbox.time(local("up")),
    "up of an empty program": () => sandbox.time(empty("up")),
    "preview with nothing to do": () => sandbox.time(local("preview")),
    "preview of an empty program": () => sandbox.time(empty("preview")),
  });
  const after = registryFiles(sandbox);
  const files = new Set([...before.files.keys(), ...after.keys()]);
  const changed = [...files].filter((file) => before.files.get(file) !== after.get(file));
  const compared = (command: "up" | "preview"): Measurement => ({
    what: `${command} with nothing to do`,
    unit: "s",
    ours: times[`${command} with nothing to do`],
    others: { "empty Pulumi program": times[`${command} of an empty program`] },
  });
  return [
    compared("up"),
    compared("preview"),
    {
      what: "builds by an up or preview with nothing to do",
      unit: "",
      ours: [(await builds(sandbox.cloud)).length - before.builds.length],
    },
    { what: "files of the registry that these change", unit: "", ours: [changed.length] },
  ];
}

/** Each file of ECR's registry with its time, which every write changes. */
function registryFiles({ cloud }: Sandbox): Map<string, number> {
  return new Map(filesBelow(join(cloud.dir, "registry", "data")).map((file) => [file, statSync(file).mtimeMs]));
}

/** Sends requests to both instances during a release. They count until the new ones are verified: then the old ones are deleted. */
async function release(sandbox: Sandbox): Promise<Measurement[]> {
  const machines = async () => {
    const outputs = JSON.parse(await sandbox.command(local("output", "--json")));
    return machineNames.map((name) => outputs[name] as { url: string; proof: Proof });
  };
  const asked: { at: number; failed: boolean }[] = [];
  const urls = (await machines()).map(({ url }) => url);
  const ask = async (url: string) => {
    const at = Date.now();
    const response = await fetch(`${url}/platform`, { signal: AbortSignal.timeout(5000) }).catch(() => undefined);
    asked.push({ at, failed: !response?.ok });
  };
  await step("a release", () => sandbox.release(urls, ask));
  const proven = Math.max(...(await machines()).map(({ proof }) => Date.parse(proof.verifiedAt)));
  const counted = asked.filter(({ at }) => at < proven);
  return [
    { what: "requests during a release", unit: "", ours: [counted.length] },
    { what: "failed requests during a release", unit: "", ours: [counted.filter(({ failed }) => failed).length] },
  ];
}

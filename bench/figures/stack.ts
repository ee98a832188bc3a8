import { readFileSync, rmSync } from "node:fs";
import { machineNames } from "../../components/architecture.ts";
import type { Proof } from "../../components/proof.ts";
import { stateFile } from "../../local/stack.ts";
import { step } from "../../local/step.ts";
import { atMost, type Row, within } from "../figure.ts";
import type { Place } from "../place.ts";

/** A command as a person types it. */
const local = (...command: string[]) => ["npm", "run", "--silent", "local", "--", ...command];
const empty = (...command: string[]) => ["npm", "run", "--silent", "empty", "--", ...command];
const oneAfterTheOther = { PULUMI_PARALLEL: "1" };

/** The stack's life: `up` from nothing, machines, no-op `up` and preview, destroy. */
export async function measureStack(place: Place): Promise<Row[]> {
  const fresh: Up[] = [];
  const serial: Up[] = [];
  const destroyed: number[] = [];
  const rows: Row[] = [];
  const destroy = () => step("destroy", () => place.time(local("destroy")));
  const cycles = place.wants("up", "verified", "destroy") ? place.runs(3) : 1;
  for (let cycle = 0; cycle < cycles; cycle++) {
    fresh.push(await step("up from nothing", () => upFromNothing(place)));
    if (cycle === 0 && place.wants("noop")) rows.push(...(await noOps(place)));
    destroyed.push(await destroy());
    if (!place.quick && place.wants("up")) {
      serial.push(await step("up from nothing, one after the other", () => upFromNothing(place, oneAfterTheOther)));
      await destroy();
    }
  }
  const reference = (runs: number[]) =>
    runs.length > 0 && { reference: { what: "one after the other", unit: "s" as const, runs } };
  rows.push(
    {
      figure: "up",
      what: "full up from nothing, warm tools",
      ours: { unit: "s", runs: fresh.map(({ seconds }) => seconds) },
      ...reference(serial.map(({ seconds }) => seconds)),
      budget: atMost(30, "s"),
      note: "no process, no data of the cloud; the local cloud's own start is in it",
    },
    {
      figure: "up",
      what: "between the starts of both machines",
      ours: { unit: "s", runs: fresh.map(({ apart }) => apart) },
      ...reference(serial.map(({ apart }) => apart)),
      budget: atMost(1, "s"),
    },
    {
      figure: "verified",
      what: "machine created → verified, native",
      ours: { unit: "s", runs: fresh.map(({ verified }) => Math.min(...verified)) },
      budget: atMost(3, "s"),
      note: "from the engine's time of creation in the state to the proof's",
    },
    {
      figure: "verified",
      what: "machine created → verified, emulated",
      ours: { unit: "s", runs: fresh.map(({ verified }) => Math.max(...verified)) },
      budget: atMost(8, "s"),
    },
    {
      figure: "destroy",
      what: "destroy",
      ours: { unit: "s", runs: destroyed },
      budget: atMost(10, "s"),
    },
  );
  return rows.filter(({ figure }) => place.wants(figure));
}

interface Up {
  readonly seconds: number;
  /** Seconds between the creation of both machines. */
  readonly apart: number;
  /** For each machine, seconds from its creation to its proof. */
  readonly verified: readonly number[];
}

interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly created: string;
  readonly outputs?: { readonly proof?: Proof };
}

async function upFromNothing(place: Place, env?: NodeJS.ProcessEnv): Promise<Up> {
  await place.command(local("down"));
  rmSync(place.cloud.dir, { recursive: true, force: true });
  const seconds = await place.time(local("up"), env);
  await place.start(); // its addresses may be others now
  const state = JSON.parse(readFileSync(stateFile(place.cloud), "utf8"));
  const resources = state.checkpoint.latest.resources as Resource[];
  const find = (type: string, name: string): Resource => {
    const found = resources.find((each) => each.type === type && each.urn.endsWith(`::hono-app-${name}`));
    if (found === undefined) throw new Error(`the state has no ${type} hono-app-${name}`);
    return found;
  };
  const machines = machineNames.map((name) => {
    const created = Date.parse(find("aws:ec2/instance:Instance", name).created);
    const { outputs } = find("pulumi-nodejs:dynamic/hono-app:Verification", name);
    return { created, verified: (Date.parse(outputs?.proof?.verifiedAt ?? "") - created) / 1000 };
  });
  const [first = Number.NaN, second = Number.NaN] = machines.map(({ created }) => created / 1000);
  return { seconds, apart: Math.abs(first - second), verified: machines.map(({ verified }) => verified) };
}

async function noOps(place: Place): Promise<Row[]> {
  const before = { builds: await place.builds(), files: place.registryFiles() };
  const times = await place.rounds(place.runs(5), {
    "no-op up": () => place.time(local("up")),
    "empty program, up": () => place.time(empty("up")),
    "no-op preview": () => place.time(local("preview")),
    "empty program, preview": () => place.time(empty("preview")),
  });
  const builds = (await place.builds()) - before.builds;
  const after = place.registryFiles();
  const writes = [...new Set([...before.files.keys(), ...after.keys()])].filter(
    (file) => before.files.get(file) !== after.get(file),
  ).length;
  const timed = (command: "up" | "preview", limit: number): Row[] => {
    const row = {
      figure: "noop",
      what: `no-op ${command}, wall`,
      ours: { unit: "s", runs: times[`no-op ${command}`] },
      reference: { what: "empty Pulumi program", unit: "s", runs: times[`empty program, ${command}`] },
    } as const;
    return [
      { ...row, budget: atMost(limit, "s") },
      { ...row, budget: within(1) },
    ];
  };
  return [
    ...timed("up", 2),
    ...timed("preview", 1.5),
    {
      figure: "noop",
      what: "builds in no-op ups and previews",
      ours: { unit: "", runs: [builds] },
      budget: atMost(0, ""),
      note: "by BuildKit's own history",
    },
    {
      figure: "noop",
      what: "registry writes in no-op ups and previews",
      ours: { unit: "", runs: [writes] },
      budget: atMost(0, ""),
      note: "files of the registry that came, went or changed",
    },
  ];
}

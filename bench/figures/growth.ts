import { collectGarbage } from "../../local/ecr/registry.ts";
import { step } from "../../local/step.ts";
import { atMostTimes, type Row } from "../figure.ts";
import { launchToVerified, upOnPaper } from "../paper.ts";
import type { Place } from "../place.ts";
import { measureMachine } from "./ec2.ts";

/** How much longer an `up` of more machines may take than one of two: flat, but for the pace at which EC2 lets launches through. */
const flat = 1.5;

/** More machines from the same tag, on paper and in the local cloud, whose machines share this one's processors. */
export async function measureGrowth(place: Place): Promise<Row[]> {
  const each = launchToVerified(await measureMachine(place)).reduce((sum, { seconds }) => sum + seconds, 0);
  const fleets: { machines: number; seconds: number; bytes: number }[] = [];
  for (const machines of place.quick ? [2] : [2, 4, 8]) {
    fleets.push(await step(`up of ${machines} machines`, () => upOf(place, machines)));
  }
  const launches: { machines: number; parallel?: number }[] = [
    { machines: 2 },
    { machines: 8 },
    { machines: 32 },
    { machines: 32, parallel: 64 },
  ];
  const [two] = fleets as [(typeof fleets)[number]];
  return [
    ...launches.map(
      ({ machines, parallel }): Row => ({
        figure: "growth",
        what: `up of ${machines} machines on EC2, ${parallel ? `--parallel ${parallel}, ` : ""}on paper`,
        ours: { unit: "s", runs: [upOnPaper(machines, each, parallel)] },
        reference: { what: "up of 2", unit: "s", runs: [upOnPaper(2, each)] },
        budget: atMostTimes(flat),
        note: "machines side by side, launches as EC2 lets them through, steps as the engine takes them at a time",
      }),
    ),
    ...fleets.flatMap(({ machines, seconds, bytes }): Row[] => [
      {
        figure: "growth",
        what: `up of ${machines} machines, local cloud`,
        ours: { unit: "s", runs: [seconds] },
        reference: { what: "up of 2", unit: "s", runs: [two.seconds] },
        budget: atMostTimes(flat),
      },
      {
        figure: "growth",
        what: `bytes pushed for ${machines} machines`,
        ours: { unit: "bytes", runs: [bytes] },
        reference: { what: "for 2", unit: "bytes", runs: [two.bytes] },
        budget: atMostTimes(1),
      },
    ]),
  ];
}

/** From no stack and an image that is built but nowhere pushed. */
async function upOf(place: Place, machines: number) {
  const fleet = (command: string) => place.command(["node", "bench/fleet.ts", command, String(machines)]);
  await collectGarbage(place.cloud);
  const before = place.stored();
  const seconds = Number(await fleet("up"));
  const bytes = place.stored() - before;
  await fleet("destroy");
  return { machines, seconds, bytes };
}

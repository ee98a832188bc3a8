import { step } from "../../local/step.ts";
import { atMost, type Row } from "../figure.ts";
import { launchToVerified, type Measured } from "../paper.ts";
import type { Place } from "../place.ts";
import { loadApp, secondsToFirstAnswer } from "./app.ts";
import { buildCommand, native, pullSizes } from "./build.ts";

let measured: Promise<Measured> | undefined;

/** What of a machine's life can be measured here. Once for all figures that want it. */
export function measureMachine(place: Place): Promise<Measured> {
  measured ??= step("what a machine pulls, unpacks and starts", async () => {
    const image = "bench/app-gzip";
    await place.command(buildCommand(place, { push: image, compression: "gzip" }));
    const pull = (await pullSizes(place, image))[native] as number;
    const name = `${place.cloud.registry}/${image}`;
    // Layers that the engine has already would not be unpacked.
    await place.command([
      "docker",
      "image",
      "prune",
      "--all",
      "--force",
      "--filter",
      "label=org.opencontainers.image.title=hono-app",
    ]);
    const unpack = await place.time(["docker", "pull", "--quiet", name]);
    await place.command(["docker", "image", "rm", name]);
    await loadApp(place);
    return { pull, unpack, start: await secondsToFirstAnswer(place) };
  });
  return measured;
}

/** EC2 on paper: what there is no account for here, from others' measurements and our own bytes. */
export async function measureEc2(place: Place): Promise<Row[]> {
  const steps = launchToVerified(await measureMachine(place));
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    {
      figure: "ec2",
      what: "launch → verified on EC2, on paper",
      ours: { unit: "s", runs: [total] },
      budget: atMost(60, "s"),
    },
    ...steps.map(
      ({ what, seconds, source }): Row => ({
        figure: "ec2",
        what: `  ${what}`,
        ours: { unit: "s", runs: [seconds] },
        note: source,
      }),
    ),
  ];
}

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { every } from "../../local/lists.ts";
import { builds } from "../../local/services/buildkitd.ts";
import { hashOf } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { cloud, ec2, succeed } from "./stack.ts";

/** Everything that a preview must not change. */
export async function unwritten() {
  const reservations = await every(ec2.paginateDescribeInstances({}), (page) => page.Reservations);
  const machines = join(cloud.dir, "machines");
  return {
    registry: hashOf([], [join(cloud.dir, "registry", "data")]),
    stacks: hashOf([], [join(cloud.dir, "state", ".pulumi", "stacks")]),
    instances: reservations.flatMap(({ Instances = [] }) =>
      Instances.map(({ InstanceId, State }) => [InstanceId, State?.Name]),
    ),
    machines: readdirSync(machines),
  };
}

/** A preview, which must build both platforms and write nothing anywhere. Returns its output. */
export async function buildingPreview(): Promise<string> {
  const [before, known] = [await unwritten(), await builds(cloud)];
  const output = await succeed("preview");
  const build = (await builds(cloud)).find(({ id }) => !known.some((each) => each.id === id));
  if (build === undefined) throw new Error(`the preview built nothing:\n${output}`);
  const inspect = ["docker-buildx", "history", "inspect", build.id, "--format", "json"];
  const { Status, Platform } = JSON.parse(await run(inspect, { env: cloud.env }));
  expect([Status, ...[Platform].flat().sort()]).toEqual(["completed", "linux/amd64", "linux/arm64"]);
  expect(await unwritten()).toEqual(before);
  return output;
}

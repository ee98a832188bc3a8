import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { every } from "../../local/lists.ts";
import { filesBelow } from "../../tools/paths.ts";
import { cloud, ec2, succeed } from "./stack.ts";

/** All files below a folder, with what is in them. */
function contents(folder: string): string[] {
  return filesBelow(folder)
    .map((file) => `${file} ${createHash("sha256").update(readFileSync(file)).digest("hex")}`)
    .sort();
}

/** Everything that a preview must not change. */
export async function unwritten() {
  const reservations = await every(ec2.paginateDescribeInstances({}), (page) => page.Reservations);
  const machines = join(cloud.dir, "machines");
  return {
    registry: contents(join(cloud.dir, "registry", "data")),
    stacks: contents(join(cloud.dir, "state", ".pulumi", "stacks")),
    instances: reservations.flatMap(({ Instances = [] }) =>
      Instances.map(({ InstanceId, State }) => [InstanceId, State?.Name]),
    ),
    machines: readdirSync(machines),
  };
}

const history = (...args: string[]) =>
  execFileSync("docker-buildx", ["history", ...args], { env: cloud.env, encoding: "utf8" });

/** The builds that BuildKit itself remembers, by their ids. */
function builds(): string[] {
  const lines = history("ls", "--format", "json").split("\n").filter(Boolean);
  return lines.map((line) => (JSON.parse(line) as { ref: string }).ref.split("/").at(-1) as string);
}

/** A preview, which must build both platforms and write nothing anywhere. Returns its output. */
export async function buildingPreview(): Promise<string> {
  const [before, known] = [await unwritten(), builds()];
  const output = await succeed("preview");
  const build = builds().find((id) => !known.includes(id));
  if (build === undefined) throw new Error(`the preview built nothing:\n${output}`);
  const { Status, Platform } = JSON.parse(history("inspect", build, "--format", "json"));
  expect([Status, ...[Platform].flat().sort()]).toEqual(["completed", "linux/amd64", "linux/arm64"]);
  expect(await unwritten()).toEqual(before);
  return output;
}

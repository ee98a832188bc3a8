import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { every } from "../../local/lists.ts";
import { filesBelow } from "../../tools/paths.ts";
import { cloud, ec2 } from "./stack.ts";

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

/** What BuildKit itself remembers of its last build. */
export function lastBuild(): { status: string; platforms: string[] } {
  const docker = (...args: string[]) =>
    execFileSync("docker-buildx", ["history", ...args], { env: cloud.env, encoding: "utf8" });
  const [{ ref }] = docker("ls", "--format", "json")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line)) as [{ ref: string }];
  const { Status, Platform } = JSON.parse(docker("inspect", ref.split("/").at(-1) as string, "--format", "json"));
  return { status: Status, platforms: [Platform].flat().sort() };
}

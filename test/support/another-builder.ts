import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { platforms } from "../../components/architecture.ts";
import { startDaemon, stopDaemon } from "../../local/daemon.ts";
import { builder, buildkitd } from "../../local/services/buildkitd.ts";
import { bunVersion } from "../../local/services/hub/base-images.ts";
import { run } from "../../tools/process.ts";
import { startRegistry } from "./other-registry.ts";
import { cloud, type Outputs, repositoryName, succeed, tagOf } from "./stack.ts";

/** The setting of a builder whose base images differ, so that it builds other bytes from the same content. */
export const another = { builder: "another" };

/** Has that builder while the tests of a file run. */
export function useAnotherBuilder(): void {
  const folder = join(cloud.run, "another");
  // Of what was started before something failed, too.
  const stops: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    // Starts what a test before may have ended.
    await succeed("env");
    const mirror = `${cloud.prefix}.0.1:5602`;
    stops.push(await startRegistry(mirror));
    for (const image of [`oven/bun:${bunVersion}`, `oven/bun:${bunVersion}-distroless`]) {
      const options = ["--builder", builder, "--platform", platforms.join(), "--provenance=false"];
      const output = `type=image,push=true,name=${mirror}/${image}`;
      await run(["docker-buildx", "build", ...options, "--output", output, "-"], {
        env: cloud.env,
        input: `FROM ${image}\nLABEL day=another\n`,
      });
    }
    const daemon = buildkitd({ ...cloud, mirror }, true, { dir: join(cloud.dir, "another"), run: folder });
    stops.push(() => stopDaemon(daemon));
    await startDaemon(daemon);
    const node = ["--driver", "remote", `unix://${folder}/buildkitd.sock`];
    await run(["docker-buildx", "create", "--name", another.builder, ...node], { env: cloud.env });
    stops.push(() => run(["docker-buildx", "rm", "--force", another.builder], { env: cloud.env }));
  });

  afterAll(async () => {
    for (const stop of stops.reverse()) await stop();
    for (const each of [folder, join(cloud.dir, "another")]) rmSync(each, { recursive: true, force: true });
  });
}

/** What `up` says where it keeps a release that another builder made. */
export const kept = ({ imageRef, imageDigest }: Outputs) =>
  `${repositoryName}:${tagOf(imageRef)} already names ${imageDigest}, an earlier build of the same content, which is deployed`;

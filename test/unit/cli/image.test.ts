import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { build, isRefusal } from "../../../cli/image/build.ts";
import { checkBuilder, ensureBuilder, parseBuilder } from "../../../cli/image/builder.ts";
import { emulatedStep, remedy } from "../../../cli/image/emulation.ts";
import { type BuildOptions, readOptions } from "../../../cli/image/options.ts";
import { formatBytes, sumUp } from "../../../cli/image/sizes.ts";
import { UsageError } from "../../../cli/shared/command.ts";
import { atDigest, registryOf } from "../../../cli/shared/registry.ts";
import { temporaryFolder, writeProgram } from "../../support/process.ts";

/** What docker buildx inspect 0.35 printed of a builder with a node for each platform, and of one that does not answer. */
const nodes = `Name:          nodes
Driver:        remote
Last Activity: 2026-11-24 08:32:40 +0000 UTC

Nodes:
Name:             graviton
Endpoint:         unix:///run/arm64.sock
Status:           running
BuildKit version: v0.31.0
Platforms:        linux/arm64*, linux/amd64, linux/amd64/v2, linux/386
Labels:
 org.mobyproject.buildkit.worker.network:          host
GC Policy rule#0:
 All:            false

Name:             intel
Endpoint:         unix:///run/amd64.sock
Status:           running
BuildKit version: v0.31.0
Platforms:        linux/amd64*, linux/amd64/v2, linux/arm64
`;
const single = (platforms: string) => `Name:          multiplatform
Driver:        remote

Nodes:
Name:      multiplatform0
Endpoint:  unix:///run/buildkitd.sock
Status:    running
Platforms: ${platforms}
`;
const emulating = parseBuilder(single("linux/amd64, linux/amd64/v2, linux/arm64"));

describe("options", () => {
  const read = (...args: string[]) => readOptions(args);

  test("the image is named as in the guide", () => {
    expect(read()).toMatchObject({ push: false, tags: ["hono-app:latest"], builder: "multiplatform", context: "app" });
    expect(read()).not.toHaveProperty("platforms");
    expect(read("--platform", "linux/arm64", "--load")).toMatchObject({
      platforms: ["linux/arm64"],
      tags: ["hono-app:arm64"],
    });
    expect(read("--platform", "linux/amd64")).toMatchObject({ platforms: ["linux/amd64"], tags: ["hono-app:amd64"] });
    expect(read("--context", "docs/native-modules/")).toMatchObject({ tags: ["native-modules:latest"] });
    expect(read("-t", "mine:1", "--tag", "mine:2")).toMatchObject({ tags: ["mine:1", "mine:2"] });
  });

  test("a push is for both platforms, unless one is asked for", () => {
    const push = ["--push", "--tag", "ghcr.io/me/hono-app:1.0.0", "--tag", "me/hono-app"];
    expect(read(...push)).toMatchObject({ push: true, platforms: ["linux/arm64", "linux/amd64"] });
    expect(read(...push, "--platform", "linux/amd64")).toMatchObject({ platforms: ["linux/amd64"] });
  });

  test("other options of docker buildx build are passed on unchanged", () => {
    expect(read("--build-context", "app=app", "--build-arg", "A=1", "--build-arg", "B=2")).toMatchObject({
      passed: ["--build-context", "app=app", "--build-arg", "A=1", "--build-arg", "B=2"],
    });
  });

  test.each([
    [
      ["--platform", "linux/amd64,linux/arm64", "--load"],
      // Both ways out, as commands.
      /^--load takes one platform and was given linux\/amd64,linux\/arm64.*npm run image -- --platform linux\/amd64,linux\/arm64 --tag yourusername\/hono-app --push\n.*npm run image -- --platform linux\/amd64 --load$/s,
    ],
    [["--platform", "linux/amd64,linux/arm64"], "docker exporter does not currently support exporting manifest lists"],
    [["--platform", "linux/arm/v7"], '--platform is "linux/arm/v7"; allowed: linux/arm64, linux/amd64, or both'],
    [["--platform", ""], '--platform is ""'],
    [["--push"], "--push needs a --tag that names a registry, and none is given"],
    [["--push", "--tag", "hono-app:1"], '"hono-app:1" does not'],
    [["--push", "--load", "--tag", "me/a"], "--load and --push exclude each other"],
    [["--context", "test"], '--context is "test", which has no Dockerfile'],
    [["--sizes", "me/hono-app", "--load"], "--sizes goes with no other option"],
    [["--inspect", "me/hono-app", "--push"], "--inspect goes with no other option"],
  ])("refused before anything is built: %j", (args, message) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(message);
  });
});

describe("builder", () => {
  beforeEach(() => {
    for (const output of [process.stdout, process.stderr]) vi.spyOn(output, "write").mockReturnValue(true);
  });

  test("nodes, platforms and what was fixed are read", () => {
    expect(parseBuilder(nodes)).toEqual({
      name: "nodes",
      driver: "remote",
      nodes: [
        {
          name: "graviton",
          endpoint: "unix:///run/arm64.sock",
          platforms: ["linux/arm64", "linux/amd64", "linux/amd64/v2", "linux/386"],
          fixed: ["linux/arm64"],
        },
        {
          name: "intel",
          endpoint: "unix:///run/amd64.sock",
          platforms: ["linux/amd64", "linux/amd64/v2", "linux/arm64"],
          fixed: ["linux/amd64"],
        },
      ],
    });
  });

  test("one that lacks a platform is named, with what it has and what to do", () => {
    const builder = parseBuilder(single("linux/amd64, linux/386"));
    expect(() => checkBuilder(builder, ["linux/amd64"])).not.toThrow();
    expect(() => checkBuilder(builder, ["linux/arm64", "linux/amd64"])).toThrow(
      /^the builder multiplatform cannot build linux\/arm64; it has linux\/amd64, linux\/386\. Either\n.*docker buildx create --append --name multiplatform --platform linux\/arm64 ssh:.*\n.*binfmt --install arm64/,
    );
  });

  test("one that does not answer is named, with the reason", () => {
    const dead = parseBuilder(single("").replace("Status:    running", "Error:     dial unix: no such file"));
    expect(() => checkBuilder(dead, ["linux/amd64"])).toThrow(
      "the builder multiplatform does not answer: multiplatform0 (unix:///run/buildkitd.sock): dial unix: no such file",
    );
  });

  /** A `docker` that notes its arguments and answers as the script says. */
  function fakeDocker(script: string): { env: NodeJS.ProcessEnv; calls: () => string[] } {
    const folder = temporaryFolder(onTestFinished);
    const bin = join(folder, "bin");
    writeProgram(join(bin, "docker"), `cd ${folder}\necho "$*" >> calls\ncase "$*" in\n${script}\nesac`);
    writeFileSync(join(folder, "inspected"), single("linux/amd64, linux/arm64"));
    const calls = () => readFileSync(join(folder, "calls"), "utf8").trimEnd().split("\n");
    return { env: { PATH: `${bin}:/usr/bin:/bin` }, calls };
  }
  const notFound = `echo 'ERROR: no builder "multiplatform" found' >&2; exit 1`;

  test("is found by its name, and started", async () => {
    const { env, calls } = fakeDocker("*inspect*) cat inspected;;");
    expect(await ensureBuilder("multiplatform", ["linux/arm64"], env)).toEqual(
      parseBuilder(single("linux/amd64, linux/arm64")),
    );
    expect(calls()).toEqual(["buildx inspect --bootstrap multiplatform"]);
  });

  test("builds without times and attestations, so that equal content gives equal digests", async () => {
    const { env, calls } = fakeDocker("*inspect*) cat inspected;;");
    const options = readOptions(["--push", "--tag", "me/app:1", "--build-arg", "A=1"]) as BuildOptions;
    await build(options, { env, platform: "linux/amd64" });
    const [command = ""] = calls().filter((call) => call.startsWith("buildx build "));
    expect(command.slice("buildx build ".length).split(/ (?=--|app )/)).toEqual([
      ...["--builder multiplatform", "--platform linux/arm64,linux/amd64", "--build-arg SOURCE_DATE_EPOCH=0"],
      ...["--provenance=false", "--build-arg A=1", "--build-arg BUILDKIT_MULTI_PLATFORM=1"],
      ...["--output type=image,push=true,oci-mediatypes=true", "--tag me/app:1", "app", "--progress=plain"],
    ]);
  });

  const step = "#8 [linux/arm64 deps 3/4] RUN make";
  const emulated = `printf '${step}\\n#9 other\\n${step}\\n' >&2`;
  const run = "docker run --rm";
  test.each<[string, { building?: string; platform?: string; bridge?: string }, said: string, warnings?: number]>([
    ["points out once what is emulated", { building: emulated }, "a step of this build is emulated.", 1],
    ["says that it failed", { building: "exit 3" }, "the build failed (exit status 3): the reason is above"],
    ["asks for a login", { building: "echo 401 Unauthorized >&2; exit 1" }, "the registry asks for a login"],
    [
      "finds another's image in its place",
      { platform: "linux/amd64" },
      "hono-app:amd64 is arm64 after it was built for",
    ],
    ["shows a port where there is a bridge", {}, `${run} --publish 3000:3000 --platform linux/arm64 hono-app:arm64 `],
    [
      "shows the host's network elsewhere",
      { bridge: "exit 1" },
      `${run} --network host --platform linux/arm64 hono-app`,
    ],
  ])("%s", async (_, { building = "true", platform = "linux/arm64", bridge = "true" }, said, warnings = 0) => {
    const loading = `*cacheonly*) ${building};;\n*image*) echo arm64;;\n*network*) ${bridge};;`;
    const { env } = fakeDocker(`*buildx*inspect*) cat inspected;;\n${loading}`);
    const options = readOptions(["--platform", platform]) as BuildOptions;
    const error = await build(options, { env, platform: "linux/amd64" }).catch(({ message }: Error) => message);
    const written = [process.stdout, process.stderr].flatMap(({ write }) => vi.mocked(write).mock.calls);
    const text = [...written.map(([each]) => each), error].join("");
    expect(text).toContain(said);
    expect(text.match(/warning: emulated:/g) ?? []).toHaveLength(warnings);
  });

  test("is made where there is none", async () => {
    const { env, calls } = fakeDocker(
      `*inspect*) [ -e made ] || { ${notFound}; }; cat inspected;;\n*create*) touch made;;`,
    );
    expect((await ensureBuilder("multiplatform", ["linux/arm64"], env)).nodes).toHaveLength(1);
    expect(calls()).toContain("buildx create --name multiplatform");
  });

  test("that cannot be made is taken away again", async () => {
    const { env, calls } = fakeDocker(
      `*inspect*) [ -e made ] || { ${notFound}; }; echo 'ERROR: no such host' >&2; exit 1;;\n*create*) touch made;;`,
    );
    await expect(ensureBuilder("multiplatform", [], env)).rejects.toThrow(
      /could not be created: .*no such host.*--driver remote/s,
    );
    expect(calls().at(-1)).toBe("buildx rm --force multiplatform");
  });
});

describe("emulation", () => {
  test("a RUN of another platform than its machine's is found", () => {
    expect(emulatedStep("#8 [linux/arm64 deps 3/4] RUN apt-get update     && apt-get install", emulating)).toEqual({
      platform: "linux/arm64",
      on: "linux/amd64",
      stage: "deps",
      instruction: "RUN apt-get update && apt-get install",
    });
    // BuildKit aligns the numbers, and names no stage where there is but one.
    expect(emulatedStep("#27 [linux/arm64 stage-0  3/12] RUN x", emulating)).toMatchObject({ stage: "stage-0" });
    expect(emulatedStep("#5 [linux/arm64  2/12] RUN x", emulating)).not.toHaveProperty("stage");
    expect(emulatedStep("#5 [linux/arm64 2/2] RUN x", emulating)).not.toHaveProperty("stage");
  });

  test.each([
    "#8 [linux/amd64 bundle 4/6] RUN bun install",
    "#8 [linux/amd64->arm64 checked 5/5] RUN bun check-binaries.ts",
    "#8 [linux/arm64 stage-3 1/1] COPY --link --from=checked /checked/ /",
    "#8 [linux/arm64 internal] load metadata for docker.io/oven/bun:1.4.5",
    "#8 0.123 [linux/arm64 deps 3/4] RUN what a step printed",
  ])("nothing else is: %s", (line) => {
    expect(emulatedStep(line, emulating)).toBeUndefined();
  });

  test("a native node emulates nothing, wherever its platform comes from", () => {
    const builder = parseBuilder(nodes);
    expect(emulatedStep("#27 [linux/arm64 bundle 4/6] RUN bun install", builder)).toBeUndefined();
    expect(emulatedStep("#24 [linux/amd64 bundle 4/6] RUN bun install", builder)).toBeUndefined();
    expect(emulatedStep("#24 [linux/amd64->arm64 bundle 4/6] RUN bun install", builder)).toMatchObject({
      on: "linux/arm64",
    });
  });

  test("the remedies are the Dockerfile's and the builder's", () => {
    const step = { platform: "linux/arm64", on: "linux/amd64", stage: "deps", instruction: "RUN x" };
    expect(remedy([step], emulating)).toContain("FROM --platform=$BUILDPLATFORM");
    expect(remedy([step], emulating)).toContain(
      "docker buildx create --append --name multiplatform --platform linux/arm64",
    );
  });
});

describe("sizes", () => {
  const blob = (digest: string, size: number) => ({ digest, size });
  const image = (platform: string, own: number) => ({
    platform,
    config: blob(`config ${platform}`, 1),
    layers: [blob(`bun ${platform}`, own), blob("bundle", 20)],
    unpacked: own * 2,
  });

  test("a shared layer is stored once and pulled by each", () => {
    expect(sumUp([image("linux/amd64", 100), image("linux/arm64", 200)])).toEqual({
      platforms: [
        { platform: "linux/amd64", pull: 121, unpacked: 200, layers: 2 },
        { platform: "linux/arm64", pull: 221, unpacked: 400, layers: 2 },
      ],
      shared: { layers: 1, size: 20 },
      stored: 322,
    });
    const other = { ...image("linux/386", 50), layers: [] };
    for (const images of [[image("linux/amd64", 100)], [image("linux/amd64", 100), image("linux/arm64", 200), other]])
      expect(sumUp(images).shared).toEqual({ layers: 0, size: 0 });
  });

  test("bytes are decimal, as Docker's", () => {
    const shown = [0, 999, 1000, 95_340_000, 2.5e9, 2e13].map(formatBytes);
    expect(shown).toEqual(["0 B", "999 B", "1.0 kB", "95.3 MB", "2.5 GB", "20000.0 GB"]);
  });

  test("a reference's registry and digest form", () => {
    const registries = ["me/app", "ghcr.io/me/app:1", "localhost/app", "127.0.0.1:5000/app:1", "app"].map(registryOf);
    expect(registries).toEqual(["docker.io", "ghcr.io", "localhost", "127.0.0.1:5000", "docker.io"]);
    expect(atDigest("127.0.0.1:5000/app:1@sha256:a", "sha256:b")).toBe("127.0.0.1:5000/app@sha256:b");
    expect(atDigest("127.0.0.1:5000/app", "sha256:b")).toBe("127.0.0.1:5000/app@sha256:b");
  });
});

test.each([
  ["#9 0.652 npm error 401 Unauthorized - GET https://registry.example", false],
  ["0.652 npm error 401 Unauthorized - GET https://registry.example", false],
  ["#4 ERROR: failed to authorize: failed to fetch oauth token: 401 Unauthorized", true],
  ["ERROR: failed to push docker.io/me/app: push access denied, insufficient_scope", true],
  ["ERROR: failed to push docker.io/me/app: server message: authorization failed", true],
  [
    "ERROR: failed to push host/app: unexpected status from HEAD request to https://host/v2/app/blobs/sha256:0: 403 Forbidden",
    true,
  ],
])("whether the registry refused, and not a program that a step runs: %s", (line, expected) => {
  expect(isRefusal(line)).toBe(expected);
});

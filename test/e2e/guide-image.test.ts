import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { hardening } from "../../components/user-data.ts";
import { certificate, certificateBundle } from "../../local/cloud.ts";
import { type Daemon, startDaemon, stopDaemon } from "../../local/daemon.ts";
import { buildkitd, socket } from "../../local/services/buildkitd.ts";
import { bunVersion } from "../../local/services/hub/base-images.ts";
import { ensureCertificate } from "../../local/services/registry.ts";
import { makeClone } from "../../tools/clone.ts";
import { collect, run } from "../../tools/process.ts";
import { accepts } from "../../tools/ready.ts";
import { startRegistry } from "../support/other-registry.ts";
import { freePort, temporaryFolder, write } from "../support/process.ts";
import { cloud, platformsIn, refused, successful } from "../support/stack.ts";

const { env, project } = cloud;
const folder = temporaryFolder();
afterAll(async () => {
  const images = (await docker("image", "ls", "--quiet", "--filter", "label=test=guide-image"))
    .split("\n")
    .filter(Boolean);
  if (images.length > 0) await docker("image", "rm", "--force", ...new Set(images));
});

const docker = (...args: string[]) => run(["docker", ...args], { env });

/** `npm run image -- …`, without npm. */
const image = (args: string[], more: NodeJS.ProcessEnv = {}) =>
  collect(["node", "cli/image.ts", ...args], { cwd: project, env: { ...env, ...more } });

/** What a container of the image answers; hardened as on the instances. */
async function answerOf(name: string, ...options: string[]): Promise<Record<string, unknown>> {
  const port = await freePort();
  const args = ["--detach", "--rm", "--network", "host", "--env", `PORT=${port}`, ...hardening, ...options, name];
  const container = (await docker("run", ...args)).trim();
  try {
    return await eventually(
      async () => (await fetch(`http://127.0.0.1:${port}/`)).json() as Promise<Record<string, unknown>>,
    );
  } finally {
    await docker("rm", "--force", container);
  }
}

const eventually = <T>(attempt: () => Promise<T>) => vi.waitFor(attempt, { timeout: 30_000, interval: 100 });

const [own, other] = process.arch === "arm64" ? (["arm64", "amd64"] as const) : (["amd64", "arm64"] as const);
const processOf = {
  arm64: { architecture: "arm64", elf: "aarch64" },
  amd64: { architecture: "x64", elf: "x86_64" },
};

test.each([
  ["without --platform: this host's own", [], own, "latest"],
  ["for another platform", ["--platform", `linux/${other}`, "--load"], other, other],
] as const)("one platform, loaded (the guide's methods 3 and 4), %s", async (_, args, architecture, tag) => {
  const built = await successful(image([...args]));
  expect(built.stdout).toBe(`hono-app:${tag}: "Architecture": "${architecture}"\n`);
  expect(built.output).toContain("docker run --rm");
  expect(built.output).not.toContain("warning");
  const answer = await answerOf(`hono-app:${tag}`, "--platform", `linux/${architecture}`);
  expect(answer.process).toMatchObject(processOf[architecture]);
  await docker("image", "rm", `hono-app:${tag}`);
});

test("an emulated step is reported, with what to do about it (problem 3)", async () => {
  const context = join(folder, "emulated");
  const dockerfile = `FROM oven/bun:${bunVersion} AS deps\nRUN bun --version\nFROM deps\nLABEL test=guide-image\n`;
  write(join(context, "Dockerfile"), dockerfile);
  const built = await successful(image(["--context", context, "--platform", `linux/${other}`]));
  expect(built.output).toContain(
    `warning: emulated: RUN bun --version (stage deps) is linux/${other}, on linux/${own}`,
  );
  expect(built.output).toContain("FROM --platform=$BUILDPLATFORM");
  const native = await image(["--context", context, "--platform", `linux/${own}`]);
  expect(native.output).not.toContain("warning");
});

describe("native modules (problem 4)", () => {
  const context = "docs/native-modules";
  const build = (from: string, ...args: string[]) =>
    image(["--context", from, "--build-context", "app=app", "--tag", "guide-image:native", ...args]);

  test.each([
    { architecture: "arm64", process: "arm64" },
    { architecture: "amd64", process: "x64" },
  ])("sharp and SQLite work on linux/$architecture, built without emulation", async (expected) => {
    const built = await successful(build(context, "--platform", `linux/${expected.architecture}`));
    expect(built.output).not.toContain("warning");
    expect(await answerOf("guide-image:native", "--platform", `linux/${expected.architecture}`)).toMatchObject({
      architecture: expected.process,
      sharp: { width: 16, height: 8, format: "png" },
      sqlite: { version: expect.stringMatching(/^3\./), answer: 42 },
    });
    await docker("image", "rm", "guide-image:native");
  });

  test("fails a build with binaries of another platform", async () => {
    const wrong = join(folder, "wrong");
    cpSync(join(project, context), wrong, { recursive: true });
    const dockerfile = readFileSync(join(wrong, "Dockerfile"), "utf8");
    expect(dockerfile).toContain('--cpu="$cpu"');
    writeFileSync(join(wrong, "Dockerfile"), dockerfile.replace('--cpu="$cpu"', "--cpu=x64"));
    await refused(
      build(wrong, "--platform", "linux/arm64"),
      /Wrong binary: \S+sharp-linux-x64\S*\.node: expected aarch64 \(linux\/arm64\), found x86_64\./,
      /Wrong binary: \S+@libsql\/linux-x64-gnu\/index\.node: expected aarch64/,
    );
  });
});

test("compose builds, serves, is healthy and reloads on an edit (method 1, scenario 1)", async () => {
  const copy = join(folder, "compose");
  cpSync(join(project, "app"), join(copy, "app"), { recursive: true });
  cpSync(join(project, "compose.yaml"), join(copy, "compose.yaml"));
  const port = await freePort();
  const name = "guide-image-compose";
  const options = { cwd: copy, env: { ...env, PORT: String(port), COMPOSE_PROJECT_NAME: name } };
  const compose = (...args: string[]) => run(["docker", "compose", ...args], options);
  const health = async () => (await fetch(`http://127.0.0.1:${port}/health`)).text();
  const up = spawn("docker", ["compose", "up", "--build", "--watch"], { ...options, stdio: "ignore" });
  const ended = new Promise((resolve) => up.once("close", resolve));
  try {
    expect(await eventually(health)).toBe('{"status":"ok"}');
    expect((await docker("image", "inspect", "--format", "{{.Architecture}}", "hono-app:latest")).trim()).toBe(own);
    await eventually(async () => expect(await compose("ps", "--format", "{{.Health}}")).toBe("healthy\n"));

    const file = join(copy, "app", "src", "app.ts");
    writeFileSync(file, readFileSync(file, "utf8").replace('status: "ok"', 'status: "edited"'));
    await eventually(async () => expect(await health()).toBe('{"status":"edited"}'));
  } finally {
    await compose("down", "--rmi", "all");
    await ended;
    // The image that the edit replaced.
    await docker("image", "prune", "--force", "--filter", `label=com.docker.compose.project=${name}`);
  }
  expect(await docker("ps", "--all", "--quiet", "--filter", `label=com.docker.compose.project=${name}`)).toBe("");
});

describe("other registries and builders", () => {
  const plain = `${cloud.prefix}.9.1:5000`;
  const withLogin = `${cloud.prefix}.9.2:5443`;
  const tls = { dir: folder, registry: withLogin };
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    await ensureCertificate(tls);
    const key = join(folder, "tls", "key.pem");
    stops.push(await startRegistry(plain));
    stops.push(await startRegistry(withLogin, ["me", "secret"], { certificate: certificate(tls), key }));
    const useMirror = await accepts(cloud.mirror);
    // A BuildKit for each platform.
    const [arm64 = "", amd64 = ""] = await Promise.all(
      ["arm64", "amd64"].map(async (architecture) => {
        const dir = join(folder, architecture);
        const worker = [`platforms = ["linux/${architecture}"]`];
        const daemon: Daemon = buildkitd({ ...cloud, ...tls }, useMirror, { dir, run: dir, worker });
        await startDaemon(daemon);
        stops.push(() => stopDaemon(daemon));
        return `unix://${socket({ run: dir })}`;
      }),
    );
    const create = (name: string, ...args: string[]) => docker("buildx", "create", "--name", name, ...args);
    const remote = ["--driver", "remote"];
    await create("nodes", "--node", "graviton", ...remote, "--platform", "linux/arm64", arm64);
    await create("nodes", "--append", "--node", "intel", "--platform", "linux/amd64", amd64);
    await create("one", ...remote, own === "arm64" ? arm64 : amd64);
  });

  afterAll(async () => {
    for (const name of ["nodes", "one"]) await docker("buildx", "rm", "--force", name).catch(() => {});
    await Promise.all(stops.map((stop) => stop()));
  });

  test("base images from another clone, umask and temporary folder are the same", async (context) => {
    const own = `${cloud.prefix}.0.1:5001`;
    if (!(await accepts(own))) return context.skip("Docker Hub's own are used");
    const name = `oven/bun:${bunVersion}-distroless`;
    const clone = join(folder, "clone");
    makeClone(clone);
    const temporary = join(folder, "private");
    mkdirSync(temporary, { mode: 0o700 });
    await run(["chmod", "-R", "go=", clone]);
    const args = { mirror: plain, buildkit: `unix://${cloud.run}/buildkitd.sock`, cacheDir: temporary, only: [name] };
    const script = `import { ensureBaseImages } from "./local/services/hub/base-images.ts";
      await ensureBaseImages(${JSON.stringify(args)});`;
    const command = 'umask 077 && exec node --input-type=module --eval "$0"';
    await run(["sh", "-c", command, script], { cwd: clone, env: { ...env, TMPDIR: temporary } });
    const [repository, tag] = name.split(":");
    const digest = async (registry: string) => {
      const headers = { accept: "application/vnd.oci.image.index.v1+json" };
      const response = await fetch(`http://${registry}/v2/${repository}/manifests/${tag}`, { method: "HEAD", headers });
      return response.headers.get("docker-content-digest");
    };
    expect(await digest(plain)).toMatch(/^sha256:/);
    expect(await digest(plain)).toBe(await digest(own));
  });

  test("a builder with a native node for each platform builds one push (problem 3)", async () => {
    const name = `${plain}/hono-app:1.0.0`;
    const built = await successful(image(["--push", "--builder", "nodes", "--tag", name]));
    expect(built.output).toContain("builder nodes: remote, graviton for linux/arm64, intel for linux/amd64");
    // The stage on $BUILDPLATFORM runs on each node.
    expect(built.output).toMatch(/\[linux\/arm64 bundle \d\/\d\] RUN bun build/);
    expect(built.output).toMatch(/\[linux\/amd64 bundle \d\/\d\] RUN bun build/);
    expect(built.output).not.toContain("warning");
    expect(platformsIn(built.stdout)).toEqual(["linux/amd64", "linux/arm64"]);
  });

  test("refuses a push without a login, and pushes every tag with it (method 2, scenario 2)", async () => {
    const [version, latest] = [`${withLogin}/me/hono-app:1.0.0`, `${withLogin}/me/hono-app:latest`];
    const options = { SSL_CERT_FILE: certificateBundle(tls) };
    const push = () => image(["--push", "--builder", "one", "--tag", version, "--tag", latest], options);
    await refused(push(), "Log in (docker login REGISTRY");
    await run(["docker", "login", "--username", "me", "--password-stdin", withLogin], { env, input: "secret" });
    try {
      const pushed = await successful(push());
      expect(pushed.stdout.match(/^Name: +(\S+)$/gm)?.map((line) => line.split(/ +/)[1])).toEqual([version, latest]);
      expect(platformsIn(pushed.stdout)).toEqual(["linux/amd64", "linux/amd64", "linux/arm64", "linux/arm64"]);

      const sizes = await successful(image(["--sizes", version], options));
      expect(sizes.stdout).toMatch(/linux\/arm64 +│ [\d.]+ MB +│ [\d.]+ MB +│ \d/);
      expect(sizes.stdout).toMatch(/linux\/amd64 +│ [\d.]+ MB +│ [\d.]+ MB +│ \d/);
      expect(sizes.stdout).toMatch(/shared by all platforms: [1-9]\d* layers?, [\d.]+ kB/);
      expect(await docker("image", "ls", "--quiet", "--all", `${withLogin}/me/hono-app`)).toBe("");
    } finally {
      await docker("logout", withLogin);
    }
  });
});

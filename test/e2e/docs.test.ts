import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { accepts } from "../../local/ready.ts";
import { cloud } from "./stack.ts";

// The README's own blocks, as they stand there. README.ko.md has the same ones: test/unit/docs.test.ts.
const blocks = [...readFileSync("README.md", "utf8").matchAll(/^```sh local\n([\s\S]*?)^```$/gm)].map(([, code = ""]) =>
  code.trimEnd(),
);

/** What each shows, by its first line: a block that is new says here what is to be seen. */
const shows: Record<string, RegExp> = {
  "npm run local": /│ graviton +│ t4g\.small │ aarch64 .*\n.*\n│ intel +│ t3\.small +│ x86_64 /,
  "npm run cost": /│ total +│.*"total": \d/s,
  "npm run image -- --platform linux/amd64 --load": /hono-app:amd64: "Architecture": "amd64"/,
  "npm run image -- --platform linux/arm64 --load": /"Architecture": "arm64",/,
  "docker compose up --build --detach --wait": /"Architecture": "(amd64|arm64)",.*"runtime":"bun"/s,
  'eval "$(npm run --silent local -- env)"': /^Name: +multiplatform$/m,
  "npm run image -- --push --tag yourusername/hono-app:1.0.0 --tag yourusername/hono-app:latest":
    /Platform: +linux\/arm64.*shared by all platforms: [1-9]/s,
  "npm run doctor": /^uname -m: \w+\ndocker info, Architecture: \w+$/m,
};

/** doctor ends with 1 where it finds a fault, and this machine may well have one, such as another clone's leftovers. */
const mayFail = ["npm run doctor"];

const folder = mkdtempSync(join(tmpdir(), "docs-"));
// In the place of Docker Hub, to which nobody here has a login. On loopback it is spoken to in plain HTTP.
const hub = `${cloud.prefix}.0.1:5601`;
const env: Record<string, string> = { ...cloud.env, COMPOSE_PROJECT_NAME: "docs" };
let registry: ReturnType<typeof spawn>;

beforeAll(async () => {
  env.PORT = String(await freePort());
  const config = join(folder, "config.json");
  const storage = { filesystem: { rootdirectory: join(folder, "data") } };
  writeFileSync(config, JSON.stringify({ version: "0.1", log: { level: "error" }, storage, http: { addr: hub } }));
  registry = spawn("registry", ["serve", config], { env: { ...env, OTEL_TRACES_EXPORTER: "none" }, stdio: "ignore" });
  await vi.waitUntil(() => accepts(hub), { timeout: 10_000 });
});

afterAll(async () => {
  // What a block that failed half-way has left.
  await shell("docker compose down");
  await shell("docker image rm --force hono-app:latest hono-app:amd64 hono-app:arm64");
  registry.kill();
  await once(registry, "exit");
  rmSync(folder, { recursive: true });
});

test("each block says what it shows", () => {
  expect(blocks.map((block) => block.split("\n")[0])).toEqual(expect.arrayContaining(Object.keys(shows)));
  expect(blocks).toHaveLength(Object.keys(shows).length);
});

test.each(blocks.map((block) => [block.split("\n")[0] as string, block]))("%s", async (first, block) => {
  const here = block
    .replaceAll("yourusername/", `${hub}/yourusername/`)
    .replaceAll("localhost:3000", `localhost:${env.PORT}`);
  const { status, output } = await shell(here);
  expect(mayFail.includes(first) ? [0, 1] : [0], output).toContain(status);
  expect(output).toMatch(shows[first] as RegExp);
});

/** Runs commands as a person types them, in the clone; the first that fails is the last. */
async function shell(commands: string): Promise<{ status: number | null; output: string }> {
  const child = spawn("bash", ["-euo", "pipefail", "-c", commands], { cwd: cloud.project, env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const [status] = await once(child, "close");
  return { status, output };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

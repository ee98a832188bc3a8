import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRegistry } from "../support/other-registry.ts";
import { freePort } from "../support/process.ts";
import { cloud, type Result, shell as run, summary } from "../support/stack.ts";

// The README's blocks, unchanged. README.ko.md has the same ones: test/unit/docs.test.ts.
const blocksOf = (kind: string) =>
  [...readFileSync("README.md", "utf8").matchAll(new RegExp(`^\`\`\`sh ${kind}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, code = ""]) => code.trimEnd(),
  );
const blocks = blocksOf("local");

/** What each block prints, by its first line. A new block needs an entry. */
const shows: Record<string, RegExp> = {
  "npm run policies -- preview --account 123456789012 --stack dev":
    /"ec2:DescribeVpcs".*hono-app-dev.*"ec2:RunInstances".*repo:owner\/hono-app:environment:dev/s,
  "npm run local": /│ graviton +│ t4g\.small │ aarch64 .*\n.*\n│ intel +│ t3\.small +│ x86_64 /,
  "npm run cost": /│ total +│.*"total": \d/s,
  "npm run image -- --platform linux/amd64 --load": /hono-app:amd64: "Architecture": "amd64"/,
  "npm run image -- --platform linux/arm64 --load": /"Architecture": "arm64",/,
  "docker compose up --build --detach --wait": /"Architecture": "(amd64|arm64)",.*"runtime":"bun"/s,
  'eval "$(npm run --silent local -- env)"': /"Architecture": "(amd64|arm64)",/,
  "npm run image -- --push --tag yourusername/hono-app:1.0.0 --tag yourusername/hono-app:latest":
    /Platform: +linux\/arm64.*shared by all platforms: [1-9]/s,
  "npm run doctor": /^uname -m: \w+\ndocker info, Architecture: \w+$/m,
};

/** doctor ends with 1 when it finds a fault, and this host may have one, such as another clone's leftovers. */
const mayFail = ["npm run doctor"];

// Stands in for Docker Hub, for which the tests have no login.
const hub = `${cloud.prefix}.0.1:5601`;
const token = "token-of-yourusername";
const env: Record<string, string> = { COMPOSE_PROJECT_NAME: "docs" };
const shell = (commands: string) => run(commands, { env });
let stop: () => Promise<void>;

beforeAll(async () => {
  env.PORT = String(await freePort());
  stop = await startRegistry(hub, ["yourusername", token]);
  await run(`docker login --username yourusername --password-stdin ${hub}`, { input: token });
});

afterAll(async () => {
  // What a block that failed has left.
  await shell("docker compose down");
  await shell("docker image rm --force hono-app:latest hono-app:amd64 hono-app:arm64");
  await shell("docker buildx rm --force multiplatform");
  await shell(`docker logout ${hub}`);
  await stop();
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

/** Lines of the blocks for an account, and what replaces them in the local cloud. */
const replaced: Record<string, string> = {
  "pulumi config set publishTo docker.io/yourusername/hono-app": `pulumi config set publishTo ${hub}/yourusername/hono-app`,
};

test("the blocks for an account, in a new clone, deploy and publish the stack dev", async () => {
  const lines = blocksOf("account").join("\n").split("\n");
  expect(lines).toEqual(expect.arrayContaining(Object.keys(replaced)));
  const commands = lines.map((line) => replaced[line] ?? line).join("\n");
  const clone = mkdtempSync(join(tmpdir(), "clone-"));
  let destroyed: Result;
  const there = { cwd: clone, env: { PULUMI_SKIP_CONFIRMATIONS: "true" } };
  try {
    const mine = [".build", "node_modules", ".local"].map((name) => join(cloud.project, name));
    cpSync(cloud.project, clone, { recursive: true, verbatimSymlinks: true, filter: (path) => !mine.includes(path) });
    // Made by npm run image, above.
    await shell("docker buildx rm --force multiplatform");
    // The line with --secret reads the token.
    const { status, output } = await run(commands, { ...there, input: token });
    expect(status, output).toBe(0);
    expect(output).not.toContain(token);
    const { output: json } = await run("pulumi stack output --json", there);
    const { publishedImage, imageDigest, verifiedArchitectures } = JSON.parse(json);
    expect(verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    expect(publishedImage.ref).toBe(`${hub}/yourusername/hono-app:1.0.0@${imageDigest}`);
    const { output: inspected } = await shell(`docker buildx imagetools inspect ${hub}/yourusername/hono-app:latest`);
    expect(inspected).toContain(imageDigest);
  } finally {
    destroyed = await run("pulumi destroy --stack dev && pulumi stack rm dev", there);
    rmSync(clone, { recursive: true });
  }
  expect(destroyed.status, destroyed.output).toBe(0);
  expect(Object.keys(summary(destroyed.output))).toEqual(["deleted"]);
}, 900_000);

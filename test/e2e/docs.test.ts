import { cpSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { architectures } from "../../components/architecture.ts";
import { keysOf } from "../../local/identity.ts";
import { checkOut } from "../../tools/clone.ts";
import { ensureVenv } from "../../tools/python.ts";
import { blocksOf, text } from "../support/documents.ts";
import { startRegistry } from "../support/other-registry.ts";
import { freePort, temporaryFolder } from "../support/process.ts";
import { cloud, deployed, ecr, platformsIn, type Result, shell as run, successful, summary } from "../support/stack.ts";

const blocks = blocksOf("local");

/** What each block prints, by its first line. A new block needs an entry. */
const shows: Record<string, RegExp> = {
  "npm run policies -- preview --account 123456789012 --stack dev":
    /"ec2:DescribeVpcs".*hono-app-dev.*\nwithout --boundary this.*"ec2:RunInstances".*repo:owner\/hono-app:environment:dev/s,
  "npm run local": /│ graviton +│ t4g\.small │ aarch64 .*\n.*\n│ intel +│ t3\.small +│ x86_64 /,
  "npm run cost": /│ total +│.*"total": \d/s,
  "npm run image -- --platform linux/amd64 --load": /hono-app:amd64: "Architecture": "amd64"/,
  "npm run image -- --platform linux/arm64 --load": /"Architecture": "arm64",/,
  "docker compose up --build --detach --wait": /"Architecture": "(amd64|arm64)",.*"runtime":"bun"/s,
  'eval "$(npm run --silent local -- env)"': /"Architecture": "(amd64|arm64)",/,
  "npm run image -- --push --tag yourusername/hono-app:1.0.0 --tag yourusername/hono-app:latest":
    /Platform: +linux\/arm64.*shared by all platforms: [1-9]/s,
  "npm run image -- --context docs/native-modules --build-context app=app --platform linux/arm64 --load":
    /native-modules:arm64: "Architecture": "arm64"/,
  "npm run doctor": /^uname -m: \w+\ndocker info, Architecture: \w+$/m,
};

/** doctor ends with 1 when it finds a fault, and this host may have one, such as the processes of a deleted clone. */
const mayFail = ["npm run doctor"];

// Used instead of Docker Hub, where the tests have no login.
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
  await shell("docker image rm --force hono-app:latest hono-app:amd64 hono-app:arm64 native-modules:arm64");
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

/** The guide's commands, with their kind and the output that it shows. */
const guide = [...text.matchAll(/^```sh guide ?(\w*)\n([\s\S]*?)^```\n(?:\n```text\n([\s\S]*?)^```)?/gm)].map(
  ([, kind = "", commands = "", output = ""]) => ({ kind, commands, output }),
);
test("the guide shows what each of its commands prints", () => {
  expect(guide.filter(({ output }) => output === "")).toEqual([]);
});

test("the guide's commands print what it shows, run in its order in app/", async () => {
  const stack = await deployed();
  const own = process.arch === "arm64" ? "arm64" : "amd64";
  const config = join(temporaryFolder(onTestFinished), "docker");
  cpSync(cloud.env.DOCKER_CONFIG as string, config, { recursive: true, verbatimSymlinks: true });
  const cli = join(await ensureVenv("awscli"), "aws");
  await ecr.createRepository({ repositoryName: "hono-app" });
  const here = (text: string) =>
    text
      .replaceAll(/(docker\.io\/)?yourusername\//g, `${hub}/yourusername/`)
      .replaceAll(/(?<=-t )user\/|docker\.io\/user\//g, `${hub}/user/`)
      .replaceAll("hono-app-app-1", `${env.COMPOSE_PROJECT_NAME}-app-1`)
      .replaceAll("123456789.dkr.ecr.ap-northeast-2.amazonaws.com", cloud.registry);
  // As its text says, before the first push; the guide has the command in a later section.
  const login = guide.find(({ commands }) => commands.includes("docker login"))?.commands.split("\n\n")[0] ?? "";
  try {
    for (const { kind, commands, output } of [{ kind: "", commands: login, output: "Login Succeeded" }, ...guide]) {
      // The guide creates the builder under three headings; Buildx refuses to create one that exists.
      if (commands.includes("buildx create"))
        rmSync(join(config, "buildx", "instances", "multiplatform"), { force: true });
      // Commands for an instance use its engine from here.
      const machine = (kind === "graviton" || kind === "intel") && {
        DOCKER_HOST: `unix://${cloud.run}/${stack[kind].id}/docker.sock`,
        DOCKER_DEFAULT_PLATFORM: architectures[kind].platform,
      };
      const typed = await run(here(commands), {
        cwd: join(cloud.project, "app"),
        env: {
          ...env,
          ...keysOf(cloud.dir, "root"),
          ...machine,
          DOCKER_CONFIG: config,
          PATH: `${dirname(cli)}:${cloud.env.PATH}`,
        },
      });
      expect(typed.status !== 0, `${commands}\n${typed.output}`).toBe(kind === "fails");
      const seen =
        kind === "own"
          ? output.replace("arm64", own)
          : output.replace("x86_64", own === "arm64" ? "aarch64" : "x86_64");
      for (const line of here(seen).split("\n").filter(Boolean)) {
        const pattern = line
          .trim()
          .replace(/[.*+?^$()[\]{}|\\]/g, "\\$&")
          .replaceAll("…", "\\S+")
          // How long it took is there on a busy machine alone.
          .replace(/ done$/, "( [\\d.]+s)? done")
          .replace(/ +/g, " +");
        expect(typed.output).toMatch(new RegExp(`^.*${pattern}`, "m"));
      }
    }
  } finally {
    await run("docker compose down", { env });
    await ecr.deleteRepository({ repositoryName: "hono-app", force: true });
    for (const { id } of [stack.graviton, stack.intel]) {
      const host = `unix://${cloud.run}/${id}/docker.sock`;
      await run(`docker --host ${host} image rm --force ${cloud.registry}/hono-app:latest`);
    }
  }
}, 900_000);

/** Lines of the blocks for an account, and what replaces them in the local cloud. */
const replaced: Record<string, string> = {
  // In the new project "pulumi new" has installed the packages. That the lock file has them all, npm finds without installing them again.
  "npm ci": "npm ci --dry-run",
  "pulumi config set publishTo docker.io/yourusername/hono-app": `pulumi config set publishTo ${hub}/yourusername/hono-app`,
};

test("a project of one's own: pulumi new asks for region, name and sizes; in it the blocks for an account deploy and publish the stack dev, and delete it", async () => {
  const folder = temporaryFolder(onTestFinished);
  const there = { cwd: join(folder, "my-app"), env: { PULUMI_SKIP_CONFIRMATIONS: "true" } };
  const [clone, ...make] = blocksOf("template").join("\n").split("\n");
  expect(clone).toMatch(/^git clone \S+ template$/);
  checkOut(join(folder, "template"));
  // --yes takes the answer that each question offers; the size is another answer.
  const answers = "--yes --stack dev --config my-app:volumeSizeGiB=9";
  await successful(run(make.join("\n").replace(/^pulumi new .*$/m, `$& ${answers}`), { ...there, cwd: folder }));
  const saved = () => parse(readFileSync(join(there.cwd, "Pulumi.dev.yaml"), "utf8")).config;
  expect(saved()).toMatchObject({
    "aws:region": "ap-northeast-2",
    "my-app:name": "hono-app",
    "my-app:gravitonInstanceType": "t4g.small",
    "my-app:intelInstanceType": "t3.small",
    "my-app:volumeSizeGiB": expect.toSatisfy((value) => Number(value) === 9),
  });
  // Commands read the keys of the new project's name.
  const read = await run("node cli/image.ts --help && node cli/policies.ts preview --account 123456789012", there);
  expect(read.output).toMatch(/default: multiplatform.*repository\/hono-app-/s);
  // So do tests; not command.test.ts, which starts each command and takes as long as all of these.
  const tests = "test/unit/{config,docs,cli/{cost,doctor,image,policies,sbom},local/recovery}.test.ts";
  await successful(run(`node_modules/.bin/vitest run --project unit ${tests}`, there));

  const lines = blocksOf("account").join("\n").split("\n");
  expect(lines).toEqual(expect.arrayContaining(Object.keys(replaced)));
  // The blocks make the stack; the builder was made by npm run image, above.
  await shell("docker buildx rm --force multiplatform");
  const commands = ["pulumi stack rm dev --yes --preserve-config", ...lines.map((line) => replaced[line] ?? line)];
  let destroyed: Result;
  try {
    // The line with --secret reads the token.
    const { output } = await successful(run(commands.join("\n"), { ...there, input: token }));
    expect(output).not.toContain(token);
    const { output: json } = await run("pulumi stack output --json", there);
    const { publishedImage, imageDigest, verifiedArchitectures } = JSON.parse(json);
    expect(verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    expect(publishedImage).toEqual({ ref: `${hub}/yourusername/hono-app:1.0.0@${imageDigest}`, digest: imageDigest });
    for (const tag of ["1.0.0", "latest"]) {
      const { output: inspected } = await shell(`node cli/image.ts --inspect ${hub}/yourusername/hono-app:${tag}`);
      expect(inspected).toMatch(/^MediaType: +application\/vnd\.oci\.image\.index\.v1\+json$/m);
      expect(inspected).toMatch(new RegExp(`^Digest: +${imageDigest}$`, "m"));
      expect(platformsIn(inspected)).toEqual(["linux/amd64", "linux/arm64"]);
    }
    const { output: preview } = await run("pulumi preview", there);
    expect(Object.keys(summary(preview))).toEqual(["unchanged"]);
  } finally {
    destroyed = await run(blocksOf("teardown").join("\n"), there);
  }
  expect(destroyed.status, destroyed.output).toBe(0);
  expect(Object.keys(summary(destroyed.output))).toEqual(["deleted"]);
  // The settings stay, for the next deployment.
  expect(saved()).toHaveProperty(["my-app:publishTo"]);
}, 900_000);

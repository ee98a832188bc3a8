import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openCloud, ports } from "../../local/cloud.ts";
import { temporaryFolder, writeProgram } from "../support/process.ts";
import { cloud, deployed, edited, local, outputs, refused, shell, summary } from "../support/stack.ts";

test("a local cloud takes no address at which another program has a port that it needs, and nothing that the user has for AWS, Pulumi and Docker", async () => {
  const folder = temporaryFolder(onTestFinished);
  writeFileSync(join(folder, "prefix"), "217");
  const server = createServer().listen(ports.registry, "127.217.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const own = ["AWS_PROFILE", "PULUMI_ACCESS_TOKEN", "DOCKER_CONTEXT", "BUILDX_BUILDER", "BUILDKIT_COLORS"];
  for (const name of own) vi.stubEnv(name, "own");
  onTestFinished(() => void vi.unstubAllEnvs());
  const { prefix, run, env } = await openCloud(folder);
  onTestFinished(() => rmSync(run, { recursive: true }));
  expect(prefix).not.toBe("127.217");
  expect(own.filter((name) => env[name] !== undefined)).toEqual([]);
});

// The plain CLI, as a person calls it: other options, and no repair of what an earlier command left.

test("what npm run local deploys is unchanged for the plain CLI", async () => {
  await deployed();
  // AWS's CLI v1 reads the one, its successor and the SDKs the other.
  const region = 'test -n "$AWS_DEFAULT_REGION" && test "$AWS_DEFAULT_REGION" = "$AWS_REGION"';
  const preview = await shell(
    `unset AWS_REGION AWS_DEFAULT_REGION; eval "$(npm run --silent local -- env)" && ${region} && pulumi preview -s local`,
    { env: { LOCAL_CLOUD_DIR: cloud.dir } },
  );
  expect(Object.keys(summary(preview.output))).toEqual(["unchanged"]);

  const { output } = await shell("pulumi stack output --json -s local");
  expect(JSON.parse(output)).toEqual(outputs());
  expect(JSON.parse((await local("output", "--json")).stdout)).toEqual(outputs());
});

test("refuses a Node that is too old, and says which one is needed", async () => {
  const folder = temporaryFolder(onTestFinished);
  // As an old Node: another version, and no TypeScript.
  const version = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";
  const command = `exec ${process.execPath} --no-strip-types --import "data:text/javascript,${version}" "$@"`;
  writeProgram(join(folder, "node"), command);
  const { status, output } = await shell(`PATH=${folder}:$PATH pulumi preview -s local`);
  expect(status).not.toBe(0);
  expect(output).toMatch(/error: Node 20\.20\.2 is too old: this program needs >=\d+\.\d+ /);
  expect(output).not.toMatch(/Unknown file extension|^ +at /m);
});

test("fails with the exit status of a program that ends by itself", () =>
  edited(
    "index.ts",
    (text) => `${text}process.exit(3);\n`,
    () => refused(shell("pulumi preview -s local"), "Program exited with non-zero exit code: 3"),
  ));

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ECR } from "@aws-sdk/client-ecr";
import { expect, test } from "vitest";
import { password } from "../../local/services/registry.ts";
import {
  answering,
  aws,
  cloud,
  configured,
  deployed,
  edited,
  outputs,
  passwordPrefix,
  releasedEdit,
  shell,
  succeed,
  summary,
} from "../support/stack.ts";

// The plain CLI, which runs the program through its language host; what the other tests run has none.
const changes = ({ output }: { output: string }) => Object.keys(summary(output)).sort();

test("the plain CLI and npm run local are one: what either deploys is unchanged for the other", async () => {
  await deployed();
  const preview = await shell('eval "$(npm run --silent local -- env)" && pulumi preview -s local', {
    env: { LOCAL_CLOUD_DIR: cloud.dir },
  });
  expect(changes(preview)).toEqual(["unchanged"]);

  await releasedEdit("plain", async () => {
    const up = await shell("pulumi up --yes -s local");
    expect(up.status, up.output).toBe(0);
    expect(changes(up)).toEqual(["changes", "replaced", "updated"]);
    const { output } = await shell("pulumi stack output --json -s local");
    const stack = JSON.parse(output);
    expect(stack).toEqual(await outputs());
    expect(await answering(stack.graviton.url)).toBe(stack.graviton.id);
    expect(stack.verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    expect(changes(await shell("pulumi preview -s local"))).toEqual(["unchanged"]);
    expect(changes({ output: await succeed("preview") })).toEqual(["unchanged"]);
  });
}, 300_000);

test("with a Node that is too old on PATH, the plain CLI says which one is needed", async () => {
  const folder = join(cloud.dir, "old-node");
  mkdirSync(folder);
  // What tells an old one from this one: its version, and that it reads no TypeScript.
  const version = "Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})";
  const command = `exec ${process.execPath} --no-strip-types --import "data:text/javascript,${version}" "$@"`;
  writeFileSync(join(folder, "node"), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  try {
    const { status, output } = await shell(`PATH=${folder}:$PATH pulumi preview -s local`);
    expect(status).not.toBe(0);
    expect(output).toMatch(/error: Node 20\.20\.2 is too old: this program needs >=\d+\.\d+ /);
    expect(output).not.toMatch(/Unknown file extension|^ +at /m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a wrong setting is refused with its sentence, and a program that ends by itself with its status", async () => {
  const before = await deployed();
  await configured({ port: '"22"' }, async () => {
    const { status, output } = await shell("pulumi up --yes -s local");
    expect(status).toBe(1);
    expect(output).toContain(
      '- hono-app:port is "22"; allowed: a whole number from 1 to 65535, but not 22 (no SSH here)',
    );
    expect(output).not.toContain("Program exited");
  });
  await edited(
    "index.ts",
    (text) => `${text}process.exit(3);\n`,
    async () => {
      const { status, output } = await shell("pulumi preview -s local");
      expect(status).toBe(1);
      expect(output).toContain("Program exited with non-zero exit code: 3");
    },
  );
  expect(await outputs()).toEqual(before);
});

test("a saved plan is carried out to the letter, and holds no token, which would be another by then", async () => {
  const before = await deployed();
  const plan = join(cloud.dir, "plan.json");
  await shell(`docker login --username AWS --password-stdin ${cloud.registry}`, {
    input: await password(new ECR(aws)),
  });
  try {
    await configured({ registryLogin: "docker" }, async () => {
      await releasedEdit("planned", async () => {
        const preview = await shell(`pulumi preview -s local --save-plan=${plan}`);
        expect(preview.status, preview.output).toBe(0);
        expect(readFileSync(plan, "utf8")).toContain('"docker-build:index:Image"');
        expect(readFileSync(plan, "utf8")).not.toMatch(new RegExp(`password|${passwordPrefix}`));
      });
      // What was not planned.
      const other = await shell(`pulumi up --yes -s local --plan=${plan}`);
      expect(other.status).toBe(1);
      expect(other.output).toContain("violates plan");
      expect(await outputs()).toEqual(before);
      await releasedEdit("planned", async () => {
        const up = await shell(`pulumi up --yes -s local --plan=${plan}`);
        expect(changes(up)).toEqual(["changes", "replaced", "updated"]);
        const page = await fetch((await outputs()).intel.url, { headers: { accept: "text/html" } });
        expect(await page.text()).toContain("planned");
      });
    });
  } finally {
    rmSync(plan, { force: true });
    await shell(`docker logout ${cloud.registry}`);
  }
}, 300_000);

import { spawnSync } from "node:child_process";
import { globSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import project from "../../../package.json" with { type: "json" };
import { makeClone } from "../../../tools/clone.ts";
import { temporaryFolder } from "../../support/process.ts";

const run = (...args: string[]) => spawnSync(process.execPath, args, { encoding: "utf8" });

describe("every command", () => {
  const files = Object.values(project.scripts).flatMap((script) => /(?:cli|bench)\/\w+\.ts$/.exec(script) ?? []);
  test("is found", () => expect(files).toHaveLength(7));

  test.each([...files, ...globSync(".github/scripts/*.ts")])("%s tells its usage", (file) => {
    expect(run(file, "--help")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: /), stderr: "" });
  });

  test.each(files)("%s ends with 2 for an option that it does not know", (file) => {
    const { status, stdout, stderr } = run(file, "--nonsense");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^\nUnknown option '--nonsense'\nusage: /);
  });
});

test("a command that failed says so, also to one that does not read what it prints", () => {
  // Without Docker, which is a fault.
  const env = { ...process.env, PATH: "/nowhere" };
  const piped = ["-c", `set -o pipefail; ${process.execPath} cli/doctor.ts | true`];
  expect(spawnSync("/bin/bash", piped, { env, encoding: "utf8" })).toMatchObject({
    status: 1,
    stderr: expect.not.stringContaining("EPIPE"),
  });
});

test.each([
  ["the command is none", 2, ["cli/local.ts", "deploy"], /not a command: deploy\n\nusage: npm run local -- /],
  ["the command line is wrong", 2, ["cli/image.ts", "--load", "--push"], /--load and --push exclude each other/],
  [
    "the command fails",
    1,
    [
      ".github/scripts/preview-comment.ts",
      ...["--preview", "none", "--status", "0", "--stack", "dev", "--run-url", "x"],
    ],
    /ENOENT.*none/,
  ],
  ["what 1 would say is not known", 2, ["cli/cost.ts", "--stack", "none"], /Pulumi\.none\.yaml is not there/],
])("%s: exit status %i", (_, status, args, message) => {
  expect(run(...args)).toMatchObject({ status, stdout: "", stderr: expect.stringMatching(message) });
});

test("the local cloud's commands are there without a Dockerfile of the app: the program says that it is missing", () => {
  const cwd = temporaryFolder(onTestFinished);
  makeClone(cwd);
  rmSync(join(cwd, "app", "Dockerfile"));
  const { status, stderr } = spawnSync(process.execPath, ["cli/local.ts", "--help"], { encoding: "utf8", cwd });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

test.each([
  ["no price of a region", ["cli/cost.ts", "--stack", "abroad"], "WITHOUT A PRICE: region us-east-1"],
  ["a fault", ["cli/doctor.ts"], "Docker Engine: there is no docker"],
])("a command that finds %s: exit status 1", (_, args, found) => {
  const cwd = temporaryFolder(onTestFinished);
  makeClone(cwd);
  writeFileSync(join(cwd, "Pulumi.abroad.yaml"), "config:\n  aws:region: us-east-1\n");
  // Without Docker.
  const env = { ...process.env, PATH: "/nowhere" };
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", env, cwd });
  expect({ status, stdout }).toEqual({ status: 1, stdout: expect.stringContaining(found) });
});

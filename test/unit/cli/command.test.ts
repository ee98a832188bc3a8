import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import project from "../../../package.json" with { type: "json" };

const run = (args: string[]) => spawnSync(process.execPath, args, { encoding: "utf8" });

const commands = Object.values(project.scripts).flatMap((script) => /(?:cli|bench)\/\w+\.ts$/.exec(script) ?? []);
const refusals = new Map<string, ReturnType<typeof run>>();
/** How a command ends for an option that it does not know, of which it prints those that it does. */
function refusalOf(command: string): ReturnType<typeof run> {
  const refusal = refusals.get(command) ?? run([command, "--nonsense"]);
  refusals.set(command, refusal);
  return refusal;
}

test("the commands are found", () => expect(commands).toHaveLength(7));

test.each(commands)("%s ends with 2 for an option that it does not know, and tells its usage", (command) => {
  const { status, stdout, stderr } = refusalOf(command);
  expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  expect(stderr).toMatch(/^\nUnknown option '--nonsense'\nusage: /);
});

test.each(globSync(".github/scripts/*.ts"))("%s tells its usage", (file) => {
  expect(run([file, "--help"])).toMatchObject({ status: 0, stdout: expect.stringMatching(/^usage: /), stderr: "" });
});

test("every npm command that a document or a program names is a script, with options that it knows", () => {
  const files = globSync("{*,{.github,bench,cli,components,docs,local,policies,tools}/**/*}.{md,yml,yaml,ts,mjs}");
  const scripts: Readonly<Record<string, string>> = project.scripts;
  const named = files.flatMap((file) => [
    ...readFileSync(file, "utf8").matchAll(/npm run (?:--silent )?([\w:-]+)(?: -- ([^`\n)]*))?/g),
  ]);
  const unknown = named.filter(([, script = "", options]) => {
    if (!Object.hasOwn(scripts, script)) return true;
    if (options === undefined) return false;
    const command = /node (\S+\.ts)$/.exec(scripts[script] as string)?.[1];
    if (command === undefined) throw new Error(`${script} is given options, and this test does not know which it has`);
    const { stderr } = refusalOf(command);
    const knows = (word: string, before = "") => new RegExp(`${before}${word}(?![\\w-])`, "m").test(stderr);
    const given = options.split(" ").flatMap((word) => /^--\w[\w-]*/.exec(word)?.[0] ?? []);
    const first = /^[a-z]\w*/.exec(options)?.[0];
    return !given.every((option) => knows(option)) || (first !== undefined && !knows(first, "^  "));
  });
  expect(named.length).toBeGreaterThan(100);
  expect(unknown.map(({ 0: whole }) => whole)).toEqual([]);
});

test.each([
  // Without Docker, which is a fault.
  [1, "cli/doctor.ts"],
  [0, "cli/policies.ts preview --account 123456789012"],
])("a command ends with what it found, %i, also where nobody reads what it prints", (status, command) => {
  const piped = ["--norc", "-c", `set -o pipefail; ${process.execPath} ${command} | true`];
  const env = { ...process.env, PATH: "/nowhere" };
  const stderr = expect.not.stringContaining("EPIPE");
  expect(spawnSync("/bin/bash", piped, { env, encoding: "utf8" })).toMatchObject({ status, stderr });
});

test.each([
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
  expect(run(args)).toMatchObject({ status, stdout: "", stderr: expect.stringMatching(message) });
});

test("a command that is none is refused with exit status 2 and those that there are, also without a Dockerfile", () => {
  // It is there in fact, and not found.
  const hiding = `import fs from "node:fs"; import { syncBuiltinESMExports } from "node:module"; const read = fs.readFileSync;
    fs.readFileSync = (file, ...more) => read(/Dockerfile$/.test(file) ? "/no/Dockerfile" : file, ...more); syncBuiltinESMExports();`;
  const hidden = ["--import", `data:text/javascript,${encodeURIComponent(hiding)}`];
  const stderr = expect.stringMatching(/not a command: deploy\n\nusage: npm run local -- /);
  expect(run([...hidden, "cli/local.ts", "deploy"])).toMatchObject({ status: 2, stdout: "", stderr });
});

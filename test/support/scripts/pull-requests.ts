import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { checkOut } from "../../../tools/clone.ts";
import { github, ofBot } from "../comments.ts";
import { expectConsistent } from "../faults.ts";
import { type Contexts, type Run, run } from "../github.ts";
import { write } from "../process.ts";
import {
  answering,
  cloud,
  configured,
  deployed,
  type Outputs,
  registry,
  releasedEdit,
  shell,
  successful,
  summary,
} from "../stack.ts";
import { asPreviewer, type Cases, expectFirstProcess, newFolder, onStack, runner, settings } from "./runner.ts";

/** The text of the comment that a workflow's job "comment" makes of the files that it downloads. */
async function commented(workflow: string, files: Record<string, string>, needs: object): Promise<string> {
  const { comments, ...ran } = await commenting(`${workflow} comment: one comment, updated`, { files, needs });
  expect(ran).toEqual({ status: 0, text: "comment created\n" });
  return comments[0] ?? "";
}

/** Runs a script that comments in a checkout with no packages. On GitHub, pull request 7 has the comments `there`. */
async function commenting(
  name: string,
  { files = {}, there = [], ...contexts }: { files?: Record<string, string>; there?: readonly string[] } & Contexts,
) {
  const cwd = newFolder();
  checkOut(cwd);
  for (const [file, text] of Object.entries(files)) write(join(cwd, file), text);
  const { url: GITHUB_API_URL, comments } = await github(there.map((body, id) => ofBot(body, id)));
  const event = { pull_request: { number: 7, head: { sha: "abc" } } };
  const repository = { repository: "Owner/Hono-App", server_url: "https://github.com" };
  const { status, text } = await run(name, {
    contexts: { github: { token: "job-token", ...repository, run_id: 5, event }, ...contexts },
    runner: { ...runner, GITHUB_API_URL },
    cwd,
  });
  return { status, text, comments: comments.map(({ body }) => body) };
}

const ofReview = { ...settings, github: { event: { pull_request: { number: 7 } } } };
const onReview: Run = { contexts: ofReview, runner, cwd: cloud.project };

/** Leaves a lock on its stack, as a deployment does that was cancelled. @returns The lock's file. */
function lockReview(): string {
  const locks = join(cloud.dir, "state", ".pulumi", "locks", "organization", "hono-app", "pr-7");
  const lock = { pid: 1, username: "runner", hostname: "gone", timestamp: new Date().toISOString() };
  const file = join(locks, "00000000-0000-4000-8000-000000000000.json");
  write(file, JSON.stringify(lock));
  return file;
}

/** Brings up the review environment of pull request 7 beside the tests' own stack, by the script. */
async function reviewing(more = ""): Promise<{ status: string; outputs: Outputs; cost: string }> {
  const folder = join(cloud.project, "review");
  // The local cloud's builder, and the app's name that its policies are for.
  const config = readFileSync("Pulumi.review.yaml", "utf8").replaceAll("hono-app-review", "hono-app");
  writeFileSync(join(cloud.project, "Pulumi.pr-7.yaml"), `${config}  builder: local-cloud\n${more}`);
  try {
    const { status } = await run("review.yml deploy: pulumi up", onReview);
    const contexts = { ...ofReview, steps: { up: { outcome: status ? "failure" : "success" } } };
    const ran = await successful(run("review.yml deploy: what the comment shows", { ...onReview, contexts }));
    const outputs = join(folder, "outputs.json");
    return {
      status: ran.outputs.status ?? "",
      outputs: existsSync(outputs) && JSON.parse(readFileSync(outputs, "utf8")),
      cost: readFileSync(join(folder, "cost.md"), "utf8"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
/** The same, once, until it is destroyed. */
let review: ReturnType<typeof reviewing> | undefined;
const reviewed = () => (review ??= reviewing());
afterAll(async () => {
  // What a failed test left.
  await shell(
    "pulumi cancel --stack pr-7 --yes; pulumi destroy --stack pr-7 --yes && pulumi stack rm --stack pr-7 --yes",
  );
  rmSync(join(cloud.project, "Pulumi.pr-7.yaml"), { force: true });
});

/** Previews an edit by the script. */
async function previewing() {
  await deployed();
  const folder = join(cloud.project, "preview");
  const ran = async () => {
    try {
      const { status, outputs, text } = await run("pull-request.yml preview: pulumi preview", asPreviewer);
      expect(outputs).toEqual({ status: String(status) });
      const shown = readFileSync(join(folder, "preview.txt"), "utf8");
      expect(text).toContain(shown);
      return { text: shown, cost: readFileSync(join(folder, "cost.md"), "utf8"), outputs };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const good = await releasedEdit("shown", ran);
  expect(good.outputs).toEqual({ status: "0" });
  expect(good.cost).toContain("a month");
  // A failed preview is kept as well, with its status.
  const bad = await configured({ port: '"22"' }, ran);
  expect(Number(bad.outputs.status)).toBeGreaterThan(0);
  expect(bad.text).toContain(':port is "22"');
  return good;
}
/** The same, once. */
let preview: ReturnType<typeof previewing> | undefined;
const previewed = () => (preview ??= previewing());

export const cases: Cases = {
  async "pull-request.yml fork: say why"(script) {
    const { status, text, summary } = await run(script, {});
    expect([status, summary]).toEqual([0, text]);
    expect(text).toContain("A pull request from a fork is given no secrets");
  },

  async "pull-request.yml preview: pulumi preview"() {
    await previewed();
  },

  async "pull-request.yml comment: one comment, updated"() {
    const { text, cost, outputs } = await previewed();
    const files = { "preview/preview.txt": text, "preview/cost.md": cost };
    const comment = await commented("pull-request.yml", files, { preview: { outputs } });
    expect(comment).toMatch(/^<!-- preview of dev -->\n### Preview of `dev`\n/);
    expect(comment).toContain("abc · [the whole output](https://github.com/Owner/Hono-App/actions/runs/5)");
    expect(comment).toContain(cost.trim());
    // All of it, in colour.
    expect(comment).toMatch(/^! {3}~ docker-build:index:Image: \(update\)$/m);
    expect(comment.match(/^! +\+-aws:ec2\/instance:Instance: \(replace\)$/gm)).toHaveLength(2);
    expect(comment.replace(/^[-+!](?= )/gm, " ")).toContain(text.trim());
  },

  async "review.yml deploy: the stack's configuration"(script) {
    const cwd = newFolder();
    cpSync("Pulumi.review.yaml", join(cwd, "Pulumi.review.yaml"));
    expect(await run(script, { ...onReview, cwd })).toMatchObject({ status: 0 });
    expect(readFileSync(join(cwd, "Pulumi.pr-7.yaml"))).toEqual(readFileSync("Pulumi.review.yaml"));
  },

  "review.yml deploy: pulumi up": (script) => expectFirstProcess(script),

  async "review.yml deploy: what the comment shows"() {
    const before = await deployed();
    const { outputs } = await reviewed();
    // A deployment that was cancelled has left its lock.
    const lock = lockReview();
    const failed = await reviewing('  port: "22"\n');
    expect(existsSync(lock)).toBe(false);
    expect(Number(failed.status)).toBeGreaterThan(0);
    expect(failed.outputs).toBe(false);
    expect(outputs.verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    expect(outputs.repositoryUrl).toMatch(/hono-app-pr-7$/);
    // Side by side: the first stack is as it was, and each has its own machines.
    for (const { graviton, intel } of [before, outputs]) {
      for (const { url, id } of [graviton, intel]) expect(await answering(url)).toBe(id);
    }
  },

  async "review.yml comment: one comment, updated"() {
    await deployed();
    const { outputs, cost, status } = await reviewed();
    const files = { "review/outputs.json": JSON.stringify(outputs), "review/cost.md": cost };
    const comment = await commented("review.yml", files, { deploy: { outputs: { status } } });
    expect(comment).toMatch(/^<!-- review of pr-7 -->\n/);
    expect(comment).toContain(`| graviton | ${outputs.graviton.url} | t4g.micro | aarch64 | arm64 | arm64 |`);
    expect(comment).toContain(`| intel | ${outputs.intel.url} | t3.micro | x86_64 | amd64 | x64 |`);
    expect(comment).toContain(cost.trim());
    const failed = { "review/cost.md": cost };
    expect(await commented("review.yml", failed, { deploy: { outputs: { status: "255" } } })).toContain("**failed**");
  },

  async "review.yml expired: list"(script) {
    await deployed();
    await reviewed();
    const list = (vars: object) =>
      run(script, { ...onStack, contexts: { ...settings, vars: { ...(settings.vars as object), ...vars } } });
    // The stack "local" is none.
    expect(await list({ REVIEW_HOURS: "0" })).toMatchObject({ status: 0, outputs: { stacks: '["pr-7"]' } });
    expect(await list({})).toMatchObject({ status: 0, outputs: { stacks: "[]" } });
    const wrong = await list({ REVIEW_HOURS: "3 days" });
    expect(wrong).toMatchObject({ status: 2, outputs: {} });
    expect(wrong.text).toContain('::error::the variable REVIEW_HOURS is "3 days"; allowed: a whole number of hours');
  },

  async "review.yml destroy: pulumi destroy"(script) {
    const before = await deployed();
    const { outputs } = await reviewed();
    const destroy = (event = "pull_request") =>
      run(script, {
        ...onReview,
        contexts: { ...settings, matrix: { stack: "pr-7" } },
        overrides: { GITHUB_EVENT_NAME: event },
      });
    // The files from which the other job knows what to comment on.
    const folder = join(cloud.project, "destroyed");
    const noted = () => {
      const files = existsSync(folder) ? readdirSync(folder) : [];
      rmSync(folder, { recursive: true, force: true });
      return files;
    };
    // At night one stays that was updated since the list was made.
    expect(await destroy("schedule")).toMatchObject({ status: 0, text: "pr-7 was updated meanwhile\n" });
    expect(noted()).toEqual([]);
    // A deployment that was cancelled has left its lock.
    lockReview();
    expect((await shell("pulumi refresh --stack pr-7 --yes")).output).toContain("currently locked");
    const { text } = await successful(destroy());
    review = undefined;
    expect(Object.keys(summary(text))).toEqual(["deleted"]);
    expect(noted()).toEqual(["pr-7"]);
    // Nothing of it is left, and the other stack is as it was.
    await expect(answering(outputs.graviton.url)).rejects.toThrow();
    expect((await registry("/v2/hono-app-pr-7/tags/list")).status).toBe(404);
    await expectConsistent();
    for (const { url, id } of [before.graviton, before.intel]) expect(await answering(url)).toBe(id);
    expect(await destroy()).toMatchObject({ status: 0, text: "there is no stack pr-7\n" });
    expect(noted()).toEqual(["pr-7"]);
  },

  async "review.yml destroyed: the comments say so"(script) {
    const [of17, of7] = ["<!-- review of pr-17 -->\n", "<!-- review of pr-7 -->\n| graviton | http://192.0.2.1 |"];
    const say = (there: string[], ...destroyed: string[]) =>
      commenting(script, { there, files: Object.fromEntries(destroyed.map((stack) => [`destroyed/${stack}`, ""])) });
    const { comments, ...ran } = await say([of17, of7], "pr-7");
    expect(ran).toEqual({ status: 0, text: "comment updated\n" });
    expect(comments[0]).toBe(of17);
    expect(comments[1]).toMatch(/^<!-- review of pr-7 -->\n[^|]*Destroyed · \[the run\]\(https:\S+runs\/5\)[^|]*$/);
    // Pull request 17 is not there: the other's comment says so all the same.
    expect(await say([of7], "pr-17", "pr-7")).toMatchObject({
      status: 1,
      comments: [expect.stringMatching("Destroyed")],
    });
    expect(await say([of17], "pr-7")).toEqual({ status: 0, text: "comment not there\n", comments: [of17] });
    expect(await say([of7])).toEqual({ status: 0, text: "", comments: [of7] });
  },
};

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { ensureTool } from "../../tools/go.ts";
import { ensureVenv } from "../../tools/python.ts";
import type { ActionData } from "../support/actions/fetch-actions.ts";
import { pinnedActions } from "../support/actions/fetch-actions.ts";
import {
  type Contexts,
  environmentOf,
  files,
  fill,
  find,
  type JobResult,
  job,
  resultsOf,
  runs,
  scripts,
  steps,
  texts,
  workflows,
} from "../support/github.ts";
import { temporaryFolder } from "../support/process.ts";

const tools = { actionlint: "", zizmor: "" };
beforeAll(async () => {
  tools.actionlint = await ensureTool("actionlint");
  tools.zizmor = join(await ensureVenv("zizmor"), "zizmor");
}, 300_000);

describe("linters", () => {
  const call = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: "utf8" });
  const zizmor = (folder: string) =>
    call(tools.zizmor, "--offline", "--persona=auditor", "--strict-collection", "--quiet", "--color=never", folder);

  test("actionlint finds nothing", () => {
    // Without shellcheck, which only some hosts have: the same findings everywhere.
    // It does not know this key yet, which release.yml says the source of.
    const unknown = ["-ignore", 'unexpected key "queue" for "concurrency" section'];
    const found = call(tools.actionlint, "-color=false", "-shellcheck=", "-pyflakes=", ...unknown, ...files);
    expect(found.stdout + found.stderr).toBe("");
    expect(found.status).toBe(0);
  });

  test("zizmor, in its strictest mode, finds nothing", () => {
    const found = zizmor(".github");
    expect(found.stdout + found.stderr).toMatch(/^No findings to report/);
    expect(found.status).toBe(0);
  });

  // No other test checks these rules; each is broken here in a workflow of this project.
  const violations: [audit: string, file: string, from: string | RegExp, to: string][] = [
    ["excessive-permissions", "deploy.yml", /^permissions: \{\}$/m, ""],
    ["undocumented-permissions", "pull-request.yml", " # to comment", ""],
    ["dangerous-triggers", "pull-request.yml", "pull_request:", "pull_request_target:"],
    ["template-injection", "pull-request.yml", '"$COMMIT"', "$" + "{{ github.head_ref }}"],
    ["artipacked", "release.yml", "persist-credentials: false", "persist-credentials: true"],
    ["unpinned-uses", "release.yml", /checkout@.*/, "checkout@v7"],
    ["secrets-outside-env", "deploy.yml", / {4}environment:\n {6}name: dev\n.*\n/, ""],
    ["concurrency-limits", "pull-request.yml", /^concurrency:\n.*\n.*$/m, ""],
  ];
  test("find what is broken", () => {
    const folder = temporaryFolder(onTestFinished);
    // Marks the project's root for actionlint.
    mkdirSync(join(folder, ".git"));
    cpSync(".github", join(folder, ".github"), { recursive: true });
    const ofAction = ["", "destroy.yml", "has-passphrase:", "passphrase:"] as const;
    for (const [, file, from, to] of [...violations, ofAction]) {
      const path = join(folder, ".github", "workflows", file);
      writeFileSync(path, readFileSync(path, "utf8").replace(from, to));
    }
    const found = [...zizmor(folder).stdout.matchAll(/^\w+\[([\w-]+)\]/gm)].map(([, audit]) => audit);
    expect(new Set(found)).toEqual(new Set(violations.map(([audit]) => audit)));
    const { stdout } = call(tools.actionlint, "-shellcheck=", join(folder, ".github", "workflows", "destroy.yml"));
    expect(stdout).toContain('input "passphrase" is not defined');
  });
});

describe("each pinned action, by its own action.yml at that commit", () => {
  const actions = JSON.parse(readFileSync("test/support/actions/actions.json", "utf8")) as Record<string, ActionData>;

  test("is in actions.json, which test/support/actions/fetch-actions.ts writes", () => {
    expect(Object.keys(actions)).toEqual(pinnedActions());
    expect(new Set(pinnedActions().map((pin) => pin.split("@")[0])).size).toBe(pinnedActions().length);
  });

  const uses = steps.filter(({ step }) => step.uses?.includes("@"));
  test.each(uses.map((each) => [each.name, each] as const))(
    "%s: gets known and all required inputs, and its outputs exist",
    (_, { job, step }) => {
      const data = actions[step.uses as string] as ActionData;
      const [required = [], optional = [], outputs = []] = [data.required, data.optional, data.outputs].map((names) =>
        names.split(" ").filter(Boolean),
      );
      const given = Object.keys(step.with ?? {});
      expect(given.filter((name) => ![...required, ...optional].includes(name))).toEqual([]);
      expect(required.filter((name) => !given.includes(name))).toEqual([]);
      if (step.id === undefined) return;
      const read = [...JSON.stringify(job).matchAll(new RegExp(`steps\\.${step.id}\\.outputs\\.(\\w+)`, "g"))];
      expect(read.map(([, name = ""]) => name).filter((name) => !outputs.includes(name))).toEqual([]);
    },
  );
});

test("the head of a workflow names every secret and variable", () => {
  const heads = [...texts.values()].map((text) => text.slice(0, text.indexOf("\nname:"))).join("\n");
  const named = [...texts.values()].flatMap((text) => [...text.matchAll(/\b(?:secrets|vars)\.(\w+)/g)]);
  expect(named.length).toBeGreaterThan(10);
  for (const [, name] of named) expect(heads).toMatch(new RegExp(`(variable|secret) +${name}\\b`));
});

describe("jobs", () => {
  const steppedJobs = [...workflows.values()].flatMap(({ jobs }) => Object.values(jobs)).filter(({ steps }) => steps);

  test("end", () => {
    for (const each of steppedJobs) expect(each["timeout-minutes"]).toBeGreaterThan(0);
  });

  test("that test a commit before its deployment run in the order of the pushes", () => {
    const { concurrency } = job("deploy.yml", "test");
    expect(concurrency?.["cancel-in-progress"]).toBe(false);
    expect(fill(concurrency?.group, { github: { ref: "refs/heads/main" } })).toBe("test-refs/heads/main");
  });

  test("that change a stack use its environment, one at a time", () => {
    const changing = scripts.filter(({ step }) => /pulumi (up|destroy) /.test(step.run ?? ""));
    const found = changing.flatMap(({ where, job, workflow }) =>
      ["dev", "prod"].map((stack) => {
        const contexts = {
          inputs: { stack },
          matrix: { stack: "pr-7" },
          github: { event: { pull_request: { number: 7 } } },
        };
        expect(workflow.concurrency).toBeUndefined();
        expect(job.concurrency?.["cancel-in-progress"]).toBe(false);
        const name = fill(job.env?.STACK, contexts);
        expect([fill(environmentOf(job), contexts), fill(job.concurrency?.group, contexts)]).toEqual([
          name === "pr-7" ? "review" : name,
          `deploy-${name}`,
        ]);
        return `${where} ${name}`;
      }),
    );
    expect([...new Set(found)]).toEqual([
      "deploy.yml dev dev",
      "deploy.yml prod prod",
      "destroy.yml destroy dev",
      "destroy.yml destroy prod",
      "review.yml deploy pr-7",
      "review.yml destroy pr-7",
    ]);
  });

  /** The names of the jobs that run, where the variable DEPLOY lists these words. */
  function run(file: string, github: object, words?: string, ends?: Record<string, JobResult>): string {
    const DEPLOY = words === undefined ? undefined : JSON.stringify(words.split(" ").filter(Boolean));
    const results = Object.entries(resultsOf(file, { github, vars: { DEPLOY } }, ends));
    return results.flatMap(([name, result]) => (result === "skipped" ? [] : name)).join(" ");
  }
  const ends = (result: JobResult["result"], status?: string) => ({ result, ...(status && { outputs: { status } }) });

  const proven: JobResult = { result: "success", outputs: { image: "app@sha256:abc" } };
  const previewed = "dev prod prod-preview";

  test.each<[string, string | undefined, Record<string, JobResult>, string]>([
    ["with nothing set up", undefined, {}, "test release"],
    ["with dev", "dev", { dev: proven }, "test dev release"],
    ["with both", "dev prod", { dev: proven }, "test dev prod release"],
    ["with a preview of prod", previewed, { dev: proven }, "test dev prod-preview prod release"],
    [
      "whose preview of prod fails",
      previewed,
      { dev: proven, "prod-preview": ends("failure") },
      "test dev prod-preview release",
    ],
    ["with prod, and no dev to prove it first", "prod", {}, "test release"],
    ["whose tests fail", "dev prod", { test: ends("failure") }, "test"],
    ["whose proof in dev fails", previewed, { dev: ends("failure") }, "test dev"],
    ["whose SBOMs in dev fail", "dev prod", { dev: { ...proven, result: "failure" } }, "test dev prod release"],
    ["that is cancelled", previewed, { dev: { ...proven, result: "cancelled" } }, "test dev"],
    ["that prod's reviewers refuse", "dev prod", { dev: proven, prod: ends("failure") }, "test dev prod release"],
  ])("for a push to main %s", (_, words, given, expected) => {
    expect(run("deploy.yml", { ref: "refs/heads/main" }, words, given)).toBe(expected);
  });

  test.each([
    [undefined, ""],
    ["dev preview", "dev"],
    [previewed, "prod"],
  ])("for drift at night, with %s", (words, expected) => {
    expect(run("drift.yml", { event_name: "schedule" }, words)).toBe(expected);
  });

  test("for a tag: it is released, and not deployed", () => {
    expect(run("deploy.yml", { ref: "refs/tags/v1.0.0" }, "dev prod")).toBe("test release");
  });

  test.each<[string, string, string | undefined, Record<string, JobResult>, string]>([
    ["with nothing set up", "owner/name", undefined, {}, "test"],
    ["with a preview", "owner/name", "preview", { preview: ends("success", "0") }, "test preview comment"],
    ["whose preview fails", "owner/name", "preview", { preview: ends("failure", "255") }, "test preview comment"],
    ["whose set-up fails", "owner/name", "preview", { preview: ends("failure") }, "test preview"],
    ["that is cancelled", "owner/name", "preview", { preview: ends("cancelled", "0") }, "test preview"],
    ["of a fork", "other/name", "preview", {}, "test fork"],
    ["of Dependabot", "owner/name", "preview", {}, "test"],
  ])("for a pull request %s", (who, full_name, words, given, expected) => {
    const login = who === "of Dependabot" ? "dependabot[bot]" : "owner";
    const event = { pull_request: { head: { repo: { full_name } }, user: { login } } };
    const github = { repository: "owner/name", event_name: "pull_request", event };
    expect(run("pull-request.yml", github, words, given)).toBe(expected);
  });

  test("for a merge queue: what main would be is tested, and nothing else", () => {
    const github = { repository: "owner/name", event_name: "merge_group", event: {} };
    expect(run("pull-request.yml", github, "preview")).toBe("test");
  });

  const all = "dev preview review";
  interface Event {
    readonly action: string;
    readonly state?: string;
    readonly label?: string;
    readonly labels?: string[];
    readonly from?: string;
    readonly by?: string;
    readonly words?: string;
  }
  test.each<[string, Event, string]>([
    ["gets the label", { action: "labeled", label: "review" }, "deploy comment"],
    ["gets another label too", { action: "labeled", label: "bug" }, ""],
    ["is pushed to", { action: "synchronize" }, "deploy comment"],
    ["is opened again", { action: "reopened" }, "deploy comment"],
    ["is closed and gets the label", { action: "labeled", label: "review", state: "closed" }, ""],
    ["is pushed to without the label", { action: "synchronize", labels: ["bug"] }, ""],
    ["loses the label", { action: "unlabeled", label: "review", labels: [] }, "destroy destroyed"],
    ["loses another label", { action: "unlabeled", label: "bug" }, ""],
    ["is closed", { action: "closed", state: "closed" }, "destroy destroyed"],
    ["is closed without the label", { action: "closed", state: "closed", labels: [] }, ""],
    ["comes from a fork and gets the label", { action: "labeled", label: "review", from: "other/name" }, ""],
    ["comes from a fork and is closed", { action: "closed", state: "closed", from: "other/name" }, ""],
    ["is Dependabot's and gets the label", { action: "labeled", label: "review", by: "dependabot[bot]" }, ""],
    ["gets the label, where nothing is set up", { action: "labeled", label: "review", words: "dev" }, ""],
  ])("for a review environment, when the pull request %s", (_, event, expected) => {
    const { action, state = "open", label = "", labels = ["review"], words = all } = event;
    const { from: full_name = "owner/name", by: login = "owner" } = event;
    const of = { number: 7, state, head: { repo: { full_name } }, user: { login } };
    const pull_request = { ...of, labels: labels.map((name) => ({ name })) };
    const github = {
      repository: "owner/name",
      event_name: "pull_request",
      event: { action, label: { name: label }, pull_request },
    };
    expect(run("review.yml", github, words, { deploy: ends("success", "0") })).toBe(expected);
  });

  const some = { result: "success", outputs: { stacks: '["pr-7", "pr-8"]' } } as const;
  test.each<[string, string, Record<string, JobResult>, string]>([
    ["some have expired", all, { expired: some }, "expired destroy destroyed"],
    ["one of them cannot be destroyed", all, { expired: some, destroy: ends("failure") }, "expired destroy destroyed"],
    ["it is cancelled", all, { expired: some, destroy: ends("cancelled") }, "expired destroy"],
    ["none has", all, { expired: { result: "success", outputs: { stacks: "[]" } } }, "expired"],
    ["they cannot be listed", all, { expired: ends("failure") }, "expired"],
    ["nothing is set up", "", {}, ""],
  ])("for review environments at night, when %s", (_, words, given, expected) => {
    const github = { repository: "owner/name", event_name: "schedule", event: {} };
    expect(run("review.yml", github, words, given)).toBe(expected);
  });

  test("destroy the review environments that have expired, or the pull request's", () => {
    const stacks = (contexts: Contexts) =>
      fill(workflows.get("review.yml")?.jobs.destroy?.strategy?.matrix.stack, contexts);
    expect(stacks({ needs: { expired: { outputs: { stacks: '["pr-7","pr-8"]' } } } })).toBe("pr-7,pr-8");
    expect(stacks({ github: { event: { pull_request: { number: 9 } } } })).toBe("pr-9");
  });

  test("that are started again replace their artifact, which GitHub otherwise refuses", () => {
    const uploads = steps.filter(({ step }) => step.uses?.startsWith("actions/upload-artifact@"));
    expect(uploads.filter(({ step }) => step.with?.overwrite !== true)).toEqual([]);
  });

  test.each<[string, object, object]>([
    ["pull-request.yml preview: actions/upload", { preview: { outputs: { status: "255" } } }, {}],
    ["review.yml deploy: what the comment shows", { up: { outcome: "failure" } }, { up: { outcome: "skipped" } }],
    ["review.yml deploy: actions/upload", { report: { outputs: { status: "1" } } }, {}],
  ])("go on to comment on what failed, and not where the set-up did: %s", (name, failed, setUpFailed) => {
    expect([failed, setUpFailed].map((steps) => runs(find(name).step, { steps }, true))).toEqual([true, false]);
  });

  test("have credentials for main's code alone, unless a commit is what they are for", () => {
    const checkouts = steps.filter(({ job, step }) => job.environment && step.uses?.startsWith("actions/checkout@"));
    const refs = checkouts.map(({ where, step }) => [where, step.with?.ref ?? "the event's"]);
    const [event, main] = ["the event's", "main"];
    expect(Object.fromEntries(refs)).toEqual({
      "deploy.yml dev": event,
      "deploy.yml prod-preview": event,
      "deploy.yml prod": event,
      "release.yml build": event,
      "release.yml sbom": event,
      "destroy.yml destroy": event,
      "pull-request.yml preview": event,
      "review.yml deploy": event,
      "review.yml expired": main,
      "review.yml destroy": main,
      "drift.yml dev": main,
      "drift.yml prod": main,
    });
  });

  test("that write to the pull request have no access to the cloud, and the reverse", () => {
    const of = (file: string) => Object.values(workflows.get(file)?.jobs ?? {});
    for (const { environment, permissions = {} } of [...of("pull-request.yml"), ...of("review.yml")]) {
      if (environment) expect(permissions).toEqual({ contents: "read", "id-token": "write" });
      else expect(permissions).not.toHaveProperty("id-token");
    }
  });

  test("log in to Docker Hub only where that is set up", () => {
    const logins = steps.filter(({ step }) => step.uses?.startsWith("docker/login-action@") && !step.with?.registry);
    const places = ["release.yml build", "release.yml merge", "release.yml sbom", "set-up"];
    expect(logins.map(({ where }) => where)).toEqual(places);
    const vars = { DOCKERHUB_USERNAME: "you", DOCKERHUB_IMAGE: "docker.io/you/app" };
    const given = { vars, inputs: { "dockerhub-username": "you" } };
    for (const { step } of logins) expect([runs(step, {}), runs(step, given)]).toEqual([false, true]);
  });

  test("attest releases of public repositories", () => {
    const attests = steps.filter(({ step }) => step.uses?.startsWith("actions/attest@"));
    expect(attests.map(({ where }) => where)).toEqual(["release.yml merge", "release.yml sbom", "release.yml sbom"]);
    for (const { step } of attests) {
      const visible = (isPrivate: boolean) => runs(step, { github: { event: { repository: { private: isPrivate } } } });
      expect([visible(false), visible(true)]).toEqual([true, false]);
      // In the registry it would be one more tag.
      expect(step.with).not.toHaveProperty("push-to-registry");
    }
    const needs = { merge: { outputs: { amd64: "sha256:a", arm64: "sha256:b" } } };
    const [, ...bills] = attests.map(({ step }) => step.with);
    expect(bills.map((bill) => [fill(bill?.["subject-digest"], { needs }), bill?.["sbom-path"]])).toEqual([
      ["sha256:a", "bills/linux-amd64.spdx.json"],
      ["sha256:b", "bills/linux-arm64.spdx.json"],
    ]);
  });
});

test("the versions are those that the project is tested with", () => {
  const text = [...texts.values()].join("\n");
  const tools = readFileSync("tools/go/go.mod", "utf8");
  const version = (module: string) => new RegExp(`^\t${module} v([\\d.]+)`, "m").exec(tools)?.[1];
  const all = (pattern: RegExp) => [...new Set([...text.matchAll(pattern)].map(([, found]) => found))];
  expect(all(/pulumi-version: (\S+)/g)).toEqual([version("github.com/pulumi/pulumi/pkg/v3")]);
  expect(all(/ version: v(\S+)/g)).toEqual([version("github.com/docker/buildx")]);
  expect(all(/moby\/buildkit:v(\S+)/g)).toEqual([version("github.com/moby/buildkit")]);
  const toolVersions = readFileSync(".tool-versions", "utf8");
  expect(toolVersions).toContain(`pulumi ${version("github.com/pulumi/pulumi/pkg/v3")}\n`);
  const node = /nodeVersion = "([\d.]+)"/.exec(readFileSync("tools/setup.mjs", "utf8"))?.[1];
  // actions/setup-node takes the first line that could be a version of Node.
  expect(toolVersions.split("\n")[0]).toBe(`nodejs ${node}`);
});

describe("Renovate", () => {
  type Manager = Record<"description", string> & Record<"managerFilePatterns" | "matchStrings", string[]>;
  const { customManagers } = JSON.parse(readFileSync("renovate.json", "utf8")) as { customManagers: Manager[] };
  const tracked = ["tools/setup.mjs", "app/Dockerfile", ...texts.keys()];

  // A pattern that matches nothing would never update its version, without any warning.
  test.each(customManagers.map((manager) => [manager.description, manager] as const))("finds: %s", (_, manager) => {
    const found = manager.managerFilePatterns.map((pattern) =>
      tracked.filter((path) => new RegExp(pattern.slice(1, -1)).test(path)),
    );
    expect(found).not.toContainEqual([]);
    const contents = [...new Set(found.flat())].map((path) => readFileSync(path, "utf8"));
    for (const match of manager.matchStrings) {
      const versions = contents.flatMap((text) => new RegExp(match).exec(text)?.groups?.currentValue ?? []);
      expect(versions).not.toEqual([]);
      for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });
});

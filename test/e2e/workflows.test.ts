import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ensureLinters } from "../../local/linters.ts";

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}
interface Job {
  readonly permissions?: object;
  readonly "timeout-minutes"?: number;
  readonly if?: string;
  readonly needs?: string;
  readonly environment?: string;
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: Record<string, unknown>;
  readonly permissions?: object;
  readonly concurrency?: { "cancel-in-progress": boolean };
  readonly jobs: Record<string, Job>;
}

const folder = ".github/workflows";
const files = readdirSync(folder).sort();
const workflow = (file: string) => parse(readFileSync(join(folder, file), "utf8")) as Workflow;
const action = ".github/actions/set-up/action.yml";
const actionSteps = (parse(readFileSync(action, "utf8")) as { runs: { steps: Step[] } }).runs.steps;
const jobs = files.flatMap((file) =>
  Object.entries(workflow(file).jobs).map(([name, job]) => [`${file} ${name}`, job] as const),
);

test("there is one workflow for each of the four tasks", () => {
  expect(files).toEqual(["deploy.yml", "destroy.yml", "pull-request.yml", "release.yml"]);
});

describe("linters find nothing", () => {
  let linters: Awaited<ReturnType<typeof ensureLinters>>;
  beforeAll(async () => {
    linters = await ensureLinters();
  }, 120_000);
  const call = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: "utf8" });

  test("actionlint", () => {
    const paths = files.map((file) => join(folder, file));
    // Without shellcheck, which some machines have and others do not: the same findings everywhere.
    const found = call(linters.actionlint, "-color=false", "-shellcheck=", "-pyflakes=", ...paths);
    expect(found.stdout + found.stderr).toBe("");
    expect(found.status).toBe(0);
  });

  test("zizmor, in its strictest mode", () => {
    const options = ["--offline", "--persona=auditor", "--strict-collection", "--quiet", "--color=never"];
    const found = call(linters.zizmor, ...options, ".github");
    expect(found.stdout + found.stderr).toMatch(/^No findings to report/);
    expect(found.status).toBe(0);
  });

  // A linter that sees nothing would find nothing either.
  test("they do find what is wrong", () => {
    const place = mkdtempSync(join(tmpdir(), "workflows-"));
    try {
      const file = join(place, ".github", "workflows", "bad.yml");
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(
        file,
        "on: pull_request_target\njobs:\n  x:\n    runs-on: nowhere\n    steps:\n      - run: true\n",
      );
      expect(call(linters.actionlint, "-shellcheck=", file).stdout).toContain('label "nowhere" is unknown');
      expect(call(linters.zizmor, "--offline", "--quiet", file).stdout).toContain("dangerous-triggers");
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

describe.each(files)("%s", (file) => {
  const text = readFileSync(join(folder, file), "utf8");
  const { on, permissions, concurrency } = workflow(file);
  const introduction = (of: string) => of.slice(0, of.indexOf("\nname:"));

  test("is given nothing by default, and never runs a fork's code with secrets", () => {
    expect(permissions).toEqual({});
    expect(Object.keys(on)).not.toContain("pull_request_target");
    expect(Object.keys(on)).not.toContain("workflow_run");
  });

  test("says what has to be set up, before anything else", () => {
    // destroy.yml refers to deploy.yml.
    const where = introduction(file === "destroy.yml" ? readFileSync(join(folder, "deploy.yml"), "utf8") : text);
    expect(introduction(text)).toMatch(/^# /);
    for (const [, name = ""] of text.matchAll(/(?:secrets|vars)\.(\w+)/g)) expect(where).toContain(name);
  });

  test("runs one at a time, and nothing that changes the cloud is cancelled half-way", () => {
    expect(concurrency?.["cancel-in-progress"]).toBe(file === "pull-request.yml");
  });
});

describe.each(jobs)("%s", (_, job) => {
  test("has its own permissions and an end", () => {
    expect(job.permissions).toBeDefined();
    expect(job["timeout-minutes"]).toBeGreaterThan(0);
  });

  test("puts no expression into a script", () => {
    for (const { run } of job.steps) expect(run ?? "").not.toContain("${{");
  });

  test("leaves no credentials behind the check-out", () => {
    for (const step of job.steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"))) {
      expect(step.with?.["persist-credentials"]).toBe(false);
    }
  });
});

test("every action is pinned by its commit, the same one everywhere, with its version beside it", () => {
  const pins = new Map<string, Set<string>>();
  for (const path of [...files.map((file) => join(folder, file)), action]) {
    for (const [line, name = "", rest = ""] of readFileSync(path, "utf8").matchAll(/uses: ([^@\s]+)(.*)/g)) {
      if (name.startsWith("./")) continue;
      expect(line).toMatch(/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
      pins.set(name, (pins.get(name) ?? new Set()).add(rest));
    }
  }
  expect(pins.size).toBeGreaterThan(8);
  for (const [name, versions] of pins) expect([name, versions.size]).toEqual([name, 1]);
});

test("the versions are those that the project is tested with", () => {
  const text = [action, ...files.map((file) => join(folder, file))]
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
  const tools = readFileSync("local/tools/tools.ts", "utf8");
  const version = (module: string) => new RegExp(`module: "${module}",\\s+version: "([\\d.]+)"`).exec(tools)?.[1];
  const all = (pattern: RegExp) => [...new Set([...text.matchAll(pattern)].map(([, found]) => found))];
  expect(all(/pulumi-version: (\S+)/g)).toEqual([version("pulumi")]);
  expect(all(/ version: v(\S+)/g)).toEqual([version("buildx")]);
  expect(all(/moby\/buildkit:v(\S+)/g)).toEqual([version("buildkit")]);
  const toolVersions = readFileSync(".tool-versions", "utf8");
  expect(toolVersions).toContain(`pulumi ${version("pulumi")}\n`);
  const node = /nodeVersion = "([\d.]+)"/.exec(readFileSync("local/setup.mjs", "utf8"))?.[1];
  // actions/setup-node takes the first line that could be a version of Node.
  expect(toolVersions.split("\n")[0]).toBe(`nodejs ${node}`);
});

test("what the deployments run is installed in one place", () => {
  expect(actionSteps.map(({ uses, run }) => uses?.split("@")[0] ?? run)).toEqual([
    "actions/setup-node",
    "npm ci --ignore-scripts --no-audit --no-fund",
    "docker/setup-buildx-action",
    "aws-actions/configure-aws-credentials",
    "pulumi/actions",
  ]);
  const { config } = parse(readFileSync("Pulumi.yaml", "utf8")) as { config: { builder: { default: string } } };
  const buildx = actionSteps.find(({ uses }) => uses?.startsWith("docker/setup-buildx-action"));
  expect(buildx?.with?.name).toBe(config.builder.default);
});

test("a fork's pull request is told why it has no preview", () => {
  const { preview, fork, comment } = workflow("pull-request.yml").jobs as Record<"preview" | "fork" | "comment", Job>;
  expect(preview.if).toBe("github.event.pull_request.head.repo.full_name == github.repository");
  expect(fork.if).toBe(preview.if?.replace("==", "!="));
  expect(fork.permissions).toEqual({});
  // Who may write to the pull request holds no identity in the cloud, and the other way round.
  expect(Object.keys(comment.permissions ?? {})).toEqual(["contents", "pull-requests"]);
  expect(Object.keys(preview.permissions ?? {})).toEqual(["contents", "id-token"]);
});

test("prod comes after dev, behind its environment, and is deployed in the same way", () => {
  const { dev, prod } = workflow("deploy.yml").jobs as Record<"dev" | "prod", Job>;
  expect(prod).toMatchObject({ needs: "dev", environment: "prod" });
  expect(JSON.stringify(prod.steps).replaceAll("prod", "dev")).toBe(JSON.stringify(dev.steps));
});

// The scripts of the steps, as the runner runs them, with programs that only say how they were called.
describe("scripts", () => {
  const work = mkdtempSync(join(tmpdir(), "scripts-"));
  afterAll(() => rmSync(work, { recursive: true }));
  const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");

  function script(file: string, job: string, name: string): string {
    const step = workflow(file).jobs[job]?.steps.find((each) => each.name === name);
    if (step?.run === undefined) throw new Error(`${file}: ${job} has no step ${name}`);
    return step.run;
  }

  interface World {
    readonly env?: Record<string, string>;
    /** Bodies of shell scripts, by the names of the programs that they stand in for. */
    readonly programs?: Record<string, string>;
    readonly files?: Record<string, string>;
  }

  function bash(text: string, { env = {}, programs = {}, files: given = {} }: World = {}) {
    const place = mkdtempSync(join(work, "step-"));
    const [bin, cwd] = [join(place, "bin"), join(place, "work")];
    for (const path of [bin, cwd]) mkdirSync(path);
    for (const [name, body] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
    }
    for (const [name, body] of Object.entries(given)) writeFileSync(join(cwd, name), body);
    const { status, stdout, stderr } = spawnSync(
      "bash",
      ["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text],
      {
        cwd,
        env: {
          PATH: `${bin}:${process.env.PATH}`,
          GITHUB_OUTPUT: join(place, "output"),
          GITHUB_STEP_SUMMARY: join(place, "summary"),
          ...env,
        },
        encoding: "utf8",
      },
    );
    return { status, stdout, stderr, output: read(join(place, "output")), calls: read(join(place, "calls")), cwd };
  }

  test.each([
    ["dev", "dev", 0],
    ["prod", "prod", 0],
    ["prod", "dev", 1],
    ["prod", "", 1],
    ["prod", "Prod", 1],
    ["prod", "prod ", 1],
    ["prod", '" = "" -o "prod', 1],
  ])("destroying %s, confirmed with %j, ends with %d", (STACK, CONFIRMATION, status) => {
    const result = bash(script("destroy.yml", "confirm", "compare"), { env: { STACK, CONFIRMATION } });
    expect(result.status).toBe(status);
    expect(result.stdout.includes("nothing was destroyed")).toBe(status === 1);
  });

  const previewing = script("pull-request.yml", "preview", "pulumi preview");

  test.each([0, 255])("a preview that ends with %d is kept whole, and its status handed on", (status) => {
    const programs = {
      pulumi: `echo "$*"; echo "to stderr" >&2; exit ${status}`,
      node: '[ "$*" = "cli/cost.ts --stack dev --markdown" ] && echo price',
    };
    const result = bash(previewing, { programs });
    expect(result).toMatchObject({ status: 0, output: `status=${status}\n` });
    const command = "preview --stack dev --diff --non-interactive --color never";
    expect(read(join(result.cwd, "preview", "preview.txt"))).toBe(`${command}\nto stderr\n`);
    expect(read(join(result.cwd, "preview", "cost.md"))).toBe("price\n");
    const end = script("pull-request.yml", "preview", "the preview's own exit status");
    expect(bash(end, { env: { STATUS: String(status) } }).status).toBe(status);
  });

  test("a price that is not complete fails no preview", () => {
    const result = bash(previewing, { programs: { pulumi: "true", node: "exit 1" } });
    expect(result).toMatchObject({ status: 0, output: "status=0\n" });
  });

  test("the comment's command is one that cli/preview-comment.ts takes", () => {
    const commenting = script("pull-request.yml", "comment", "one comment, updated");
    const text = commenting.replaceAll("preview/", "").replace(' --publish "$PULL_REQUEST"', "");
    expect(text).not.toContain("--publish");
    const result = bash(text.replace("cli/preview", resolve("cli/preview")), {
      env: { STATUS: "0", COMMIT: "abc", RUN_URL: "https://run" },
      programs: { node: `exec "${process.execPath}" "$@"` },
      files: { "preview.txt": "+ 1 to create", "cost.md": "price" },
    });
    expect(result.stderr).toBe("");
    expect(result.stdout).toMatch(
      /^<!-- preview of dev -->\n.*price.*\+ 1 to create.*abc · \[the whole output\]\(https:\/\/run\)/s,
    );
  });

  describe("the release's tags", () => {
    const tagging = script("release.yml", "merge", "tag what was built");
    const env = { GITHUB_REPOSITORY: "Owner/Hono-App", GITHUB_SHA: "abc" };
    const world = { env, programs: { docker: 'echo "$*" >>../calls' }, files: { a1: "", b2: "" } };
    const sources = "ghcr.io/owner/hono-app@sha256:a1 ghcr.io/owner/hono-app@sha256:b2";
    const create = (image: string) => `buildx imagetools create --tag ${image}:abc --tag ${image}:latest ${sources}\n`;

    test("are made of both digests, in GitHub's registry", () => {
      expect(bash(tagging, world)).toMatchObject({
        status: 0,
        calls: `${create("ghcr.io/owner/hono-app")}buildx imagetools inspect ghcr.io/owner/hono-app:abc\n`,
      });
    });

    test("and in Docker Hub, where it is set up", () => {
      const { calls } = bash(tagging, { ...world, env: { ...env, DOCKERHUB_IMAGE: "docker.io/you/app" } });
      expect(calls).toContain(create("ghcr.io/owner/hono-app"));
      expect(calls).toContain(create("docker.io/you/app"));
    });

    test("are not made of half the platforms", () => {
      expect(bash(tagging, { ...world, files: { a1: "" } })).toMatchObject({ status: 1, calls: "" });
    });
  });

  describe("the bills of materials", () => {
    const npm = 'echo "npm $*" >>../calls; [ "$*" != "run sbom -- $FAILING" ]';

    test("are attached to the release, wherever it is", () => {
      const attaching = script("release.yml", "sbom", "attach");
      const env = { GITHUB_REPOSITORY: "Owner/Hono-App", GITHUB_SHA: "abc", DOCKERHUB_IMAGE: "" };
      const github = "npm run sbom -- ghcr.io/owner/hono-app:abc\n";
      expect(bash(attaching, { env, programs: { npm } })).toMatchObject({ status: 0, calls: github });
      const both = { ...env, DOCKERHUB_IMAGE: "docker.io/you/app" };
      const calls = `${github}npm run sbom -- docker.io/you/app:abc\n`;
      expect(bash(attaching, { env: both, programs: { npm } })).toMatchObject({ status: 0, calls });
      // The first one's failure is not hidden by the second.
      const failing = { ...both, FAILING: "ghcr.io/owner/hono-app:abc" };
      expect(bash(attaching, { env: failing, programs: { npm } })).toMatchObject({ status: 1, calls: github });
    });

    test.each(["dev", "prod"])("are attached to what %s deploys, after it is proven", (stack) => {
      const names = workflow("deploy.yml").jobs[stack]?.steps.map(({ name }) => name) ?? [];
      expect(names.indexOf("attach bills of materials")).toBeGreaterThan(names.indexOf("pulumi up"));
      const image = "1.dkr.ecr.ap-northeast-2.amazonaws.com/hono-app:content-1@sha256:a";
      const programs = {
        npm,
        pulumi: `[ "$*" = "stack output --stack ${stack} imageRef" ] && echo ${image}`,
        aws: '[ "$*" = "ecr get-login-password" ] && echo token',
        docker: 'echo "docker $* < $(cat)" >>../calls',
      };
      expect(bash(script("deploy.yml", stack, "attach bills of materials"), { programs })).toMatchObject({
        status: 0,
        calls: `docker login --username AWS --password-stdin 1.dkr.ecr.ap-northeast-2.amazonaws.com < token
npm run sbom -- ${image}
`,
      });
    });
  });

  test("each has bash's syntax", () => {
    for (const [, job] of jobs) {
      for (const { run } of job.steps) if (run !== undefined) execFileSync("bash", ["-n"], { input: run });
    }
  });
});

describe("Renovate", () => {
  interface Manager {
    readonly description: string;
    readonly managerFilePatterns: readonly string[];
    readonly matchStrings: readonly string[];
  }
  const { customManagers } = JSON.parse(readFileSync("renovate.json", "utf8")) as { customManagers: Manager[] };
  const tracked = [
    "local/setup.mjs",
    "local/tools/tools.ts",
    "app/Dockerfile",
    action,
    ...files.map((file) => join(folder, file)),
  ];

  // A pattern that matches nothing keeps a version for ever, and says nothing.
  test.each(customManagers.map((manager) => [manager.description, manager] as const))("finds: %s", (_, manager) => {
    for (const pattern of manager.managerFilePatterns) {
      expect(tracked.some((path) => new RegExp(pattern.slice(1, -1)).test(path))).toBe(true);
    }
    const texts = tracked
      .filter((path) => manager.managerFilePatterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(path)))
      .map((path) => readFileSync(path, "utf8"));
    for (const match of manager.matchStrings) {
      const found = texts.flatMap((text) => new RegExp(match).exec(text)?.groups?.currentValue ?? []);
      expect(found).not.toEqual([]);
      for (const version of found) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });
});

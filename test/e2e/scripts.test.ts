import { accessSync, constants, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { dirname, join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { architectures, machineNames } from "../../components/architecture.ts";
import { keysOf } from "../../local/identity.ts";
import { checkOut } from "../../tools/clone.ts";
import { ensureVenv } from "../../tools/python.ts";
import { github, ofBot } from "../support/comments.ts";
import { expectConsistent } from "../support/faults.ts";
import { type Contexts, environmentOf, fill, inputsOf, job, type Run, run, scripts, steps } from "../support/github.ts";
import { getFrom, startRegistry } from "../support/other-registry.ts";
import { listening, temporaryFolder } from "../support/process.ts";
import {
  answering,
  registry as askRegistry,
  cloud,
  configured,
  type Descriptor,
  deployed,
  ec2,
  edited,
  manifest,
  type Outputs,
  releasedEdit,
  shell,
  state,
  succeed,
  summary,
} from "../support/stack.ts";

// Every script of .github, run against the local cloud with what GitHub would give it.

let aws: string;
const newFolder = () => temporaryFolder(onTestFinished);
beforeAll(async () => {
  aws = join(await ensureVenv("awscli"), "aws");
});

const repository = {
  GITHUB_REPOSITORY: "Owner/Hono-App",
  GITHUB_SERVER_URL: "https://github.com",
  GITHUB_SHA: "c0ffee",
};

/** A runner after the set-up: logged in to the local cloud for the stack's region. The backend comes from the workflow. */
function runner(): Record<string, string> {
  const { PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE, AWS_REGION, AWS_DEFAULT_REGION, ...rest } = cloud.env;
  return { ...rest, ...repository, AWS_REGION: "ap-northeast-2", AWS_DEFAULT_REGION: "ap-northeast-2" };
}
const settings: Contexts = {
  vars: { PULUMI_BACKEND_URL: cloud.env.PULUMI_BACKEND_URL },
  secrets: { PULUMI_CONFIG_PASSPHRASE: cloud.env.PULUMI_CONFIG_PASSPHRASE },
};
/** In the tests' clone, on the stack that is deployed there. */
const onStack = (): Run => ({
  contexts: settings,
  runner: runner(),
  overrides: { STACK: "local" },
  cwd: cloud.project,
});

/** The same as the user whose role only reads. */
const asPreviewer = (): Run => ({ ...onStack(), runner: { ...runner(), ...keysOf(cloud.dir, "previewer") } });

/** Runs an HTTP server until the test ends. @returns Its URL. */
const serving = async (answer: (request: IncomingMessage, body: string) => { status?: number; body: string }) => {
  const host = await listening(async (request, response) => {
    const { status = 200, body } = answer(request, await textOf(request));
    response.writeHead(status).end(body);
  });
  return `http://${host}`;
};

/** Stands in for GitHub's registry and Docker Hub. The image is built and pushed there as in the job "build". */
const registry = `${cloud.prefix}.0.1:5602`;
const get = (path: string) => getFrom(registry, "owner", "token", path);
const tagsOf = async (name: string) =>
  ((await (await get(`${name}/tags/list`)).json()) as { tags?: string[] }).tags?.sort() ?? [];
const matrix = job("release.yml", "build").strategy?.matrix.include ?? [];

let stopRegistry: (() => Promise<void>) | undefined;
/** Builds each platform's image, and pushes it by its digest. */
async function building() {
  stopRegistry = await startRegistry(registry, ["owner", "token"]);
  await shell(`docker login --username owner --password-stdin ${registry}`, { input: "token" });
  const name = await run("release.yml build: the image's name", {
    runner: runner(),
    overrides: { REGISTRY: registry },
  });
  const { image = "" } = name.outputs;
  const digests = new Map<string, string>();
  for (const { platform = "" } of matrix) {
    const inputs = inputsOf("release.yml build: build and push by digest", {
      matrix: { platform },
      steps: { name: { outputs: { image } } },
    });
    digests.set(platform, await buildAndPush(inputs));
  }
  return { image, digests };
}
/** The same, once. */
let released: ReturnType<typeof building> | undefined;
const release = () => (released ??= building());
afterAll(async () => {
  await released?.catch(() => {});
  await shell(`docker logout ${registry}`);
  await stopRegistry?.();
});

/** docker/build-push-action: the command that its src/context.ts makes of these inputs. */
async function buildAndPush(inputs: Record<string, string>): Promise<string> {
  const { context, platforms, "build-args": args, provenance, outputs, ...others } = inputs;
  expect(others).toEqual({});
  const metadata = join(newFolder(), "metadata.json");
  const attest = provenance === "false" ? "type=provenance,disabled=true" : "type=provenance,mode=max";
  const options = `--platform ${platforms} --build-arg ${args} --attest ${attest} --output ${outputs}`;
  const { status, output } = await shell(`docker buildx build ${options} --metadata-file ${metadata} ${context}`);
  expect(status, output).toBe(0);
  return JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"];
}

/** The folder that the job "merge" downloads. */
function downloaded(digests: Iterable<string>): string {
  const folder = newFolder();
  mkdirSync(join(folder, "digests"));
  for (const digest of digests) writeFileSync(join(folder, "digests", digest.replace("sha256:", "")), "");
  return folder;
}

/** Prints the arguments of `npm run sbom -- IMAGE`: npm run test:sbom runs it, with tools that take minutes to build. */
const npm = 'echo "npm $*"; [ "$*" != "run sbom -- $FAILING" ]';

/** For each script: runs it with what GitHub would give it, to each way in which it can end. */
const cases: Record<string, (script: string) => Promise<void>> = {
  async "set-up: the environment is set up"(script) {
    const given = {
      vars: { ENVIRONMENT: "", AWS_ROLE_ARN: "arn:aws:iam::1:role/r", PULUMI_BACKEND_URL: "s3://state" },
      secrets: { PULUMI_CONFIG_PASSPHRASE: "secret" },
    };
    const cwd = newFolder();
    writeFileSync(join(cwd, "Pulumi.kms.yaml"), "secretsprovider: awskms://alias/state\n");
    for (const stack of ["dev", "prod", "pr-7", "review"]) {
      writeFileSync(join(cwd, `Pulumi.${stack}.yaml`), "config: {}\n");
    }
    const users = steps.filter(({ step }) => step.uses === "./.github/actions/set-up");
    expect(users).toHaveLength(10);
    for (const { name, job } of users) {
      const github = { event: { pull_request: { number: 7 } } };
      const contexts = { ...given, github, inputs: { stack: "prod" }, matrix: { stack: "pr-7" } };
      const environment = fill(environmentOf(job), contexts);
      const check = (change: { vars?: object; secrets?: object; STACK?: string }) => {
        const vars = { ...given.vars, ENVIRONMENT: environment, ...change.vars };
        const secrets = { ...given.secrets, ...change.secrets };
        const inputs = inputsOf(name, { ...contexts, vars, secrets });
        const env = {
          STACK: change.STACK ?? fill(job.env?.STACK, contexts),
          PULUMI_BACKEND_URL: vars.PULUMI_BACKEND_URL,
        };
        return run(script, { contexts: { inputs }, runner: env, cwd });
      };
      const refused = async (change: Parameters<typeof check>[0], reason: string) => {
        const { status, text } = await check(change);
        expect(text).toContain(`::error title=Environment ${environment}::${reason}`);
        expect(text).toContain("Nothing was done.");
        expect(status).toBe(1);
      };
      expect(await check({})).toMatchObject({ status: 0, text: "" });
      // An environment that GitHub has just created sees the repository's variables, or those of another environment.
      await refused({ vars: { ENVIRONMENT: "" } }, `the variable ENVIRONMENT is ""; allowed: ${environment}, `);
      await refused({ vars: { ENVIRONMENT: "staging" } }, 'the variable ENVIRONMENT is "staging"');
      await refused({ vars: { AWS_ROLE_ARN: "" } }, "the variable AWS_ROLE_ARN is empty");
      const none = { PULUMI_CONFIG_PASSPHRASE: "" };
      await refused({ secrets: none }, "the state is in s3://state, and the secret PULUMI_CONFIG_PASSPHRASE is empty");
      expect((await check({ secrets: none, vars: { PULUMI_BACKEND_URL: "" } })).status).toBe(0);
      expect((await check({ secrets: none, STACK: "kms" })).status).toBe(0);
    }
  },

  async "set-up: npm packages"(script) {
    const cwd = newFolder();
    for (const file of ["package.json", "package-lock.json"]) cpSync(file, join(cwd, file));
    // test/e2e/docs.test.ts installs them; here npm compares the lock file with package.json and stops.
    const packages = () => run(script, { runner: { ...runner(), npm_config_dry_run: "true" }, cwd });
    expect(await packages()).toMatchObject({ status: 0 });
    const edited = readFileSync(join(cwd, "package.json"), "utf8").replace('"hono": "', '"hono": "0.');
    writeFileSync(join(cwd, "package.json"), edited);
    expect(await packages()).toMatchObject({ status: 1, text: expect.stringContaining("hono@0.") });
  },

  async "set-up: the stack's region"(script) {
    const region = (STACK: string) => run(script, { runner: { ...runner(), STACK }, cwd: cloud.project });
    expect((await region("dev")).outputs).toEqual({ region: "ap-northeast-2" });
    const other = join(cloud.project, "Pulumi.other.yaml");
    writeFileSync(other, "config:\n  aws:region: eu-west-1\n");
    try {
      expect((await region("other")).outputs).toEqual({ region: "eu-west-1" });
    } finally {
      rmSync(other);
    }
    const contexts = { steps: { stack: { outputs: { region: "x" } } } };
    const inputs = inputsOf("set-up: aws-actions/configure-aws-credentials", contexts);
    expect(inputs).toMatchObject({ "aws-region": "x" });
  },

  async "set-up: this job's subject"(script) {
    const sub = "repo:owner@1/name@2:environment:dev";
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const value = `${part({ alg: "RS256" })}.${part({ sub, aud: "sts.amazonaws.com" })}.c2ln`;
    const url = await serving(({ url, headers }) =>
      url === "/token?api-version=2&audience=sts.amazonaws.com" && headers.authorization === "bearer request-token"
        ? { body: JSON.stringify({ value }) }
        : { status: 401, body: "{}" },
    );
    const subject = (ACTIONS_ID_TOKEN_REQUEST_TOKEN: string) => {
      const request = { ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2`, ACTIONS_ID_TOKEN_REQUEST_TOKEN };
      return run(script, { runner: { ...runner(), ...request } });
    };
    expect(await subject("request-token")).toMatchObject({
      status: 0,
      text: `The role has to trust the subject ${sub}\n`,
    });
    expect((await subject("wrong")).status).not.toBe(0);
  },

  async "deploy.yml dev: pulumi up"(script) {
    await deployed();
    const up = (more: object = {}) => run(script, { ...onStack(), ...more });
    // As in a check-out of a stack that the workflow created: only its state has the salt.
    await edited("Pulumi.local.yaml", [/^encryptionsalt: .*\n/m, ""], async () => {
      const { status, text } = await up();
      expect(status, text).toBe(0);
      expect(Object.keys(summary(text))).toEqual(["unchanged"]);
    });
    const contexts = { ...settings, secrets: { PULUMI_CONFIG_PASSPHRASE: "wrong" } };
    expect((await up({ contexts })).text).toContain("incorrect passphrase");
    await configured({ port: '"22"' }, async () => expect((await up()).status).not.toBe(0));
    await expectFirstProcess(script);
    // A run that is started again, after a later commit's: what is deployed stays. Nothing, or what is not known here, is no later commit.
    const cwd = newFolder();
    checkOut(cwd);
    const git = "git -c user.name=x -c user.email=x@example.com";
    const commit = `${git} commit --quiet --allow-empty --message x && git rev-parse HEAD`;
    const made = await shell(`git init --quiet && ${commit} && ${commit}`, { cwd });
    const [older = "", newer = ""] = made.output.trim().split("\n");
    const failed = ["update", "failed", "c0ffee"] as const;
    for (const [sha, head, status, ...later] of [
      [older, newer, 1],
      [newer, newer, 0],
      [newer, older, 0, failed],
      [older, "c0ffee", 0, ["refresh", "succeeded", "c0ffee"], failed],
      [older, "", 0],
    ] as const) {
      const history = historyOf(...later, ["update", "succeeded", head]);
      const programs = { pulumi: `[ "$2" != history ] && echo "pulumi $*" || echo '${history}'` };
      const ran = await run(script, { runner: { ...runner(), GITHUB_SHA: sha }, programs, cwd });
      expect([ran.status, ran.text.includes("pulumi up")], ran.text).toEqual([status, status === 0]);
      if (status === 0) expect(ran.text).toContain(`--refresh=${later[0] === failed}\n`);
      expect(ran.text.includes(`::error::dev has ${head}, which is later than this run's ${sha};`)).toBe(status === 1);
    }
  },

  async "deploy.yml dev: outputs"(script) {
    const before = await deployed();
    const { status, text, outputs, summary: shown } = await run(script, onStack());
    expect(status, text).toBe(0);
    expect(outputs).toEqual({ image: before.imageRef, url: before.graviton.url });
    expect(JSON.parse(/^```json\n(.*)\n```\n$/s.exec(shown)?.[1] ?? "")).toEqual(before);
    // A fleet has one address.
    const fleet = JSON.stringify({ imageRef: "i@sha256:1", url: "http://one", graviton: { group: "g" } });
    const programs = { pulumi: `echo '${fleet}'` };
    const found = await run(script, { ...onStack(), programs });
    expect(found.outputs).toEqual({ image: "i@sha256:1", url: "http://one" });
  },

  async "deploy.yml prod-preview: pulumi preview"(script) {
    await deployed();
    const preview = (stack = "local") =>
      run(script, { ...asPreviewer(), overrides: { STACK: stack, RUN_URL: "https://run" } });
    try {
      const same = await preview();
      expect(same.status, same.text).toBe(0);
      expect(same.summary).toMatch(
        /^<!-- preview of local -->\n### Preview of `local`\n[\s\S]*a month[\s\S]*unchanged/,
      );
      const none = await preview("prod");
      expect(none).toMatchObject({ status: 0, summary: "prod is not there yet: everything will be created.\n" });
      const failed = await configured({ port: '"22"' }, () => preview());
      expect(failed.status).not.toBe(0);
      expect(failed.summary).toContain("**failed** with exit status");
      expect(failed.summary).toContain('hono-app:port is "22"');
    } finally {
      for (const file of ["preview.txt", "cost.md"]) rmSync(join(cloud.project, file), { force: true });
    }
  },

  async "drift.yml dev: compare"(script) {
    await deployed();
    const programs = { git: 'echo "git $*"', npm: 'echo "npm $*"' };
    const compare = (stack = "local") => run(script, { ...asPreviewer(), overrides: { STACK: stack }, programs });
    const same = await compare();
    expect(same.status, same.text).toBe(0);
    expect(same.text).toMatch(/^git checkout --quiet --detach [0-9a-f]{40}\nnpm ci /);
    // A stack that is not there, one that never had anything, and one that has nothing any more.
    const isEmpty = async () =>
      expect(await compare("drift")).toMatchObject({ status: 0, text: "nothing is deployed\n" });
    await isEmpty();
    await shell("pulumi stack init drift");
    try {
      await isEmpty();
      await shell("pulumi destroy --stack drift --yes");
      expect((await shell("pulumi stack history --stack drift --json")).output).toContain('"kind": "destroy"');
      await isEmpty();
    } finally {
      await shell("pulumi stack rm drift --yes");
    }
    // Updates that failed, and refreshes, which any checkout may have made.
    const history = historyOf(["refresh", "succeeded", "a"], ["update", "failed", "b"], ["update", "succeeded", "c"]);
    const pulumi = `case "$2" in ls) echo '[{"name": "local"}]' ;; history) echo '${history}' ;; esac`;
    const { text } = await run(script, {
      ...onStack(),
      overrides: { STACK: "local" },
      programs: { ...programs, pulumi },
    });
    expect(text).toMatch(/^git checkout --quiet --detach c\n/);
    // What somebody else has changed.
    const { graviton } = await deployed();
    const rename = (Value: string) => ec2.createTags({ Resources: [graviton.id], Tags: [{ Key: "Name", Value }] });
    await rename("other");
    const drifted = await compare().finally(() => rename("hono-app-graviton"));
    expect(drifted.status, drifted.text).not.toBe(0);
    expect(drifted.text).toContain("~ aws:ec2/instance:Instance: (update)");
    expect(drifted.text).toMatch(/^error: no changes were expected .*but/m);
  },

  async "deploy.yml dev: attach SBOMs"(script) {
    const { imageRef } = await deployed();
    const contexts = { ...settings, steps: { outputs: { outputs: { image: imageRef } } } };
    const config = newFolder();
    const attach = (overrides: Record<string, string> = {}) =>
      run(script, {
        ...onStack(),
        contexts,
        overrides: { STACK: "local", DOCKER_CONFIG: config, ...overrides },
        programs: { node: 'echo "node $*"', aws: `exec ${aws} "$@"` },
      });
    const attached = await attach();
    expect(attached).toMatchObject({ status: 0, text: expect.stringContaining(`node cli/sbom.ts ${imageRef}\n`) });
    expect(attached.text).toContain("Login Succeeded");
    // A login that fails ends the step, though it is not the last of its pipeline.
    const denied = await attach({ AWS_ENDPOINT_URL: "http://127.0.0.1:9", AWS_MAX_ATTEMPTS: "1" });
    expect(denied.text).not.toContain("sbom.ts");
    expect(denied.status).not.toBe(0);
  },

  async "destroy.yml destroy: compare"(script) {
    const compare = (stack: string, confirmation: string) =>
      run(script, { contexts: { inputs: { stack, confirmation } } });
    for (const stack of ["dev", "prod"]) expect((await compare(stack, stack)).status).toBe(0);
    for (const other of ["dev", "", "Prod", "prod ", '" = "" -o "prod']) {
      const { status, text } = await compare("prod", other);
      expect([status, text]).toEqual([
        1,
        expect.stringContaining("the stack is prod, and another name was typed; nothing was destroyed"),
      ]);
    }
    expect(job("destroy.yml", "destroy").steps?.[0]?.name).toBe("compare");
  },

  async "destroy.yml destroy: pulumi destroy"(script) {
    await deployed();
    const { status, text } = await run(script, onStack());
    expect(status, text).toBe(0);
    expect(Object.keys(summary(text))).toEqual(["deleted"]);
    await expectFirstProcess(script);
    // The next npm run local has nothing to recover.
    expect(state().resources).toEqual([]);
    expect(await succeed("up")).not.toContain("was interrupted or failed");
  },

  async "pull-request.yml preview: pulumi preview"() {
    await previewed();
  },

  "pull-request.yml preview: the preview's own exit status": (script) => endsAs(script, "preview"),

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
    const contexts = { github: { event: { pull_request: { number: 7 } } } };
    expect(await run(script, { contexts, cwd })).toMatchObject({ status: 0 });
    expect(readFileSync(join(cwd, "Pulumi.pr-7.yaml"))).toEqual(readFileSync("Pulumi.review.yaml"));
  },

  async "review.yml deploy: pulumi stack"() {
    await deployed();
    await reviewed();
    // A deployment that was cancelled has left its lock.
    const lock = lockReview();
    await reviewStep("pulumi stack");
    expect(existsSync(lock)).toBe(false);
  },

  "review.yml deploy: pulumi up": (script) => expectFirstProcess(script),

  async "review.yml deploy: what the comment shows"() {
    const before = await deployed();
    const failed = await reviewing('  port: "22"\n');
    expect(Number(failed.status)).toBeGreaterThan(0);
    expect(failed.outputs).toBe(false);
    const { outputs } = await reviewed();
    expect(outputs.verifiedArchitectures).toEqual({ graviton: "arm64", intel: "amd64" });
    expect(outputs.repositoryUrl).toMatch(/hono-app-pr-7$/);
    // Side by side: the first stack is as it was, and each has its own machines.
    for (const { graviton, intel } of [before, outputs]) {
      for (const { url, id } of [graviton, intel]) expect(await answering(url)).toBe(id);
    }
  },

  "review.yml deploy: the deployment's own exit status": (script) => endsAs(script, "report"),

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
      run(script, {
        ...onStack(),
        contexts: { ...settings, vars: { ...(settings.vars as object), ...vars } },
      });
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
        contexts: { ...settings, matrix: { stack: "pr-7" } },
        overrides: { GITHUB_EVENT_NAME: event },
        runner: runner(),
        cwd: cloud.project,
      });
    // At night one stays that was updated since the list was made.
    const stays = await destroy("schedule");
    expect(stays).toMatchObject({ status: 0, text: "pr-7 was updated meanwhile\n", outputs: { stays: "true" } });
    // A deployment that was cancelled has left its lock.
    lockReview();
    expect((await shell("pulumi refresh --stack pr-7 --yes")).output).toContain("currently locked");
    const { status, text } = await destroy();
    review = undefined;
    expect(status, text).toBe(0);
    expect(Object.keys(summary(text))).toEqual(["deleted"]);
    // Nothing of it is left, and the other stack is as it was.
    await expect(answering(outputs.graviton.url)).rejects.toThrow();
    expect((await askRegistry("/v2/hono-app-pr-7/tags/list")).status).toBe(404);
    await expectConsistent();
    for (const { url, id } of [before.graviton, before.intel]) expect(await answering(url)).toBe(id);
    expect(await destroy()).toMatchObject({ status: 0, text: "there is no stack pr-7\n" });
  },

  async "review.yml destroy: the comment says so"(script) {
    const [other, of7] = ["<!-- review of pr-17 -->\n", "<!-- review of pr-7 -->\n| graviton | http://192.0.2.1 |"];
    const say = (...there: string[]) => commenting(script, { there, matrix: { stack: "pr-7" } });
    const { text, comments } = await say(other, of7);
    expect(text).toBe("comment updated\n");
    expect(comments[0]).toBe(other);
    expect(comments[1]).toMatch(/^<!-- review of pr-7 -->\n[^|]*Destroyed · \[the run\]\(https:\S+runs\/5\)[^|]*$/);
    expect(await say(other)).toEqual({ text: "comment not there\n", comments: [other] });
  },

  async "pull-request.yml fork: say why"(script) {
    const { status, text, summary } = await run(script, {});
    expect([status, summary]).toEqual([0, text]);
    expect(text).toContain("A pull request from a fork is given no secrets");
  },

  async "test.yml test: npm test"(script) {
    accessSync(".ci/run", constants.X_OK);
    const cwd = newFolder();
    mkdirSync(join(cwd, ".ci"));
    for (const status of [0, 3]) {
      writeFileSync(join(cwd, ".ci", "run"), `#!/bin/sh\necho "$GOTOOLCHAIN"\nexit ${status}\n`, { mode: 0o755 });
      // These tests run as root, and their host may have no sudo.
      const names = `$(echo "\${1#--preserve-env=}" | tr , "|")`;
      const programs = { sudo: `kept=$(env | grep -E "^(${names})="); shift; exec env -i $kept "$@"` };
      expect(await run(script, { runner: { GOTOOLCHAIN: "kept" }, cwd, programs })).toMatchObject({
        status,
        text: "kept\n",
      });
    }
  },

  async "release.yml build: the image's name"(script) {
    expect((await release()).image).toBe(`${registry}/owner/hono-app`);
    const { outputs } = await run(script, { runner: repository });
    expect(outputs).toEqual({ image: "ghcr.io/owner/hono-app" });
  },

  async "release.yml build: run it"(script) {
    const stack = await deployed();
    const { image, digests } = await release();
    // The runner of that architecture is an instance's engine here.
    const runIt = async (machine: (typeof machineNames)[number], platform: string) => {
      const { machine: uname, platform: own } = architectures[machine];
      const runner = matrix.find((each) => each.platform === own);
      const host = `unix://${cloud.run}/${stack[machine].id}/docker.sock`;
      const containers = () => shell(`docker --host ${host} ps --all --quiet`);
      const before = await containers();
      const ran = await run(script, {
        contexts: {
          matrix: runner,
          steps: { name: { outputs: { image } }, build: { outputs: { digest: digests.get(platform) } } },
        },
        runner: { ...cloud.env, DOCKER_HOST: host },
        programs: { uname: `[ "$*" = -m ] && echo ${uname}` },
      });
      expect(await containers()).toEqual(before);
      await shell(`docker --host ${host} image rm ${image}@${digests.get(platform)}`);
      return ran;
    };
    for (const machine of machineNames) {
      const ran = await runIt(machine, architectures[machine].platform);
      expect(ran.status, ran.text).toBe(0);
      expect(ran.text).not.toContain('"message":"listening"');
    }
    // The other architecture's image runs, emulated, and is refused; its output is shown.
    const wrong = await runIt("intel", architectures.graviton.platform);
    expect(wrong.status).not.toBe(0);
    expect(wrong.text).toContain('"message":"listening"');
  },

  async "release.yml build: note the digest"(script) {
    const cwd = newFolder();
    const contexts = { steps: { build: { outputs: { digest: "sha256:abc" } } } };
    expect((await run(script, { contexts, cwd })).status).toBe(0);
    expect(existsSync(join(cwd, "digests", "abc"))).toBe(true);
  },

  async "release.yml merge: tag what was built"(script) {
    const { imageRef } = await deployed();
    const { digests } = await release();
    const tag = async (
      sha: string,
      newest: string,
      {
        built = digests.values() as Iterable<string>,
        hub = "",
        status = 200,
        version = "",
        cwd = downloaded(built),
      } = {},
    ) => {
      const GITHUB_API_URL = await serving(({ url = "", headers }) => {
        if (headers.authorization !== "Bearer job-token") return { status: 401, body: "" };
        if (url === "/repos/Owner/Hono-App/commits/main" && headers.accept === "application/vnd.github.sha") {
          return { status, body: newest };
        }
        // As https://docs.github.com/en/rest/commits/commits#compare-two-commits does.
        const [, compared] = /^\/repos\/Owner\/Hono-App\/compare\/main\.\.\.(\w+)$/.exec(url) ?? [];
        if (compared) {
          const place = compared === "aside" ? "diverged" : compared === newest ? "identical" : "behind";
          return { body: JSON.stringify({ url, status: place, files: [{ status: "added" }] }) };
        }
        // As https://docs.github.com/en/rest/git/refs#list-matching-references answers.
        const [, prefix = "-"] = /^\/repos\/Owner\/Hono-App\/git\/matching-refs\/(.*)$/.exec(url) ?? [];
        const versions = ["v1.0.0", "v1.0.9", "v1.0.10", "v1.2.0", "v1.3.0-rc.1", "v10.0.0"];
        const refs = versions.map((name) => `refs/tags/${name}`).filter((ref) => ref.startsWith(`refs/${prefix}`));
        const git = "https://api.github.com/repos/Owner/Hono-App/git";
        return { body: JSON.stringify(refs.map((ref) => ({ ref, url: `${git}/${ref}` }))) };
      });
      const GITHUB = { GITHUB_API_URL, GITHUB_SHA: sha, GITHUB_REF_TYPE: version ? "tag" : "branch" };
      return run(script, {
        contexts: { github: { token: "job-token" }, vars: { DOCKERHUB_IMAGE: hub } },
        runner: { ...runner(), ...GITHUB, GITHUB_REF_NAME: version || "main" },
        overrides: { REGISTRY: registry },
        cwd,
      });
    };
    const [half = ""] = digests.values();
    expect((await tag("half", "half", { built: [half] })).status).toBe(1);
    expect((await tag("unknown", "", { status: 403 })).status).not.toBe(0);
    expect(await tagsOf("owner/hono-app")).toEqual([]);

    const older = await tag("older", "newer");
    expect(older).toMatchObject({
      status: 0,
      text: expect.stringContaining("::notice::main is at newer: latest does not move"),
    });
    expect(await tagsOf("owner/hono-app")).toEqual(["older"]);

    const cwd = downloaded(digests.values());
    const newest = await tag("newer", "newer", { hub: `${registry}/you/app`, cwd });
    expect(newest.status, newest.text).toBe(0);
    expect(await tagsOf("owner/hono-app")).toEqual(["latest", "newer", "older"]);
    expect(await tagsOf("you/app")).toEqual(["latest", "newer"]);
    const [amd64, arm64] = ["linux/amd64", "linux/arm64"].map((platform) => digests.get(platform));
    expect(newest.outputs).toEqual({ digest: expect.stringMatching(/^sha256:/), amd64, arm64 });
    // As sha256sum writes it, which actions/attest reads: the index and each platform's image.
    expect(readFileSync(join(cwd, "checksums"), "utf8").split("\n").sort()).toEqual(
      ["", ...Object.values(newest.outputs).map((each) => `${each.slice(7)}  ${registry}/owner/hono-app`)].sort(),
    );
    for (const name of ["owner/hono-app", "you/app"]) {
      for (const tag of ["newer", "latest"]) {
        const response = await get(`${name}/manifests/${tag}`);
        expect(response.headers.get("docker-content-digest")).toBe(newest.outputs.digest);
        const index = (await response.json()) as { manifests: Descriptor[]; annotations: Record<string, string> };
        // Exactly the stack's own: the same bytes, and nothing but the two platforms.
        const shown = ({ digest, platform }: Descriptor) => `${platform?.os}/${platform?.architecture} ${digest}`;
        expect(index.manifests.map(shown).sort()).toEqual(
          ((await manifest(imageRef)).manifests ?? []).map(shown).sort(),
        );
        expect(index.annotations).toEqual({
          "org.opencontainers.image.source": "https://github.com/Owner/Hono-App",
          "org.opencontainers.image.description": "A Hono app on Bun that says which architecture it runs on",
          "org.opencontainers.image.licenses": readFileSync("LICENSE", "utf8").split(" ")[0],
        });
        for (const { digest } of index.manifests) expect((await get(`${name}/manifests/${digest}`)).status).toBe(200);
      }
    }
    for (const platform of ["linux/amd64", "linux/arm64"]) expect(newest.summary).toContain(platform);

    // A git tag: its version, and the shorter ones that nothing later has.
    const released = async (version: string) => {
      const before = await tagsOf("owner/hono-app");
      const { status, text } = await tag("older", "newer", { version });
      expect(status, text).toBe(0);
      return (await tagsOf("owner/hono-app")).filter((each) => !before.includes(each));
    };
    expect(await released("v1.0.9")).toEqual(["1.0.9"]);
    expect(await released("v1.0.10")).toEqual(["1.0", "1.0.10"]);
    expect(await released("v1.2.0")).toEqual(["1", "1.2", "1.2.0"]);
    expect(await released("v1.3.0-rc.1")).toEqual(["1.3.0-rc.1"]);
    const aside = await tag("aside", "newer", { version: "v1.0.9" });
    expect(aside).toMatchObject({
      status: 1,
      text: expect.stringContaining("::error::aside is not on main; allowed:"),
    });
    // A tag on main's newest commit moves no latest: nothing was proven for it.
    const tagged = await tag("newer", "newer", { version: "v1.0.9", hub: `${registry}/you/tagged` });
    expect(tagged.status, tagged.text).toBe(0);
    expect(await tagsOf("you/tagged")).toEqual(["1.0.9"]);
  },

  async "release.yml sbom: attach"(script) {
    const attach = (hub: string, FAILING = "") =>
      run(script, {
        contexts: { vars: { DOCKERHUB_IMAGE: hub }, needs: { merge: { outputs: { digest: "sha256:abc" } } } },
        runner: repository,
        overrides: { FAILING },
        programs: { npm },
      });
    const image = "ghcr.io/owner/hono-app";
    const github = `npm run sbom -- ${image}@sha256:abc\n`;
    const written = `npm run sbom -- --output bills ${image}@sha256:abc\n`;
    expect(await attach("")).toMatchObject({ status: 0, text: github + written, outputs: { image } });
    const hub = "npm run sbom -- docker.io/you/app@sha256:abc\n";
    expect(await attach("docker.io/you/app")).toMatchObject({ status: 0, text: github + hub + written });
    // The first one's failure is not hidden by the second.
    expect(await attach("docker.io/you/app", `${image}@sha256:abc`)).toMatchObject({ status: 1, text: github });
  },
};

/** What `pulumi stack history --json` prints, the newest first. */
function historyOf(...entries: (readonly [kind: string, result: string, commit: string])[]): string {
  return JSON.stringify(entries.map(([kind, result, head]) => ({ kind, result, environment: { "git.head": head } })));
}

/** The script ends with the status that another step has kept. */
async function endsAs(name: string, step: string): Promise<void> {
  for (const status of ["0", "255"]) {
    const ran = await run(name, { contexts: { steps: { [step]: { outputs: { status } } } } });
    expect(ran.status).toBe(Number(status));
  }
}

/** The text of the comment that a workflow's job "comment" makes of the files that it downloads. */
async function commented(workflow: string, files: Record<string, string>, needs: object): Promise<string> {
  const { text, comments } = await commenting(`${workflow} comment: one comment, updated`, { files, needs });
  expect(text).toBe("comment created\n");
  return comments[0] ?? "";
}

/** Runs a script that comments in a checkout with no packages. On GitHub, pull request 7 has the comments `there`. */
async function commenting(
  name: string,
  { files = {}, there = [], ...contexts }: { files?: Record<string, string>; there?: readonly string[] } & Contexts,
): Promise<{ text: string; comments: string[] }> {
  const cwd = newFolder();
  checkOut(cwd);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, file)), { recursive: true });
    writeFileSync(join(cwd, file), text);
  }
  const { url: GITHUB_API_URL, comments } = await github(there.map((body, id) => ofBot(body, id)));
  const event = { pull_request: { number: 7, head: { sha: "abc" } } };
  const repository = { repository: "Owner/Hono-App", server_url: "https://github.com" };
  const { status, text } = await run(name, {
    contexts: { github: { token: "job-token", ...repository, run_id: 5, event }, ...contexts },
    runner: { ...runner(), GITHUB_API_URL },
    cwd,
  });
  expect(status, text).toBe(0);
  return { text, comments: comments.map(({ body }) => body) };
}

const onReview: Run = {
  contexts: { ...settings, github: { event: { pull_request: { number: 7 } } } },
  runner: runner(),
  cwd: cloud.project,
};

/** Runs a step of the job that deploys the review environment of pull request 7. */
async function reviewStep(name: string, contexts: Contexts = {}) {
  const ran = await run(`review.yml deploy: ${name}`, { ...onReview, contexts: { ...onReview.contexts, ...contexts } });
  expect(ran.status, ran.text).toBe(0);
  return ran;
}

/** Leaves a lock on its stack, as a deployment does that was cancelled. @returns The lock's file. */
function lockReview(): string {
  const locks = join(cloud.dir, "state", ".pulumi", "locks", "organization", "hono-app", "pr-7");
  mkdirSync(locks, { recursive: true });
  const lock = { pid: 1, username: "runner", hostname: "gone", timestamp: new Date().toISOString() };
  const file = join(locks, "00000000-0000-4000-8000-000000000000.json");
  writeFileSync(file, JSON.stringify(lock));
  return file;
}

/** Pulumi is the step's first process, which is all that a cancelled run tells: a shell would be between it and this test. */
async function expectFirstProcess(name: string): Promise<void> {
  const pulumi = '[ "$2" = history ] && echo "[]" || echo "$1 $PPID"';
  const { text } = await run(name, { contexts: settings, programs: { pulumi }, cwd: cloud.project });
  expect(text.trim().split("\n").at(-1)).toBe(`${name.split(" ").at(-1)} ${process.pid}`);
}

/** Brings up the review environment of pull request 7 beside the tests' own stack, by the script. */
async function reviewing(more = ""): Promise<{ status: string; outputs: Outputs; cost: string }> {
  const folder = join(cloud.project, "review");
  // The local cloud's builder, and the app's name that its policies are for.
  const config = readFileSync("Pulumi.review.yaml", "utf8").replaceAll("hono-app-review", "hono-app");
  writeFileSync(join(cloud.project, "Pulumi.pr-7.yaml"), `${config}  builder: local-cloud\n${more}`);
  try {
    await reviewStep("pulumi stack");
    const { status } = await run("review.yml deploy: pulumi up", onReview);
    const ran = await reviewStep("what the comment shows", {
      steps: { up: { outcome: status ? "failure" : "success" } },
    });
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
      const { status, outputs, text } = await run("pull-request.yml preview: pulumi preview", asPreviewer());
      expect(status, text).toBe(0);
      const [shown = "", cost = ""] = ["preview.txt", "cost.md"].map((name) =>
        readFileSync(join(folder, name), "utf8"),
      );
      expect(text).toContain(shown);
      return { text: shown, cost, outputs };
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
  expect(bad.text).toContain('- hono-app:port is "22"');
  return good;
}
/** The same, once. */
let preview: ReturnType<typeof previewing> | undefined;
const previewed = () => (preview ??= previewing());

// Jobs share steps, as prod does dev's: each is run once.
const own = scripts.filter(({ step }, index) => scripts.findIndex((other) => other.step === step) === index);
test("prod is deployed by the same steps as dev", () => {
  expect(job("deploy.yml", "prod").steps).toEqual(job("deploy.yml", "dev").steps);
});
test.each(own.map(({ name, workflow, step }) => [name, workflow, step] as const))(
  "the script %s",
  async (name, workflow, step) => {
    // With bash named, a failure in a pipeline is one.
    expect(step.shell ?? workflow.defaults?.run.shell).toBe("bash");
    const executes = cases[name];
    if (executes === undefined) throw new Error(`no test executes the script ${name}`);
    await executes(name);
  },
  300_000,
);
test("every case is of a script", () => {
  expect(Object.keys(cases).sort()).toEqual(own.map(({ name }) => name).sort());
});

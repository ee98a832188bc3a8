import { accessSync, constants, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { environmentOf, fill, inputsOf, run, steps } from "../github.ts";
import { writeProgram } from "../process.ts";
import { cloud } from "../stack.ts";
import { type Cases, newFolder, runner, serving } from "./runner.ts";

export const cases: Cases = {
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
        const inputs = inputsOf(name, { ...contexts, vars, secrets: { ...given.secrets, ...change.secrets } });
        const STACK = change.STACK ?? fill(job.env?.STACK, contexts);
        const { PULUMI_BACKEND_URL } = vars;
        return run(script, { contexts: { inputs }, runner: { STACK, PULUMI_BACKEND_URL }, cwd });
      };
      const secrets = { PULUMI_CONFIG_PASSPHRASE: "" };
      for (const change of [{}, { secrets, vars: { PULUMI_BACKEND_URL: "" } }, { secrets, STACK: "kms" }]) {
        expect(await check(change)).toMatchObject({ status: 0, text: "" });
      }
      // An environment that GitHub has just created sees the repository's variables, or those of another environment.
      for (const [change, reason] of [
        [{ vars: { ENVIRONMENT: "" } }, `the variable ENVIRONMENT is ""; allowed: ${environment}, `],
        [{ vars: { ENVIRONMENT: "staging" } }, 'the variable ENVIRONMENT is "staging"'],
        [{ vars: { AWS_ROLE_ARN: "" } }, "the variable AWS_ROLE_ARN is empty"],
        [{ secrets }, "the state is in s3://state, and the secret PULUMI_CONFIG_PASSPHRASE is empty"],
      ] as const) {
        const { status, text } = await check(change);
        expect(text).toContain(`::error title=Environment ${environment}::${reason}`);
        expect([status, text.includes("Nothing was done.")]).toEqual([1, true]);
      }
    }
  },

  async "set-up: npm packages"(script) {
    const cwd = newFolder();
    for (const file of ["package.json", "package-lock.json"]) cpSync(file, join(cwd, file));
    // test/e2e/docs.test.ts installs them; here npm compares the lock file with package.json and stops.
    const packages = () => run(script, { runner: { ...runner, npm_config_dry_run: "true" }, cwd });
    expect(await packages()).toMatchObject({ status: 0 });
    const edited = readFileSync(join(cwd, "package.json"), "utf8").replace('"hono": "', '"hono": "0.');
    writeFileSync(join(cwd, "package.json"), edited);
    expect(await packages()).toMatchObject({ status: 1, text: expect.stringContaining("hono@0.") });
  },

  async "set-up: the stack's settings"(script) {
    const settings = (STACK: string) => run(script, { runner: { ...runner, STACK }, cwd: cloud.project });
    expect((await settings("dev")).outputs).toEqual({
      region: "ap-northeast-2",
      builder: "multiplatform",
      secretsprovider: "default",
    });
    expect(await settings("none")).toMatchObject({ status: 1, outputs: {} });
    const other = join(cloud.project, "Pulumi.other.yaml");
    writeFileSync(other, "config:\n  aws:region: eu-west-1\n  builder: own\nsecretsprovider: awskms://alias/state\n");
    onTestFinished(() => rmSync(other));
    expect((await settings("other")).outputs).toEqual({
      region: "eu-west-1",
      builder: "own",
      secretsprovider: "awskms://alias/state",
    });
    const contexts = { steps: { stack: { outputs: { region: "x", builder: "y" } } } };
    expect(inputsOf("set-up: aws-actions/configure-aws-credentials", contexts)).toMatchObject({ "aws-region": "x" });
    expect(inputsOf("set-up: docker/setup-buildx-action", contexts)).toMatchObject({ name: "y" });
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
      return run(script, { runner: { ...runner, ...request } });
    };
    expect(await subject("request-token")).toMatchObject({
      status: 0,
      text: `The role has to trust the subject ${sub}\n`,
    });
    expect((await subject("wrong")).status).not.toBe(0);
  },

  async "test.yml test: npm test"(script) {
    accessSync(".ci/run", constants.X_OK);
    const cwd = newFolder();
    for (const status of [0, 3]) {
      writeProgram(join(cwd, ".ci", "run"), `echo "$GOTOOLCHAIN"\nexit ${status}`);
      // These tests run as root, and their host may have no sudo.
      const names = `$(echo "\${1#--preserve-env=}" | tr , "|")`;
      const programs = { sudo: `kept=$(env | grep -E "^(${names})="); shift; exec env -i $kept "$@"` };
      expect(await run(script, { runner: { GOTOOLCHAIN: "kept" }, cwd, programs })).toMatchObject({
        status,
        text: "kept\n",
      });
    }
  },
};

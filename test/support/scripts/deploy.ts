import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { checkOut } from "../../../tools/clone.ts";
import { toolsFolder } from "../../../tools/go.ts";
import { projectName } from "../../../tools/project.ts";
import { ensureVenv } from "../../../tools/python.ts";
import { job, run } from "../github.ts";
import { cloud, configured, deployed, ec2, edited, outputs, refused, shell, successful, summary } from "../stack.ts";
import { asPreviewer, type Cases, expectFirstProcess, newFolder, onStack, runner, settings } from "./runner.ts";

/** What `pulumi stack history --json` prints, the newest first. */
function historyOf(...entries: (readonly [kind: string, result: string, commit: string])[]): string {
  return JSON.stringify(entries.map(([kind, result, head]) => ({ kind, result, environment: { "git.head": head } })));
}

export const cases: Cases = {
  async "deploy.yml dev: pulumi up"(script) {
    const before = await deployed();
    const up = (more: object = {}) => run(script, { ...onStack, ...more });
    // As in a check-out of a stack that the workflow created: only its state says what encrypts its secrets.
    await edited("Pulumi.local.yaml", [/^(?:secretsprovider|encryptedkey): .*\n/gm, ""], async () => {
      const { text } = await successful(up());
      expect(Object.keys(summary(text))).toEqual(["unchanged"]);
    });
    const wrong = { ...settings, secrets: { PULUMI_CONFIG_PASSPHRASE: "wrong" } };
    // A stack that the workflow makes has the key of its file, or the secret passphrase. What `pulumi up` does then is not asked here.
    const file = join(cloud.project, "Pulumi.made.yaml");
    const overrides = { STACK: "made" };
    const programs = { pulumi: `[ "$1" = up ] || exec ${join(toolsFolder, "pulumi")} "$@"` };
    const local = readFileSync("Pulumi.local.yaml", "utf8");
    for (const [text, check] of [
      [local, () => expect(readFileSync(file, "utf8")).toBe(local)],
      [
        "config: {}\n",
        async () => expect((await up({ overrides, contexts: wrong })).text).toContain("incorrect passphrase"),
      ],
    ] as const) {
      writeFileSync(file, text);
      try {
        const { outputs } = await run("set-up: the stack's settings", { ...onStack, overrides });
        const contexts = { ...settings, steps: { "set-up": { outputs } } };
        await successful(up({ overrides, programs, contexts }));
        await check();
      } finally {
        await shell("pulumi stack rm made --yes");
      }
    }
    const port = `- ${projectName}:port is "22"; allowed: a whole number from 1 to 65535, but not 22 (no SSH here)`;
    await configured({ port: '"22"' }, async () => expect(await refused(up(), port)).not.toContain("Program exited"));
    expect(outputs()).toEqual(before);
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
      const ran = await run(script, { runner: { ...runner, GITHUB_SHA: sha }, programs, cwd });
      expect([ran.status, ran.text.includes("pulumi up")], ran.text).toEqual([status, status === 0]);
      if (status === 0) expect(ran.text).toContain(`--refresh=${later[0] === failed}\n`);
      expect(ran.text.includes(`::error::dev has ${head}, which is later than this run's ${sha};`)).toBe(status === 1);
    }
  },

  async "deploy.yml dev: outputs"(script) {
    const before = await deployed();
    const { outputs, summary: shown } = await successful(run(script, onStack));
    expect(outputs).toEqual({ image: before.imageRef, url: before.graviton.url });
    expect(JSON.parse(/^```json\n(.*)\n```\n$/s.exec(shown)?.[1] ?? "")).toEqual(before);
    // A fleet has one address.
    const fleet = JSON.stringify({ imageRef: "i@sha256:1", url: "http://one", graviton: { group: "g" } });
    const programs = { pulumi: `echo '${fleet}'` };
    const found = await run(script, { ...onStack, programs });
    expect(found.outputs).toEqual({ image: "i@sha256:1", url: "http://one" });
  },

  async "deploy.yml prod-preview: pulumi preview"(script) {
    await deployed();
    const preview = (stack = "local") =>
      run(script, { ...asPreviewer, overrides: { STACK: stack, RUN_URL: "https://run" } });
    onTestFinished(() => {
      for (const file of ["preview.txt", "cost.md"]) rmSync(join(cloud.project, file), { force: true });
    });
    const same = await successful(preview());
    expect(same.summary).toMatch(/^<!-- preview of local -->\n### Preview of `local`\n[\s\S]*a month[\s\S]*unchanged/);
    const none = await preview("prod");
    expect(none).toMatchObject({ status: 0, summary: "prod is not there yet: everything will be created.\n" });
    const failed = await configured({ port: '"22"' }, () => preview());
    expect(failed.status).not.toBe(0);
    expect(failed.summary).toContain("**failed** with exit status");
    expect(failed.summary).toContain(':port is "22"');
  },

  async "drift.yml dev: compare"(script) {
    await deployed();
    const programs = { git: 'echo "git $*"', npm: 'echo "npm $*"' };
    const compare = (stack = "local") => run(script, { ...asPreviewer, overrides: { STACK: stack }, programs });
    const same = await successful(compare());
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
    const after = (history: string, programs: Record<string, string>) => {
      const pulumi = `case "$2" in ls) echo '[{"name": "local"}]' ;; history) echo '${history}' ;; *) echo compared ;; esac`;
      return run(script, { ...onStack, programs: { ...programs, pulumi } });
    };
    expect((await after(history, programs)).text).toMatch(/^git checkout --quiet --detach c\n.*compared\n$/s);
    // Deployed from where there was no repository, or from a commit that nobody has pushed.
    for (const commit of ["", "c0ffee"]) {
      const { status, text } = await after(historyOf(["update", "succeeded", commit]), {});
      expect([status, text.includes("compared\n")]).toEqual([1, false]);
      expect(text).toContain(`::error::the commit that local was deployed from is ${commit || "unknown"};`);
    }
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
    const aws = join(await ensureVenv("awscli"), "aws");
    const attach = (overrides: Record<string, string> = {}) =>
      run(script, {
        ...onStack,
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

  // What it deletes: test/e2e/fleet.test.ts.
  "destroy.yml destroy: pulumi destroy": (script) => expectFirstProcess(script),
};

// What the tests of .github's scripts have in common: a runner in the local cloud, and what GitHub gives it.

import type { IncomingMessage } from "node:http";
import { expect, onTestFinished } from "vitest";
import { keysOf } from "../../../local/identity.ts";
import { type Contexts, type Run, run } from "../github.ts";
import { listening, temporaryFolder } from "../process.ts";
import { cloud } from "../stack.ts";

export const newFolder = () => temporaryFolder(onTestFinished);

/** For each script: runs it with what GitHub would give it, to each way in which it can end. */
export type Cases = Record<string, (script: string) => Promise<void>>;

export const repository = {
  GITHUB_REPOSITORY: "Owner/Hono-App",
  GITHUB_SERVER_URL: "https://github.com",
  GITHUB_SHA: "c0ffee",
};

const { PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE, ...rest } = cloud.env;
/** A runner after the set-up: logged in to the local cloud for the stack's region. The backend comes from the workflow. */
export const runner: Record<string, string> = { ...rest, ...repository };
export const settings: Contexts = { vars: { PULUMI_BACKEND_URL }, secrets: { PULUMI_CONFIG_PASSPHRASE } };
/** In the tests' clone, on the stack that is deployed there. */
export const onStack: Run = { contexts: settings, runner, overrides: { STACK: "local" }, cwd: cloud.project };
/** The same as the user whose role only reads. */
export const asPreviewer: Run = { ...onStack, runner: { ...runner, ...keysOf(cloud.dir, "previewer") } };

/** Runs an HTTP server until the test ends. @returns Its URL. */
export async function serving(answer: (request: IncomingMessage) => { status?: number; body: string }) {
  const host = await listening((request, response) => {
    const { status = 200, body } = answer(request);
    response.writeHead(status).end(body);
  });
  return `http://${host}`;
}

/** Pulumi is the step's first process, which is all that a cancelled run tells: a shell would be between it and this test. */
export async function expectFirstProcess(name: string): Promise<void> {
  const pulumi = '[ "$2" = history ] && echo "[]" || echo "$1 $PPID"';
  const { text } = await run(name, { ...onStack, programs: { pulumi } });
  expect(text.trim().split("\n").at(-1)).toBe(`${name.split(" ").at(-1)} ${process.pid}`);
}

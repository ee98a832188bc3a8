import { expect, test } from "vitest";
import { job, scripts } from "../support/github.ts";
import { cases as deploy } from "../support/scripts/deploy.ts";
import { cases as pullRequests } from "../support/scripts/pull-requests.ts";
import { cases as release } from "../support/scripts/release.ts";
import { cases as setUp } from "../support/scripts/set-up.ts";

// Every script of .github, run against the local cloud with what GitHub would give it.
const cases = { ...setUp, ...deploy, ...pullRequests, ...release };

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

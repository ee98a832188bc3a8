import { join } from "node:path";
import { expect, test } from "vitest";
import type { Resource as Definition } from "../../local/providers/aws/provider.ts";
import { resources } from "../../local/providers/aws/rows.ts";
import type { StateResource } from "../../local/stack.ts";
import { root } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { ensureVenv } from "../../tools/python.ts";
import { temporaryFolder, write } from "../support/process.ts";
import { cloud } from "../support/stack.ts";
import { lintHistory } from "../support/templates.ts";

// With --update it writes the file: CONTRIBUTING.md, cfn-lint.
test("the local cloud has cfn-lint's schema of every type", async () => {
  const definitions: Definition[] = Object.values(resources);
  const types = new Set(definitions.map(({ cloudFormation }) => cloudFormation.type));
  const script = join(root, "local", "providers", "aws", "schemas.py");
  const python = join(await ensureVenv("cfn-lint"), "python");
  const made = await run([python, script, cloud.env.AWS_REGION as string, ...types]);
  await expect(made).toMatchFileSnapshot(join(root, "local", "providers", "aws", "schemas.json"));
});

/** The state of a role in its component. */
const state = ({ effect = "Allow", version = "2012-10-17" } = {}): StateResource[] => {
  const Statement = [{ Effect: effect, Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } }];
  const inputs = { name: "app", assumeRolePolicy: JSON.stringify({ Version: version, Statement }), __defaults: [] };
  return [
    { type: "hono-app:index:InstanceRole", urn: "urn:pulumi:local::app::hono-app:index:InstanceRole::app" },
    { type: "aws:iam/role:Role", urn: "urn:pulumi:local::app::aws:iam/role:Role::app", inputs },
  ];
};

const folder = temporaryFolder();

test("cfn-lint checks every state that the engine kept of an update", async () => {
  const kept = (path: string, resources: StateResource[]) =>
    write(join(folder, "state", ".pulumi", path), JSON.stringify({ checkpoint: { latest: { resources } } }));
  expect(await lintHistory(folder)).toEqual([]);
  kept("stacks/app/local.json", state());
  await expect(lintHistory(folder)).rejects.toThrow("the engine has kept no state of an update");
  kept("backups/app/local/local.1.json", state());
  kept("backups/app/local/local.2.json", state({ effect: "Alow" }));
  kept("backups/app/local/local.3.json", state({ version: "2012" }));
  expect((await lintHistory(folder)).sort()).toEqual([
    expect.stringMatching(/^update-2.json: E3530 .*\/Statement\/0\/Effect: 'Alow' is not one of \['Allow', 'Deny'\]$/),
    expect.stringMatching(/^update-3.json: E3530 .*\/AssumeRolePolicyDocument\/Version: '2012' is not one of /),
  ]);
});

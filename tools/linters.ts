import { join } from "node:path";
import { ensureTool } from "./go.ts";
import { ensureVenv } from "./python.ts";
import { canMakeVenv, ensureSystem } from "./system.ts";

/** For the tests of .github: the linters (actionlint from its Go module, zizmor from PyPI), and the AWS CLI that GitHub's runners have. */
export async function ensureLinters(): Promise<{
  readonly actionlint: string;
  readonly zizmor: string;
  readonly aws: string;
}> {
  const actionlint = await ensureTool("actionlint");
  return {
    actionlint,
    zizmor: join(await ensurePython("zizmor"), "zizmor"),
    aws: join(await ensurePython("awscli"), "aws"),
  };
}

/** cfn-lint, with AWS's own schemas, for the tests. Its folder of programs. */
export function ensureCfnLint(): Promise<string> {
  return ensurePython("cfn-lint");
}

async function ensurePython(name: string): Promise<string> {
  if (!(await canMakeVenv())) await ensureSystem();
  return ensureVenv(name, `${name}, from PyPI`);
}

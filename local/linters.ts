import { join } from "node:path";
import { canMakeVenv, ensureSystem } from "./system.ts";
import { ensureTool } from "./tools/tools.ts";
import { ensureVenv } from "./venv.ts";

/** The linters of .github, for the tests: actionlint from its Go module, zizmor from PyPI. */
export async function ensureLinters(): Promise<{
  readonly actionlint: string;
  readonly zizmor: string;
}> {
  const actionlint = await ensureTool("actionlint");
  return { actionlint, zizmor: join(await ensurePython("zizmor"), "zizmor") };
}

/** cfn-lint, with AWS's own schemas, for the tests. Its folder of programs. */
export function ensureCfnLint(): Promise<string> {
  return ensurePython("cfn-lint");
}

async function ensurePython(name: string): Promise<string> {
  if (!(await canMakeVenv())) await ensureSystem();
  return ensureVenv(name, `${name}, from PyPI`);
}

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
  if (!(await canMakeVenv())) await ensureSystem();
  return {
    actionlint,
    zizmor: join(await ensureVenv("zizmor", "zizmor, from PyPI"), "zizmor"),
  };
}

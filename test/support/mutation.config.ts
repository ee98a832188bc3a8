import { statSync } from "node:fs";
import { basename } from "node:path";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { unit } from "../../vitest.config.ts";

/** The first failure ends the run of a change: the changed file's own tests begin, then those of all resources, then the small ones. */
class OwnFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const changed = basename(this.ctx.config.related?.[0] ?? "", ".ts");
    const rank = ({ moduleId }: TestSpecification) => {
      const early = [changed, "resources"].indexOf(basename(moduleId, ".test.ts"));
      return early < 0 ? statSync(moduleId).size : early;
    };
    return files.sort((a, b) => rank(a) - rank(b));
  }
}

/** For Stryker: the unit tests of what it mutates. */
export default defineConfig({
  test: {
    ...unit,
    // In Stryker's copy, which is removed: a test that a time-out ends leaves its folders.
    env: { TMPDIR: process.cwd() },
    include: ["test/unit/*.test.ts", "test/unit/components/**/*.test.ts", "test/unit/local/aws-*.test.ts"],
    // Stryker's copy of the project has no documents, and is no clone of git's.
    exclude: ["test/unit/docs.test.ts", "test/unit/components/architecture.test.ts"],
    hookTimeout: 60_000,
    // Stryker knows which tests reach a change. Vitest goes by imports, and does not see the one that cli/shared/program.ts makes at run time.
    forceRerunTriggers: ["**/*.ts"],
    // Setup files one by one, Stryker's own first; otherwise vitest loads both at the same time.
    sequence: { sequencer: OwnFirst, setupFiles: "list" },
    setupFiles: ["test/support/mutation.setup.ts"],
  },
});

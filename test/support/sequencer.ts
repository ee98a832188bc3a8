import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Whether every end-to-end test is run, and none left out. */
    whole: boolean;
  }
}

/** They take longest, so nothing waits for them at the end. Vitest, in a new clone, would begin with the largest files. */
const first = ["fleet", "scripts", "docs", "release"];
/** The first takes as long as the others together, which run in the other cloud meanwhile. The last compares the policies with what was asked in all. */
const last = ["lifecycle", "builders", "drift", "seeing", "security", "policies"];

/** Files in the order of their ranks. */
const rank = ({ project, moduleId }: TestSpecification) => {
  const name = project.name === "e2e" ? basename(moduleId, ".test.ts") : "";
  return first.includes(name) ? first.indexOf(name) - first.length : last.indexOf(name) + 1;
};

export default class Sequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const e2e = files.filter(({ project }) => project.name === "e2e");
    const project = e2e[0]?.project;
    if (project) {
      const { testFiles } = await project.globTestFiles();
      project.provide("whole", e2e.length === testFiles.length && this.ctx.getGlobalTestNamePattern() === undefined);
    }
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

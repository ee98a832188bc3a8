import { basename } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Whether every end-to-end test is run, and none left out. */
    whole: boolean;
  }
}

/** They take longest, so nothing waits for them at the end. Vitest, in a new clone, would begin with the largest files. */
const first = ["fleet.test.ts", "scripts.test.ts", "docs.test.ts", "deployment.test.ts", "lifecycle.test.ts"];
/** The policies are compared with what was asked in all end-to-end tests. */
const last = "policies.test.ts";

/** Files in the order of their ranks. */
const rank = ({ project, moduleId }: TestSpecification) => {
  const name = project.name === "e2e" ? basename(moduleId) : "";
  return first.includes(name) ? first.indexOf(name) : name === last ? first.length + 1 : first.length;
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

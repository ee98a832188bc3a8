import { BaseSequencer, type TestSpecification } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Whether every end-to-end test is run, and none left out. */
    whole: boolean;
  }
}

const isLast = ({ moduleId }: TestSpecification) => moduleId.endsWith("/test/e2e/policies.test.ts");

/** The policies are compared with what was asked in all end-to-end tests, so after them. */
export default class PoliciesLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const e2e = files.filter(({ project }) => project.name === "e2e");
    const [first] = e2e;
    if (first) {
      const { testFiles } = await first.project.globTestFiles();
      const isWhole = e2e.length === testFiles.length && this.ctx.getGlobalTestNamePattern() === undefined;
      first.project.provide("whole", isWhole);
    }
    const sorted = await super.sort(files);
    return [...sorted.filter((file) => !isLast(file)), ...sorted.filter(isLast)];
  }
}

import { BaseSequencer, type TestSpecification } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** Whether every end-to-end test is run, and none left out. */
    whole: boolean;
  }
}

const named =
  (file: string) =>
  ({ moduleId }: TestSpecification) =>
    moduleId.endsWith(`/test/e2e/${file}`);
/** It waits most of its time, in which the others go on. */
const isFirst = named("fleet.test.ts");
/** The policies are compared with what was asked in all end-to-end tests. */
const isLast = named("policies.test.ts");

export default class Sequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const e2e = files.filter(({ project }) => project.name === "e2e");
    const [first] = e2e;
    if (first) {
      const { testFiles } = await first.project.globTestFiles();
      const isWhole = e2e.length === testFiles.length && this.ctx.getGlobalTestNamePattern() === undefined;
      first.project.provide("whole", isWhole);
    }
    const sorted = await super.sort(files);
    const others = sorted.filter((file) => !isFirst(file) && !isLast(file));
    return [...sorted.filter(isFirst), ...others, ...sorted.filter(isLast)];
  }
}

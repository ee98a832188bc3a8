import { beforeAll, beforeEach, inject } from "vitest";

declare module "vitest" {
  /** What Stryker hands to its own setup file, which has run before this one. */
  export interface ProvidedContext {
    mode: "dry-run" | "mutant";
    activeMutant: string;
  }
}
type Hits = Record<string, number>;
const { __stryker__: stryker } = globalThis as unknown as {
  __stryker__: {
    activeMutant?: string;
    currentTestId?: string;
    mutantCoverage?: { static: Hits; perTest: Record<string, Hits> };
  };
};

// What a module makes when it is loaded, such as a regular expression, is made before the first test, and any test of the file may use it.
// So a change to it begins before the module is loaded, and each of these tests counts as reaching it.
if (inject("mode") === "mutant") stryker.activeMutant = inject("activeMutant");
let loaded: Hits = {};
beforeAll(() => {
  loaded = { ...stryker.mutantCoverage?.static };
});
beforeEach(() => {
  const { currentTestId: id, mutantCoverage: coverage } = stryker;
  if (id && coverage) coverage.perTest[id] = { ...loaded };
});

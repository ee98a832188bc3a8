import { defineConfig } from "vitest/config";
import { unit } from "../../vitest.config.ts";

/** For Stryker: the unit tests of what it mutates. */
export default defineConfig({
  test: {
    ...unit,
    include: ["test/unit/*.test.ts", "test/unit/components/**/*.test.ts", "test/unit/local/aws-*.test.ts"],
    // The instrumented code has Stryker's own paths, which the state must not have.
    exclude: ["test/unit/docs.test.ts", "test/unit/components/{architecture,state}.test.ts"],
    hookTimeout: 60_000,
    // After Stryker's own, which vitest would otherwise load at the same time.
    sequence: { setupFiles: "list" },
    setupFiles: ["test/support/mutation.setup.ts"],
  },
});

import { defineConfig } from "vitest/config";

/** For Stryker: the unit tests of what it mutates. Node loads the files itself, as in vitest.config.ts. */
export default defineConfig({
  test: {
    include: ["test/unit/*.test.ts", "test/unit/components/**/*.test.ts", "test/unit/local/aws-*.test.ts"],
    // The instrumented code has Stryker's own paths, which the state must not have.
    exclude: ["test/unit/docs.test.ts", "test/unit/components/{architecture,state}.test.ts"],
    experimental: { viteModuleRunner: false },
    restoreMocks: true,
    unstubEnvs: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

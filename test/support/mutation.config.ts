import { defineConfig } from "vitest/config";

/** For Stryker: the unit tests of what it mutates. Node loads the files itself, as in vitest.config.ts. */
export default defineConfig({
  test: {
    include: ["test/unit/*.test.ts", "test/unit/components/**/*.test.ts", "test/unit/local/aws-*.test.ts"],
    exclude: ["test/unit/docs.test.ts", "test/unit/components/architecture.test.ts"],
    experimental: { viteModuleRunner: false },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";
import PoliciesLast from "./test/support/sequencer.ts";

/** What unit tests need, mutation testing's too. */
export const unit = {
  // Node loads the files itself, as it does for the program: Pulumi stores a dynamic resource's provider in the form in which it was loaded.
  experimental: { viteModuleRunner: false },
  restoreMocks: true,
  unstubEnvs: true,
  // Some start a process; on a busy machine that takes its time.
  testTimeout: 60_000,
};

export default defineConfig({
  test: {
    sequence: { sequencer: PoliciesLast },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          ...unit,
          // A worker keeps what it has loaded for the next file: loading took more than half of the processor's time.
          isolate: false,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/support/setup.ts"],
          // After the unit tests, and one file at a time: one local cloud serves them all.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          // In CI, after the others: what it measures wants the machine for itself.
          name: "bench",
          include: ["test/bench/**/*.test.ts"],
          sequence: { groupOrder: 2 },
          testTimeout: 900_000,
        },
      },
      {
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          globalSetup: ["test/support/setup.ts"],
          fileParallelism: false,
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "fleet",
          include: ["test/fleet/**/*.test.ts"],
          globalSetup: ["test/support/setup.ts"],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "sbom",
          include: ["test/sbom/**/*.test.ts"],
          globalSetup: ["test/support/setup.ts"],
          fileParallelism: false,
          // Its first test may have to build Syft.
          testTimeout: 1_200_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

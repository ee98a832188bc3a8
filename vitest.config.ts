import { defineConfig } from "vitest/config";
import Sequencer from "./test/support/sequencer.ts";

/** What unit tests need, mutation testing's too. */
export const unit = {
  // Node loads the files itself, as it does for the program: what a resource finds its provider by is Node's require().
  experimental: { viteModuleRunner: false, nodeLoader: false },
  restoreMocks: true,
  unstubEnvs: true,
  // Some start a process; on a busy machine that takes its time.
  testTimeout: 60_000,
};

/** Tests of so many local clouds: one file at a time in each. */
const ofClouds = (maxWorkers: number, name: string, testTimeout: number, more = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    globalSetup: ["test/support/setup.ts"],
    maxWorkers,
    testTimeout,
    hookTimeout: 300_000,
    ...more,
  },
});

export default defineConfig({
  test: {
    sequence: { sequencer: Sequencer },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          ...unit,
          // A worker keeps what it has loaded for the next file: loading took more than half of the processor's time.
          isolate: false,
          maxWorkers: "100%",
        },
      },
      // After the unit tests. In one cloud a third of two processors' time is spent waiting.
      ofClouds(2, "e2e", 180_000, { sequence: { groupOrder: 1 } }),
      {
        test: {
          // In CI, after the others: what it measures wants the machine for itself.
          name: "bench",
          include: ["test/bench/**/*.test.ts"],
          sequence: { groupOrder: 2 },
          testTimeout: 900_000,
        },
      },
      ofClouds(2, "faults", 600_000, { sequence: { groupOrder: 3 } }),
      ofClouds(1, "fleet", 900_000),
      // Its first test may have to build Syft.
      ofClouds(1, "sbom", 1_200_000),
    ],
  },
});

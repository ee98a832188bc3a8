import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { root } from "../../tools/paths.ts";
import { collect } from "../../tools/process.ts";
import { temporaryFolder } from "../support/process.ts";

test("a signal ends a test run after it has torn down what it set up", async () => {
  const folder = temporaryFolder(onTestFinished);
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  write(
    "vitest.config.js",
    'export default { test: { globals: true, globalSetup: ["setup.js"], testTimeout: 60_000 } };',
  );
  write(
    "setup.js",
    `import { setTimeout } from "node:timers/promises";
import { beforeSignals } from ${JSON.stringify(join(root, "test", "support", "setup.ts"))};
export default () => beforeSignals(() => setTimeout(100).then(() => console.log("torn down")));`,
  );
  write("endless.test.js", 'test("endless", () => process.kill(process.ppid, "SIGTERM") && new Promise(() => {}));');
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const result = await collect([process.execPath, vitest, "run", "--root", folder]);
  expect(result).toMatchObject({ status: 143, stdout: expect.stringContaining("torn down") });
});

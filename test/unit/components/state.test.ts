import { expect, test } from "vitest";
import { runProgram } from "../../support/mocks.ts";

test.each([
  ["a pair of machines", {}],
  ["a fleet", { fleet: "true" }],
])("the code that %s puts into the state has no path of this machine", async (_, settings) => {
  const code = (await runProgram(settings)).flatMap(({ inputs }) => (inputs.__provider as string) ?? []);
  expect(code.length).toBeGreaterThan(1);
  for (const text of code) {
    expect(text).toContain("exports.handler");
    expect(text).not.toContain(process.cwd());
    expect(text).not.toContain("file://");
  }
});

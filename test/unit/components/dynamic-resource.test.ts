import { expect, test } from "vitest";
import { providerOf, runProgram } from "../../support/mocks.ts";

test.each([
  ["a pair of machines", {}, ["image-index", "verification"]],
  ["a fleet", { fleet: "true" }, ["group-verification", "image-index", "kept-ami", "rollout"]],
])(
  "the state of %s has where the functions of its resources are, for every later command",
  async (_, settings, files) => {
    const found = (await runProgram(settings)).filter(({ inputs }) => inputs.__provider !== undefined);
    const named = found.map(({ inputs }) => /process\.cwd\(\) \+ "(.*)"/.exec(inputs.__provider as string)?.[1]);
    expect([...new Set(named)].sort()).toEqual(files.map((file) => `/components/${file}.ts`));
    for (const { inputs } of found) expect(providerOf(inputs).create).toBeInstanceOf(Function);
  },
);

test("a checkout without the functions can still delete what they made", async () => {
  const made = (await runProgram()).find(({ inputs }) => inputs.__provider !== undefined);
  const provider = providerOf({ __provider: String(made?.inputs.__provider).replace(".ts", ".gone.ts") });
  expect([provider.configure, provider.delete]).toEqual([undefined, undefined]);
  expect(() => provider.read).toThrow("Cannot find module");
});

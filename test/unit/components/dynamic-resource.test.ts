import { expect, test } from "vitest";
import { providerOf } from "../../support/mocks.ts";
import { programOf } from "../../support/programs.ts";

test.each([
  ["pair", ["image-index", "verification"]],
  ["fleet", ["group-verification", "image-index", "kept-ami", "rollout"]],
] as const)(
  "the state of a %s has where the functions of its resources are, for every later command",
  async (variant, files) => {
    const found = (await programOf(variant)).filter(({ inputs }) => inputs.__provider !== undefined);
    const named = found.map(({ inputs }) => /process\.cwd\(\) \+ "(.*)"/.exec(inputs.__provider as string)?.[1]);
    expect([...new Set(named)].sort()).toEqual(files.map((file) => `/components/${file}.ts`));
    for (const { inputs } of found) expect(providerOf(inputs).create).toBeInstanceOf(Function);
  },
);

test("a checkout without the functions can still delete what they made", async () => {
  const made = (await programOf("pair")).find(({ inputs }) => inputs.__provider !== undefined);
  const provider = providerOf({ __provider: String(made?.inputs.__provider).replace(".ts", ".gone.ts") });
  expect([provider.configure, provider.delete]).toEqual([undefined, undefined]);
  expect(() => provider.read).toThrow("Cannot find module");
});

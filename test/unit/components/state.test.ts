import { expect, test } from "vitest";
import { providerOf, runProgram } from "../../support/mocks.ts";

test.each([
  ["a pair of machines", {}, ["image-index", "verification", "verification"]],
  ["a fleet", { fleet: "true" }, ["group-verification", "image-index", "kept-ami", "rollout"]],
])(
  "the state of %s has where the functions of its resources are, for every later command",
  async (_, settings, files) => {
    const found = (await runProgram(settings)).filter(({ inputs }) => inputs.__provider !== undefined);
    const text = (file: string) =>
      `exports.handler = () => require(process.cwd() + "/components/${file}.ts").provider;`;
    expect([...new Set(found.map(({ inputs }) => inputs.__provider))].sort()).toEqual([...new Set(files)].map(text));
    for (const { inputs } of found) expect(providerOf(inputs)).toHaveProperty("create");
  },
);

import { expect, test } from "vitest";
import { all, configure, mock } from "../support/mocks.ts";

// The whole program, as index.ts wires it.
test("a wrong configuration registers nothing", async () => {
  await mock();
  configure({ port: "22" });
  await expect(import("../../index.ts")).rejects.toThrow("hono-app:port");
  expect(all()).toEqual([]);
});

import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { tidy } from "../../../tools/store.ts";
import { temporaryFolder, write } from "../../support/process.ts";

test("what no clone has used for a month is deleted, and nothing else", () => {
  const folder = temporaryFolder(onTestFinished);
  const store = (name: string, days: number) => {
    const made = join(folder, name);
    write(join(made, "pulumi"), "");
    const used = Date.now() / 1000 - days * 24 * 3600;
    utimesSync(made, used, used);
    return made;
  };
  const own = store("own", 31);
  store("new", 29);
  store("old", 31);
  tidy(own);
  expect(readdirSync(folder).sort()).toEqual(["new", "own"]);
  tidy(join(folder, "none"));
});

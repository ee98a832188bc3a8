import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import ts from "typescript";
import { expect, test } from "vitest";
import { eachMachine } from "../../../components/architecture.ts";

test("a value for each machine, in the outputs' order", () => {
  expect(eachMachine((machine, index) => `${machine} ${index}`)).toEqual({ graviton: "graviton 0", intel: "intel 1" });
  expect(Object.keys(eachMachine(() => 0))).toEqual(["graviton", "intel"]);
});

const names = /aarch64|x86_64|\b(?:arm64|amd64|x64)\b/;
const tables = ["app/src/architecture.ts", "components/architecture.ts"];

/** The texts of a program, without its comments. */
function texts(file: string): string[] {
  const content = readFileSync(file, "utf8");
  if (!names.test(content)) return [];
  if (!/\.(ts|js|mjs)$/.test(file)) return content.split("\n").map((line) => line.replace(/(^|\s)#.*/, ""));
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isLiteralExpression(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      found.push(node.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, content, ts.ScriptTarget.Latest));
  return found;
}

// Tests are not searched: what they expect is written out.
test("no program but the table spells out an architecture's name", () => {
  const files = execFileSync(
    "git",
    ["ls-files", "*.ts", "*.js", "*.mjs", "*.py", "*.sh", "local/services/ec2/machine"],
    { encoding: "utf8" },
  )
    .trim()
    .split("\n")
    .filter((file) => !file.startsWith("test/"));
  expect(files.length).toBeGreaterThan(100);
  const spelled = files.filter((file) => texts(file).some((text) => names.test(text)));
  expect(spelled).toEqual(tables);
});

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import ts from "typescript";
import { expect, test } from "vitest";
import { architectures, eachMachine, platforms } from "../../../components/architecture.ts";

test("a value for each machine, in the outputs' order", () => {
  expect(eachMachine((machine, index) => `${machine} ${index}`)).toEqual({ graviton: "graviton 0", intel: "intel 1" });
  expect(Object.keys(eachMachine(() => 0))).toEqual(["graviton", "intel"]);
});

test("Graviton is arm64 and Intel is x86_64, at every layer", () => {
  expect(platforms).toEqual(["linux/arm64", "linux/amd64"]);
  expect(eachMachine((machine) => Object.values(architectures[machine]).join(" "))).toEqual({
    graviton:
      "linux/arm64 arm64 aarch64 arm64 183 AWS Graviton arm64 t4g /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
    intel:
      "linux/amd64 amd64 x86_64 x64 62 Intel or AMD x86_64 t3 /aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
  });
});

const names = /aarch64|x86_64|\b(?:arm64|amd64|x64)\b/;
const tables = ["app/src/architecture.ts", "components/architecture.ts"];

/** The texts of a program, without its comments. */
function texts(file: string): string[] {
  const content = readFileSync(file, "utf8");
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
    {
      encoding: "utf8",
    },
  )
    .trim()
    .split("\n")
    .filter((file) => !file.startsWith("test/"));
  expect(files.length).toBeGreaterThan(100);
  const spelled = files.filter((file) => texts(file).some((text) => names.test(text)));
  expect(spelled).toEqual(tables);
});

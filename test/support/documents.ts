import { readFileSync } from "node:fs";

/** The documents whose blocks of commands tests run. The Korean ones have the same blocks: test/unit/docs.test.ts. */
export const documents = [
  "README.md",
  ...["guide", "operation", "settings", "security"].map((name) => `docs/${name}.md`),
];

export const text = documents.map((file) => readFileSync(file, "utf8")).join("\n");

/** Their blocks of commands of a kind, such as `local`. */
export const blocksOf = (kind: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`sh ${kind}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, code = ""]) =>
    code.trimEnd(),
  );

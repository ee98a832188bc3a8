import { globSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

/** What an action must be given, what else it takes, and what it gives: names, with spaces between them. */
export type ActionData = Record<"required" | "optional" | "outputs", string>;

/** Every action that the workflows pin, as `owner/name@commit`. */
export function pinnedActions(): string[] {
  const texts = globSync(".github/{workflows,actions/*}/*.yml").map((path) => readFileSync(path, "utf8"));
  const pins = texts.flatMap((text) => [...text.matchAll(/uses: ([\w.-]+\/[\w.-]+@\S+)/g)].map(([, pin = ""]) => pin));
  return [...new Set(pins)].sort();
}

function readAction(text: string): ActionData {
  type Input = { required?: boolean; default?: unknown } | null;
  const { inputs = {}, outputs = {} } = parse(text) as { inputs?: Record<string, Input>; outputs?: object };
  const isRequired = (name: string) => inputs[name]?.required === true && inputs[name].default === undefined;
  const names = Object.keys(inputs);
  return {
    required: names.filter(isRequired).join(" "),
    optional: names.filter((name) => !isRequired(name)).join(" "),
    outputs: Object.keys(outputs).join(" "),
  };
}

/**
 * `node test/support/actions/fetch-actions.ts [BASE]` writes actions.json again, after a pin has changed: from each action's own action.yml at the
 * pinned commit.
 */
async function main(base = "https://raw.githubusercontent.com"): Promise<void> {
  const all: Record<string, ActionData> = {};
  for (const pin of pinnedActions()) {
    const url = `${base}/${pin.replace("@", "/")}/action.yml`;
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
    all[pin] = readAction(await response.text());
  }
  writeFileSync(`${import.meta.dirname}/actions.json`, `${JSON.stringify(all, null, 2)}\n`);
}

if (import.meta.main) await main(...process.argv.slice(2));

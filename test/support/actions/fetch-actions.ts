import { globSync, readFileSync, writeFileSync } from "node:fs";
import { parse } from "yaml";

/** What an action takes and gives. */
export interface ActionData {
  /** Names, and whether one must be given. */
  readonly inputs: Record<string, boolean>;
  readonly outputs: readonly string[];
}

/** Every action that the workflows pin, as `owner/name@commit`. */
export function pinnedActions(): string[] {
  const texts = globSync(".github/{workflows,actions/*}/*.yml").map((path) => readFileSync(path, "utf8"));
  const pins = texts.flatMap((text) => [...text.matchAll(/uses: ([\w.-]+\/[\w.-]+@\S+)/g)].map(([, pin = ""]) => pin));
  return [...new Set(pins)].sort();
}

export function readAction(text: string): ActionData {
  const { inputs, outputs } = parse(text) as {
    inputs?: Record<string, { required?: boolean; default?: unknown } | null>;
    outputs?: object;
  };
  const required = Object.entries(inputs ?? {}).map(([name, input]) => [
    name,
    input?.required === true && input.default === undefined,
  ]);
  return { inputs: Object.fromEntries(required), outputs: Object.keys(outputs ?? {}) };
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

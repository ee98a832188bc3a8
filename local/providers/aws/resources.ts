import type { Resource } from "./provider.ts";
import { define } from "./row.ts";
import { rows, type Token } from "./rows.ts";

function made(token: Token): Resource {
  const owner = rows[token].partOf as Token | undefined;
  return define(token, rows[token], owner && { row: rows[owner], resource: () => resources[owner] });
}

/** Every resource type of the provider, by its Pulumi token. */
export const resources = Object.fromEntries(
  (Object.keys(rows) as Token[]).map((token) => [token, made(token)]),
) as Readonly<Record<Token, Resource>>;

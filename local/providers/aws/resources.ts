import type { Resource } from "./provider.ts";
import { define } from "./row.ts";
import { rows, type Token } from "./rows.ts";

function made(token: Token): Resource {
  const row = rows[token];
  if ("resource" in row) return row.resource;
  const owner = row.partOf as Token | undefined;
  const ownerRow = owner && rows[owner];
  const isRow = ownerRow && !("resource" in ownerRow);
  return define(token, row, isRow ? { row: ownerRow, resource: () => resources[owner] } : undefined);
}

/** Every resource type of the provider, by its Pulumi token. */
export const resources = Object.fromEntries(
  (Object.keys(rows) as Token[]).map((token) => [token, made(token)]),
) as Readonly<Record<Token, Resource>>;

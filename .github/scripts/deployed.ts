import { text } from "node:stream/consumers";
import { runCommand } from "../../cli/shared/command.ts";

const usage = `usage: pulumi stack history --json | node .github/scripts/deployed.ts

Prints the commit that is deployed: nothing where none is, and unknown where Pulumi has found no git repository.
`;

interface Update {
  readonly kind: string;
  readonly result: string;
  readonly environment: Readonly<Record<string, string>>;
}

await runCommand(usage, async () => {
  const updates: Update[] = JSON.parse(await text(process.stdin));
  // The newest comes first. Of updates that failed, and refreshes from any checkout, none is what is deployed.
  const last = updates.find(({ kind, result }) => /^(update|destroy)$/.test(kind) && result === "succeeded");
  process.stdout.write(last?.kind === "update" ? `${last.environment["git.head"] || "unknown"}\n` : "");
});

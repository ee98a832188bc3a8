import { text } from "node:stream/consumers";
import { runCommand, UsageError } from "../../cli/shared/command.ts";

const usage = `usage: pulumi stack ls --json | node .github/scripts/expired.ts HOURS

Prints, as a JSON list, the review environments that were not updated for so many hours.
`;

/** A stack in what `pulumi stack ls --json` prints. */
interface Stack {
  readonly name: string;
  /** None where its first update has not ended, and in Pulumi Cloud where an update is under way, or was killed. */
  readonly lastUpdate?: string;
}

export function expired(stacks: readonly Stack[], hours: number, now = Date.now()): string[] {
  const isOld = ({ lastUpdate }: Stack) => new Date(lastUpdate ?? 0).getTime() <= now - hours * 3_600_000;
  const reviews = stacks.filter(({ name }) => /(^|\/)pr-\d+$/.test(name));
  return reviews.filter(isOld).map(({ name }) => name.split("/").at(-1) as string);
}

async function main([hours = ""]: string[]): Promise<void> {
  if (!/^\d+$/.test(hours))
    throw new UsageError(
      `::error::the variable REVIEW_HOURS is ${JSON.stringify(hours)}; allowed: a whole number of hours, such as 72`,
    );
  process.stdout.write(`${JSON.stringify(expired(JSON.parse(await text(process.stdin)), Number(hours)))}\n`);
}

if (import.meta.main) await runCommand(usage, main);

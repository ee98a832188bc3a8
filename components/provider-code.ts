import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/**
 * Prepares Pulumi's serializer, which writes the functions of dynamic resources into the state. That takes it a third of a second, which
 * costs nothing while AWS answers the program's questions.
 */
export async function prepareSerializer(): Promise<void> {
  await setImmediate(); // the questions go out before
  await pulumi.runtime.serializeFunction(() => undefined);
}

/**
 * Whether the program's functions for a dynamic resource differ from those in its state. A refresh runs the functions in the state, so a
 * change of them has to reach the state although nothing else changes.
 */
export function isCodeChanged(olds: object, news: object): boolean {
  return Reflect.get(olds, "__provider") !== Reflect.get(news, "__provider");
}

/**
 * Shows a line to the person who deploys. Where the engine was killed, the provider ends with it: Pulumi's own handler would report for ever,
 * to nobody, that nobody listens, and take a whole processor for it.
 */
export function show(line: string): void {
  process.stdout.write(`${line}\n`, (error) => {
    if (error) process.exit(1);
  });
}

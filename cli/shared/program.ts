import { disconnect, runInPulumiStack } from "@pulumi/pulumi/runtime/index.js";
import { declared } from "../../outputs.js";

let runs = 0;

/**
 * Runs the program as the engine does, with the mocks and the configuration that are set. It may be run again in the same process.
 *
 * @throws What the program throws. Inside its stack Pulumi would print that too, with its stack trace.
 */
export async function runProgram(): Promise<void> {
  // With another query it is another module for Node, which runs it again.
  const module = `../../index.ts?run=${++runs}`;
  let problem: unknown;
  const failed = (error: unknown) => {
    problem = error;
  };
  await runInPulumiStack(async () => declared((await import(module).catch(failed)) ?? {}));
  await disconnect();
  if (problem !== undefined) throw problem;
}

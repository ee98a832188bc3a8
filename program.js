// What the engine starts. Plain JavaScript, so that a Node that is too old for TypeScript ends with a sentence.
import { RunError } from "@pulumi/pulumi";
import { isOld, neededNode } from "./engines.js";
import { declared } from "./outputs.js";

if (isOld) {
  throw new RunError(
    `Node ${process.versions.node} is too old: this program needs ${neededNode} (package.json, "engines"). ` +
      "Put such a Node first on PATH, then run this again",
  );
}

/** Makes the stack's resources. @returns The stack's outputs. */
export default async () => declared(await import("./index.ts"));

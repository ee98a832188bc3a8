// An empty Pulumi program, run by the Automation API as the local cloud's commands run theirs: the cost of an `up` or preview itself.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { openCloud } from "../local/cloud.ts";

const cloud = await openCloud();
const workDir = join(cloud.dir, "empty");
mkdirSync(workDir, { recursive: true });
const stack = await LocalWorkspace.createOrSelectStack(
  { projectName: "empty", stackName: "empty", program: async () => ({}) },
  { workDir, envVars: cloud.env as Record<string, string> },
);
const onOutput = (output: string) => void process.stdout.write(output);
if (process.argv[2] === "preview") await stack.preview({ onOutput });
else await stack.up({ onOutput });

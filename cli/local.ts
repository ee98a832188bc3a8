import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { quote } from "../components/user-data.ts";
import { type Cloud, cloudFolder, exports, openCloud } from "../local/cloud.ts";
import { change } from "../local/recovery/recover.ts";
import { failedSteps } from "../local/services/buildkitd.ts";
import { collectGarbage } from "../local/services/registry.ts";
import { ensureStack, hasResources, outputsOf, PulumiError, pulumi, resourcesOf } from "../local/stack.ts";
import { start, stop } from "../local/start.ts";
import { lock } from "../tools/lock.ts";
import { root } from "../tools/paths.ts";
import { say, step } from "../tools/process.ts";
import { runCommand, UsageError } from "./shared/command.ts";
import { machinesIn } from "./shared/outputs.ts";

const usage = `usage: npm run local -- [COMMAND]

  up               deploys the stack and prints the proof (the default)
  preview          shows what up would change; builds both platforms, pushes nothing
  refresh          compares the state with what exists, and verifies the machines again
  destroy          deletes the stack; the local cloud goes on running
  output [--json]  prints the stack's outputs; for scripts: npm run --silent local -- output --json
  graph            draws docs/architecture.svg from the stack's own resources
  down             destroy, then stops every process of the local cloud
  env              prints the shell exports with which docker and the plain Pulumi CLI work here, on the same stack:
                   eval "$(npm run --silent local -- env)" && pulumi up -s local
`;

/** Commands that only read the state: they work while the cloud is down, too. */
const readers: Record<string, (cloud: Pick<Cloud, "dir">, options: { json?: boolean }) => Promise<void>> = {
  async output(cloud, { json }) {
    const outputs = outputsOf(cloud);
    if (Object.keys(outputs).length === 0) throw new Error("the stack has no outputs: npm run local deploys it");
    if (json) return void process.stdout.write(`${JSON.stringify(outputs, null, 2)}\n`);
    for (const [name, value] of Object.entries(outputs)) {
      process.stdout.write(`${name}: ${typeof value === "string" ? value : JSON.stringify(value)}\n`);
    }
  },
  async graph(cloud) {
    if (!hasResources(cloud)) throw new Error("the stack has no resources: npm run local deploys it");
    const { drawGraph } = await import("./local/graph.ts");
    writeFileSync(join(root, "docs", "architecture.svg"), await drawGraph(resourcesOf(cloud)));
    say("docs/architecture.svg is drawn");
  },
};

const commands: Record<string, (cloud: Cloud) => Promise<void>> = {
  async up(cloud) {
    const refresh = await ready(cloud);
    await change(cloud, (refreshed) => pulumi(cloud, ["up", "--yes", "--skip-preview", ...(refreshed ? [] : refresh)]));
    printProof(outputsOf(cloud));
  },
  async preview(cloud) {
    await pulumi(cloud, ["preview", ...(await ready(cloud))], "previewer");
  },
  async refresh(cloud) {
    await ready(cloud);
    await change(
      cloud,
      async (refreshed) => refreshed || pulumi(cloud, ["refresh", "--yes", "--skip-preview"]),
      pulumi,
    );
  },
  async destroy(cloud) {
    await destroy(cloud);
    say("the local cloud goes on running; to stop it: npm run local -- down");
  },
  async down(cloud) {
    // Nothing is left to destroy where nothing was deployed, or where it is gone with its cloud.
    if (hasResources(cloud)) await destroy(cloud);
    await step("stopping the local cloud", () => stop(cloud));
    say("the local cloud is down: no process, container or network of it is left");
  },
  async env(cloud) {
    await start(cloud);
    await ensureStack(cloud);
    for (const [name, value] of Object.entries(exports(cloud))) {
      process.stdout.write(`export ${name}=${quote(value)}\n`);
    }
  },
};

/** Starts what does not run. @returns `--refresh` where a command has to compare the state with what is left of the cloud. */
async function ready(cloud: Cloud): Promise<string[]> {
  const { lost } = await start(cloud);
  await ensureStack(cloud);
  if (!lost || !hasResources(cloud)) return [];
  say("what ran in the local cloud was lost: the state is compared with what is left, and the rest is created again");
  return ["--refresh"];
}

async function destroy(cloud: Cloud): Promise<void> {
  const refresh = await ready(cloud);
  // Not without its preview, which finds what is protected before anything is deleted.
  await change(cloud, (refreshed) => pulumi(cloud, ["destroy", "--yes", ...(refreshed ? [] : refresh)]));
  await collectGarbage(cloud);
}

function printProof(outputs: Readonly<Record<string, unknown>>): void {
  const head = ["machine", "type", "uname -m", "image", "process", "digest", "url", "verified"];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { of, type, url, proof } of machinesIn(outputs)) {
    const digest = proof.digest.slice(0, "sha256:".length + 12);
    table.push([of, type, proof.machine, proof.image, proof.process, digest, url, proof.verifiedAt]);
  }
  process.stdout.write(`\n${table}\n${outputs.imageRef}\n`);
}

await runCommand(usage, async (args) => {
  const { positionals, values } = parseArgs({ args, allowPositionals: true, options: { json: { type: "boolean" } } });
  const [name = "up", ...rest] = positionals;
  const read = Object.hasOwn(readers, name) ? readers[name] : undefined;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if ((!read && !command) || rest.length > 0 || (values.json && name !== "output")) {
    throw new UsageError(`not a command: ${args.join(" ")}\n\n${usage}`);
  }
  say(`local cloud: ${name}`);
  if (read) return read({ dir: cloudFolder() }, values);
  const started = new Date();
  const cloud = await openCloud();
  // One command at a time changes a local cloud.
  const other = await lock(`hono-app:${cloud.dir}`, `${name} (process ${process.pid})`);
  if (other) throw new Error(`${other} is using this local cloud; wait until it ends, then run ${name} again`);
  try {
    await command?.(cloud);
  } catch (error) {
    const steps = error instanceof PulumiError ? await failedSteps(cloud, started) : [];
    if (steps.length > 0) say(`\nthe build failed in:\n${steps.map((line) => `  ${line}`).join("\n")}`);
    throw error;
  }
});

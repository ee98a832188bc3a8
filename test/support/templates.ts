import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { translate } from "../../local/providers/aws/cloudformation.ts";
import type { Resource as Definition } from "../../local/providers/aws/provider.ts";
import { resources as definitions } from "../../local/providers/aws/rows.ts";
import { schemas } from "../../local/providers/aws/schemas.ts";
import type { Props } from "../../local/providers/aws/values.ts";
import type { StateResource } from "../../local/stack.ts";
import { filesBelow } from "../../tools/paths.ts";
import { collect } from "../../tools/process.ts";
import { ensureVenv } from "../../tools/python.ts";

interface TemplateResource {
  readonly Type: string;
  readonly Properties: Props;
}

/** The AWS resources of a state as CloudFormation would make them. */
function template(state: readonly StateResource[]): Record<string, TemplateResource> {
  const resources = state.filter((each) => each.type.startsWith("aws:") && !each.delete);
  const named = resources.map(({ urn, type, inputs = {} }) => {
    const definition: Definition | undefined = definitions[type as keyof typeof definitions];
    if (definition === undefined) throw new Error(`${urn}: the local cloud has no such type`);
    const { type: Type, isPart } = definition.cloudFormation;
    const { properties } = translate(definition, inputs);
    // A part has the name of what it is a part of there, and a name may be there once.
    const Properties = isPart ? { ...properties, RepositoryName: undefined } : properties;
    return [urn.replace(/\W|_/g, "").slice(-200), { Type, Properties }];
  });
  return Object.fromEntries(named);
}

/** What cfn-lint finds in templates, each finding as a sentence. */
async function lint(templates: ReadonlyMap<string, Record<string, TemplateResource>>): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "templates-"));
  try {
    for (const [name, Resources] of templates)
      writeFileSync(join(folder, `${name}.json`), JSON.stringify({ Resources }));
    // W3010 is advice for a template that is written by hand: no zone by its name.
    const options = ["--regions", schemas.region, "--ignore-checks", "W3010", "--format", "json"];
    const command = join(await ensureVenv("cfn-lint"), "cfn-lint");
    const { stdout, output } = await collect([command, ...options, join(folder, "*.json")]);
    if (!stdout.startsWith("[")) throw new Error(`cfn-lint: ${output}`);
    return JSON.parse(stdout).map(
      ({ Filename, Rule, Message, Location }: Props) =>
        `${basename(Filename)}: ${Rule.Id} ${Location.Path?.join("/")}: ${Message}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * What cfn-lint finds in all that was ever deployed in local clouds: the engine keeps a backup of the state after each update, also of
 * stacks that are gone. A state in which nothing is new is left out. They are read before anything is awaited.
 */
export async function lintHistory(...cloudFolders: string[]): Promise<string[]> {
  const backups = cloudFolders.flatMap(backupsIn);
  const seen = new Set<string>();
  const templates = new Map<string, Record<string, TemplateResource>>();
  for (const [index, file] of backups.entries()) {
    const resources = template(resourcesIn(file));
    const texts = Object.values(resources).map((resource) => JSON.stringify(resource));
    if (texts.some((text) => !seen.has(text))) templates.set(`update-${index + 1}`, resources);
    for (const text of texts) seen.add(text);
  }
  return templates.size === 0 ? [] : lint(templates);
}

const resourcesIn = (file: string): readonly StateResource[] =>
  JSON.parse(readFileSync(file, "utf8")).checkpoint.latest?.resources ?? [];

function backupsIn(cloudFolder: string): string[] {
  const backend = join(cloudFolder, "state", ".pulumi");
  const statesIn = (folder: string) =>
    filesBelow(join(backend, folder))
      .filter((file) => file.endsWith(".json"))
      .sort();
  const backups = statesIn("backups");
  if (backups.length === 0 && statesIn("stacks").some((file) => resourcesIn(file).length > 0)) {
    throw new Error(`${backend}: the engine has kept no state of an update`);
  }
  return backups;
}

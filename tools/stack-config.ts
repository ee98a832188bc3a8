import { parse } from "yaml";

/** The configuration of a stack as the engine would read it: Pulumi.yaml's values and defaults under the stack's own. */
export function readConfig(projectFile: string, stackFile: string): Record<string, string> {
  const { name, config: declared = {} } = (parse(projectFile) ?? {}) as {
    name?: string;
    config?: Record<string, { default?: unknown; value?: unknown }>;
  };
  const { config: own = {} } = (parse(stackFile) ?? {}) as { config?: Record<string, unknown> };
  const values = {
    ...Object.fromEntries(Object.entries(declared).map(([key, it]) => [key, it.value ?? it.default])),
    ...own,
  };
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [
        key.includes(":") ? key : `${name}:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
  );
}

import { chmodSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { toolsFolder } from "../../tools/go.ts";
import { home, readIfThere } from "../../tools/paths.ts";

/** The project whose .local this is. The clones of tests share it: a provider of one of them would be gone with it, for the others too. */
const owner = () => dirname(realpathSync(home));

/** Puts the providers where the engine looks for them: those of this project that stand in for the cloud's, and the dynamic one that the npm package carries. */
export function ensurePlugins(): void {
  const root = owner();
  // This very Node: the one of the shell in which somebody calls the plain CLI may be too old for TypeScript.
  const preload = join(root, "local/providers/preload.js");
  const words = (...given: string[]) => given.map((word) => JSON.stringify(word)).join(" ");
  const options = ["--import", preload];
  const node = (script: string) => `exec ${words(process.execPath, ...options, join(root, script))} "$@"`;
  // What Node has compiled for them serves the plain CLI too, whose shell does not have the set-up's environment.
  const cache = `export NODE_COMPILE_CACHE=${JSON.stringify(process.env.NODE_COMPILE_CACHE ?? "")}`;
  const plugins = {
    [plugin("resource", "aws")]: node("local/providers/aws/main.ts"),
    // The engine looks here last: the official CLI's own, on PATH or beside it, is taken before this one.
    [plugin("language", "nodejs", "pulumi")]: `exec ${words(join(toolsFolder, "language-host"), ...options)} -- "$@"`,
    // Pulumi's own script for it starts Node twice, once only to find this file.
    [join(toolsFolder, "pulumi-resource-pulumi-nodejs")]: node("node_modules/@pulumi/pulumi/cmd/dynamic-provider"),
  };
  for (const [path, command] of Object.entries(plugins)) {
    const script = `#!/bin/sh\n${cache}\n${command}\n`;
    if (readIfThere(path) === script) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(`${path}.new`, script);
    chmodSync(`${path}.new`, 0o755);
    renameSync(`${path}.new`, path);
  }
}

/** The engine takes a provider only in the version of the program's package. */
function plugin(kind: "resource" | "language", name: string, npmPackage = name): string {
  const manifest = join(owner(), "node_modules", "@pulumi", npmPackage, "package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  return join(home, "pulumi", "plugins", `${kind}-${name}-v${version}`, `pulumi-${kind}-${name}`);
}

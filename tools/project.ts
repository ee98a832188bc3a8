import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./paths.ts";

/** The project's name, which `pulumi new` asks for. Found without a parser of YAML, which would take each command a twentieth of a second. */
export const projectName = /^name: *"?([\w.-]+)/m.exec(readFileSync(join(root, "Pulumi.yaml"), "utf8"))?.[1] ?? "";

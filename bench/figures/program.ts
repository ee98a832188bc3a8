import { readFileSync } from "node:fs";
import { join } from "node:path";
import { atMost, type Row } from "../figure.ts";
import type { Place } from "../place.ts";

/** What index.ts imports, and the packages of which it takes parts. */
export async function measureProgram(place: Place): Promise<Row[]> {
  const program = readFileSync(join(place.project, "index.ts"), "utf8");
  const modules = [...program.matchAll(/^import .* from "(\.\/.*)";$/gm)].map(([, module = ""]) => module);
  const packages = ["@pulumi/pulumi", "@pulumi/aws", "@pulumi/awsx", "@pulumi/docker-build", "@aws-sdk/client-ec2"];
  const load = (specifiers: readonly string[]) => async () => {
    const script = `const started = performance.now();
await Promise.all(${JSON.stringify(specifiers)}.map((each) => import(each)));
console.log((performance.now() - started) / 1000);`;
    return Number(await place.command(["node", "--input-type=module", "--eval", script]));
  };
  // Once without counting: Node's compile cache is filled.
  await load(modules)();
  const times = await place.rounds(place.runs(7), {
    "imports of the program": load(modules),
    "whole packages": load(packages),
  });
  return [
    {
      figure: "load",
      what: "program load (imports)",
      ours: { unit: "s", runs: times["imports of the program"] },
      reference: { what: "whole-package imports", unit: "s", runs: times["whole packages"] },
      budget: atMost(0.35, "s"),
    },
  ];
}

import { Graphviz } from "@hpcc-js/wasm-graphviz";
import { machineNames } from "../../components/architecture.ts";
import { rows, type Token } from "../../local/providers/aws/rows.ts";
import type { StateResource } from "../../local/stack.ts";

/** [light, dark]; the machines' are those of the app's page. Not #fff or #000, which Graphviz would write as a name. */
const palette = {
  ground: ["#f6f5f2", "#131316"],
  card: ["#fefefe", "#1c1c21"],
  text: ["#1d1d20", "#ececf0"],
  quiet: ["#5d5d66", "#a3a3ae"],
  plain: ["#4a3ab3", "#b3a7ff"],
  graviton: ["#b3470a", "#ffa45c"],
  intel: ["#0b62c4", "#7cb7ff"],
} as const;

type Color = keyof typeof palette;

type Inputs = NonNullable<StateResource["inputs"]>;

/** What the diagram shows of a resource beside its type: its configuration, which is the same in every deployment. */
const facts: Readonly<Record<string, (inputs: Inputs) => string>> = {
  "docker-build:index:Image": ({ platforms }) => platforms.join(", "),
  "pulumi-nodejs:dynamic/hono-app:Verification": ({ expected }) =>
    [expected.machine, expected.image, expected.process].join(", "),
};
const factOf = (type: string, inputs: Inputs) =>
  facts[type]?.(inputs) ?? rows[type as Token]?.shows?.map((input) => inputs[input]).join(" ") ?? "";

/**
 * Draws the stack's resources, from its state: a box for each one that index.ts makes, with its children inside, and an arrow from each part
 * to those that take something from it. Every deployment of the same program and configuration gives the same drawing.
 *
 * @returns An SVG with nothing outside it, in light and dark.
 */
export async function drawGraph(resources: readonly StateResource[]): Promise<string> {
  const graphviz = await Graphviz.load();
  const svg = graphviz.dot(dot(resources.filter((resource) => !resource.delete)));
  const dark = Object.values(palette).map(
    ([from, to]) => `[fill="${from}"] { fill: ${to}; } [stroke="${from}"] { stroke: ${to}; }`,
  );
  const style = `svg { max-width: 100%; height: auto; }\n@media (prefers-color-scheme: dark) {\n${dark.join("\n")}\n}`;
  return (
    svg
      // Without what comes before: a document type that names another host, and the library's version.
      .slice(svg.indexOf("<svg"))
      .replace(/<!-- .*? -->\n/g, "")
      .replace("<svg ", '<svg role="img" aria-labelledby="title" ')
      .replace(/<title>.*?<\/title>/, `<title id="title">${title}</title>\n<style>\n${style}\n</style>`)
      .replaceAll(`"${font}"`, `"${font}, Arial, sans-serif"`)
  );
}

const title = "What hono-app deploys, and what each part takes from which";

function dot(resources: readonly StateResource[]): string {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const isStack = (urn: string) => byUrn.get(urn)?.type === "pulumi:pulumi:Stack";
  const parts = resources
    .filter(({ parent }) => parent !== undefined && isStack(parent))
    .sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const partOf = (urn: string): StateResource | undefined => {
    const parent = byUrn.get(urn)?.parent;
    return parent === undefined || isStack(parent) ? parts.find((part) => part.urn === urn) : partOf(parent);
  };

  const boxes = parts.map((part) => {
    const taken = takenBy(part, partOf);
    const arrows = unique(taken.map(({ from }) => idOf(from)));
    const rows = unique(taken.map(({ property }) => property)).map((property) => {
      const sources = unique(taken.filter((each) => each.property === property).map(({ from }) => nameOf(from.type)));
      return row(text(property, "quiet", 12), `← ${sources.join(", ")}`, 0);
    });
    const color = light(machineOf(part) ?? "plain");
    return [
      `  "${idOf(part)}" [label=<${table(part, children([part], resources, 0), rows)}>]`,
      ...arrows.map((from) => `  "${from}" -> "${idOf(part)}" [color="${color}"]`),
    ];
  });
  return `digraph architecture {
  bgcolor="${light("ground")}" pad=0.25 nodesep=0.3 ranksep=0.6
  node [shape=plain fontname="${font}"]
  edge [arrowsize=0.7 penwidth=1.2]
${boxes.flat().join("\n")}
}`;
}

/** What a resource takes from others, by the property that takes it. */
function takenBy(resource: StateResource, partOf: (urn: string) => StateResource | undefined) {
  const properties = Object.entries(resource.propertyDependencies ?? {});
  const named = properties.flatMap(([property, urns]) => urns.map((urn) => ({ property, urn })));
  const rest = (resource.dependencies ?? []).filter((urn) => !named.some((each) => each.urn === urn));
  return [...named, ...rest.map((urn) => ({ property: "dependsOn", urn }))].flatMap(({ property, urn }) => {
    const from = partOf(urn);
    return from === undefined ? [] : [{ property, from }];
  });
}

/** Sorted, since the order in the state is the one in which resources happened to be made. */
const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();

/** The library knows this font's widths, so that the drawing does not depend on the machine; what browsers take for it is as wide. */
const font = "Helvetica";

const light = (color: Color) => palette[color][0];

const idOf = (part: StateResource): string => `${nameOf(part.type)} ${part.urn.slice(part.urn.lastIndexOf("::") + 2)}`;

const machineOf = ({ urn }: StateResource) => machineNames.find((name) => urn.endsWith(`-${name}`));

/** A part, the children in it and what its arguments take from other parts, as the table of a Graphviz label. */
function table(part: StateResource, made: readonly string[], taken: readonly string[]): string {
  const machine = machineOf(part);
  const color = machine ?? "plain";
  const name = `<b>${text(nameOf(part.type), color, 17)}</b>`;
  const sections = [
    [row(machine ? `${name}${space}${text(machine, color, 17)}` : name, "", 0)],
    [...factRow([part], 0), ...made],
    taken,
  ];
  const rows = sections.filter(({ length }) => length > 0).map((section) => section.join(""));
  const options = `border="1" cellborder="0" cellspacing="0" cellpadding="4" style="rounded"`;
  return `<table ${options} color="${light(color)}" bgcolor="${light("card")}">${rows.join("<hr/>")}</table>`;
}

/** A row for each type of child, and below it those of its own children. */
function children(parents: readonly StateResource[], resources: readonly StateResource[], depth: number): string[] {
  const urns = parents.map(({ urn }) => urn);
  const found = resources.filter(({ parent }) => parent !== undefined && urns.includes(parent));
  return Object.entries(Object.groupBy(found, ({ type }) => type))
    .sort(([a], [b]) => (nameOf(a) < nameOf(b) ? -1 : 1))
    .flatMap(([type, group = []]) => {
      const count = group.length > parents.length ? text(` ×${group.length}`, "quiet") : "";
      return [
        row(text(nameOf(type), "text") + count, packageOf(type), depth),
        ...factRow(group, depth + 1),
        ...children(group, resources, depth + 1),
      ];
    });
}

function row(left: string, right: string, depth: number): string {
  const cells = right === "" ? "" : `<td align="right">${space}${text(right, "quiet", 12)}${space}</td>`;
  const span = right === "" ? ' colspan="2"' : "";
  return `<tr><td align="left"${span}>${space.repeat(1 + depth * 2)}${left}${space}</td>${cells}</tr>`;
}

/** `Subnet` of `aws:ec2/subnet:Subnet`. */
const nameOf = (type: string): string => type.slice(type.lastIndexOf(":") + 1);

/** `ec2` of `aws:ec2/subnet:Subnet`. */
function packageOf(type: string): string {
  const [name = "", module = ""] = type.split(/[:/]/);
  if (name === "hono-app") return "component";
  return name === "aws" ? module : [name, module].filter((word) => word !== "index").join(" ");
}

function factRow(group: readonly StateResource[], depth: number): string[] {
  const found = unique(group.map(({ type, inputs = {} }) => factOf(type, inputs))).join(", ");
  return found === "" ? [] : [row(text(found, "quiet"), "", depth)];
}

/** Graphviz refuses a font without content. */
const text = (content: string, color: Color, size = 13) =>
  `<font point-size="${size}" color="${light(color)}">${markup(content)}</font>`;

/** Graphviz drops what is blank at the edges of a cell. */
const space = "&#160;&#160;";

const markup = (content: string) => content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

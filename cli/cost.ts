import { parseArgs } from "node:util";
import Table from "cli-table3";
import { type Item, type Price, prices, UnknownPriceError } from "../local/providers/aws/prices.ts";
import { rows, type Token } from "../local/providers/aws/rows.ts";
import { root } from "../tools/paths.ts";
import { say } from "../tools/process.ts";
import { projectName } from "../tools/project.ts";
import { stackConfig } from "../tools/stack-config.ts";
import { runCommand } from "./shared/command.ts";

const usage = `usage: npm run cost -- [OPTION ...]

The monthly price of a stack, from the price table in local/providers/aws/prices.ts.

  --stack NAME    prices what the program registers with that stack's configuration (default: dev); needs no account
  --json          for scripts
  --markdown      for a comment
`;

/** What is charged by use: named beside the sum, since nobody knows it beforehand. */
const notIncluded = [
  "data transfer to the internet: the first 100 GB a month of an account are free, then $0.126 per GB",
  "data between the two availability zones: $0.01 per GB in each direction",
  "what machines log: $0.76 per GB, and $0.03 a month for each GB that is kept; a request is a line of about 200 bytes, so a million of them cost $0.15",
  "the flow log of refused traffic: $0.76 per GB; a public address is probed all day, and each record covers a minute at most",
  "CPU credits, of a machine that is busier than its baseline for 24 hours: $0.05 (t3) and $0.04 (t4g) per vCPU hour above it, at most $58 and $47 a month for a .small; a boot spends about one credit, less than $0.001",
  "ECR's requests to AWS KMS: cents; images scanned by Amazon Inspector, if the account has switched it on",
  "taxes, free tiers and credits of the account",
] as const;

/** A resource as the program registers it, or as the state has it. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** How a type is priced, or why it costs nothing. */
function priceOf(type: string): Price | undefined {
  if (/^pulumi-nodejs:dynamic[/:]/.test(type)) return "requests to AWS's API and to the machines";
  if (/^(hono-app:index:|pulumi:)/.test(type)) return "a name for what is in it";
  if (type === "docker-build:index:Image") return "built by your own builder, stored in the repository";
  return rows[type as Token]?.price;
}

/** The monthly price of resources. A resource without a known price is named, never left out. */
export function estimate(resources: readonly Resource[], region: string) {
  const lines: Line[] = [];
  /** Resources without a known price: with any of them, the total is too low. */
  const unknown: { resource: string; why: string }[] = [];
  const byUse = new Set<string>();
  let free = 0;
  for (const { type, name, inputs } of resources) {
    const price = priceOf(type);
    const beside = (other: string) => resources.find((each) => each.type === other && each.name === name)?.inputs;
    try {
      if (price === undefined) throw new UnknownPriceError("its type has no price in local/providers/aws");
      if (typeof price === "string") free++;
      else {
        for (const part of price(inputs, beside)) {
          if (typeof part === "string") byUse.add(part);
          else lines.push(toLine(name, part));
        }
      }
    } catch (error) {
      if (!(error instanceof UnknownPriceError)) throw error;
      unknown.push({ resource: `${type} ${name}`, why: error.message });
    }
  }
  if (region !== prices.region) {
    const why = `the prices in local/providers/aws/prices.ts are those of ${prices.region}`;
    unknown.push({ resource: `region ${region}`, why });
  }
  /** USD a month. */
  const total = lines.reduce((sum, { monthly }) => sum + monthly, 0);
  /** The same with as much as there can be of what varies. */
  const most = lines.reduce((sum, { monthly, most }) => sum + (most?.monthly ?? monthly), 0);
  const { currency, asOf } = prices;
  return { region, currency, asOf, lines, total, most, unknown, free, notIncluded: [...byUse, ...notIncluded] };
}

type Estimate = ReturnType<typeof estimate>;

/** A line of the estimate, in USD; `most` is there where the quantity varies. */
function toLine(resource: string, { what, quantity, each, most }: Item) {
  const atMost = most === undefined ? undefined : { quantity: most, monthly: most * each };
  return { resource, what, quantity, monthly: quantity * each, most: atMost };
}

type Line = ReturnType<typeof toLine>;

/** Runs the program with made-up answers, and returns what it registers: nothing is created, and no account is asked. */
export async function planned(stack: string, config: Record<string, string>): Promise<Resource[]> {
  const pulumi = await import("@pulumi/pulumi");
  const { architectures, machineNames } = await import("../components/architecture.ts");
  const { contentTagPrefix } = await import("../components/image-reference.ts");
  const { runProgram } = await import("./shared/program.ts");
  const architectureOf = (text: string) =>
    machineNames.map((name) => architectures[name].ec2).find((ec2) => text.endsWith(ec2)) ?? "";
  const registry = { proxyEndpoint: "https://registry.invalid", userName: "AWS", password: "none" };
  const zones = (): string[] => [...JSON.parse(config[`${projectName}:availabilityZones`] ?? "[]"), "a", "b"];
  const resources: Resource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource({ type, name, inputs }) {
        resources.push({ type, name, inputs });
        return {
          id: name,
          state: { arn: name, name, repositoryUrl: name, dnsName: name, ...inputs, digest: name, configs: {} },
        };
      },
      call({ token, inputs }) {
        const answers: Record<string, object> = {
          getAuthorizationToken: registry,
          getParameter: { value: inputs.name },
          getAmi: { id: "ami", architecture: architectureOf(String(inputs.filters?.[0]?.values[0])) },
          getImage: { imageDigest: "sha256:0", imageTags: [contentTagPrefix] },
          getCertificate: { arn: "certificate" },
          getAvailabilityZones: { names: zones() },
          getInstanceTypeOfferings: { locations: zones() },
        };
        const answer = answers[token.split(":").at(-1) ?? ""];
        if (answer === undefined) throw new Error(`cli/cost.ts has no answer for ${token}, which the program asks`);
        return answer;
      },
    },
    projectName,
    stack,
  );
  pulumi.runtime.setAllConfig(config);
  await runProgram();
  return resources;
}

const dollars = (amount: number) => `$${amount.toFixed(2)}`;
/** As many decimals as it has, up to four: without those that binary fractions add. */
const plain = (quantity: number) => String(Number(quantity.toFixed(4)));
const range = (least: string, most: string) => (least === most ? least : `${least} to ${most}`);
const quantityOf = ({ quantity, most }: Line) => range(plain(quantity), plain(most?.quantity ?? quantity));
const monthlyOf = ({ monthly, most }: Line) => range(monthly.toFixed(2), (most?.monthly ?? monthly).toFixed(2));

const rowsOf = ({ lines }: Estimate) =>
  lines.map((line) => [line.resource, line.what, quantityOf(line), monthlyOf(line)]);

export function toText(result: Estimate): string {
  const table = new Table({
    head: ["resource", "what", "quantity", "USD a month"],
    colAligns: ["left", "left", "right", "right"],
    style: { head: [], border: [] },
  });
  table.push(...rowsOf(result));
  table.push(["total", "", "", range(result.total.toFixed(2), result.most.toFixed(2))]);
  return `${table}\n${notes(result).join("\n")}\n`;
}

/** The estimate for a comment on GitHub: the sum, and the parts folded below it. */
export function toMarkdown(result: Estimate): string {
  return [
    `<details><summary>Price: <b>${range(dollars(result.total), dollars(result.most))}</b> a month${result.unknown.length > 0 ? " and what has no known price" : ""}</summary>`,
    "",
    "| resource | what | quantity | USD a month |",
    "| --- | --- | ---: | ---: |",
    ...rowsOf(result).map((row) => `| ${row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`),
    "",
    ...notes(result).map((note) => `- ${note}`),
    "",
    "</details>",
    "",
  ].join("\n");
}

function notes(result: Estimate): string[] {
  return [
    ...result.unknown.map(({ resource, why }) => `WITHOUT A PRICE: ${resource}: ${why}`),
    `${result.free} further resources cost nothing; prices of ${result.region} of ${result.asOf}, ${prices.hoursPerMonth} hours a month, sources in local/providers/aws/prices.ts`,
    ...result.notIncluded.map((what) => `not included: ${what}`),
  ];
}

export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { stack: { type: "string", default: "dev" }, json: { type: "boolean" }, markdown: { type: "boolean" } },
  });
  // The program finds its build context beside Pulumi.yaml.
  process.chdir(root);
  const config = stackConfig(values.stack);
  const result = estimate(await planned(values.stack, config), config["aws:region"] ?? prices.region);
  process.stdout.write(
    values.json ? `${JSON.stringify(result, null, 2)}\n` : values.markdown ? toMarkdown(result) : toText(result),
  );
  // A sum that leaves something out must not pass for the price.
  if (result.unknown.length > 0) process.exitCode = 1;
  const days = Math.round((Date.now() - Date.parse(prices.asOf)) / 86_400_000);
  if (days > 365) say(`the prices are ${days} days old: bring local/providers/aws/prices.ts up to date`);
}

if (import.meta.main) await runCommand(usage, main, 2);

import type { Price } from "../../local/providers/aws/prices.ts";
import { rows, type Token } from "../../local/providers/aws/rows.ts";

/** What is charged by use, which nobody knows beforehand: named beside the sum, and not in it. */
export const notIncluded = [
  "data transfer to the internet: the first 100 GB a month of an account are free, then $0.126 per GB",
  "data between the two availability zones: $0.01 per GB in each direction",
  "what machines log: $0.76 per GB, and $0.03 a month for each GB that is kept; a request is a line of about 200 bytes, so a million of them cost $0.15",
  "the flow log of refused traffic: $0.76 per GB; a public address is probed all day, and each record covers a minute at most",
  "CPU credits, of a machine that is busier than its baseline for 24 hours: $0.05 (t3) and $0.04 (t4g) per vCPU hour above it, at most $58 and $47 a month for a .small; a boot spends about one credit, less than $0.001",
  "ECR's requests to AWS KMS: cents; images scanned by Amazon Inspector, if the account has switched it on",
  "taxes, free tiers and credits of the account",
] as const;

/** A resource as the program registers it, or as the engine keeps it. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** The price of a type. The project's own components and the engine's resources are nothing but names. */
export function priceOf(type: string): Price | undefined {
  if (/^pulumi-nodejs:dynamic[/:]/.test(type)) return "requests to AWS's API and to the machines";
  if (/^(hono-app:index:|pulumi:)/.test(type)) return "a name for what is in it";
  if (type === "docker-build:index:Image") return "built by your own builder, stored in the repository";
  return Object.hasOwn(rows, type) ? rows[type as Token].price : undefined;
}

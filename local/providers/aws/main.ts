// The program that the engine starts as pulumi-resource-aws.
import aws from "@pulumi/aws/package.json" with { type: "json" };
import { main } from "@pulumi/pulumi/provider/server.js";
import { config, once, sts } from "./clients.ts";
import { functions } from "./functions.ts";
import { provider } from "./provider.ts";
import { resources } from "./rows.ts";

const { maxRetries, region, allowedAccountIds } = config();

// As often as the real provider: https://registry.terraform.io/providers/hashicorp/aws/latest/docs#max_retries-1
process.env.AWS_MAX_ATTEMPTS = maxRetries ?? "25";

/** Checks the configuration against the local cloud. */
const checkConfig = once(async () => {
  if (region && region !== process.env.AWS_REGION) {
    throw new Error(`aws:region is "${region}": this cloud is ${process.env.AWS_REGION}`);
  }
  const allowed: string[] = JSON.parse(allowedAccountIds ?? "[]");
  if (allowed.length === 0) return;
  const { Account = "" } = await sts().getCallerIdentity({});
  if (!allowed.includes(Account)) throw new Error(`AWS account ID not allowed: ${Account}`);
});

// The SDK's server reports an error to the engine, and prints its JavaScript stack too, which is of no use to a user.
console.error = () => {};

await main(provider(aws.version, resources, functions, checkConfig), process.argv.slice(2));

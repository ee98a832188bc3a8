// The program that the engine starts as pulumi-resource-aws.
import aws from "@pulumi/aws/package.json" with { type: "json" };
import { main } from "@pulumi/pulumi/provider/server.js";
import { checkConfig } from "./config.ts";
import { functions } from "./functions.ts";
import { provider } from "./provider.ts";
import { resources } from "./resources.ts";

// The SDK's server reports an error to the engine, and prints its JavaScript stack too, which is of no use to a user.
console.error = () => {};

await main(provider(aws.version, resources, functions, checkConfig), process.argv.slice(2));

// The program that the engine starts as pulumi-resource-aws.
import { main } from "@pulumi/pulumi/provider/server.js";
import { checkConfig } from "./config.ts";
import { functions } from "./functions.ts";
import { provider } from "./provider.ts";
import { resources } from "./resources.ts";

// The SDK's server reports an error to the engine, and prints its JavaScript stack too, which is of no use to a user.
console.error = () => {};

await main(provider("7.48.0", resources, functions, checkConfig), process.argv.slice(2));

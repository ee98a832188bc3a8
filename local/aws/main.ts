// The program that the engine starts as pulumi-resource-aws.
import { main } from "@pulumi/pulumi/provider/server.js";
import { checkConfig } from "./config.ts";
import { ecrResources } from "./ecr.ts";
import { flowLogResources } from "./flow-log.ts";
import { functions } from "./functions.ts";
import { iamResources } from "./iam.ts";
import { instanceResources } from "./instance.ts";
import { provider } from "./provider.ts";
import { securityGroupResources } from "./security-group.ts";
import { vpcResources } from "./vpc.ts";

// The SDK's server reports a refusal to the engine and prints its JavaScript stack besides, which tells a user nothing.
console.error = () => {};

const resources = {
  ...ecrResources,
  ...iamResources,
  ...vpcResources,
  ...flowLogResources,
  ...securityGroupResources,
  ...instanceResources,
};
await main(provider("7.48.0", resources, functions, checkConfig), process.argv.slice(2));

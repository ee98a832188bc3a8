// The program that the engine starts as pulumi-resource-awsx.
import awsx from "@pulumi/awsx/package.json" with { type: "json" };
import { main } from "@pulumi/pulumi/provider/server.js";

console.error = () => {};

const provider = {
  version: awsx.version,
  async construct(name, type, inputs, options) {
    if (type !== "awsx:ec2:Vpc") throw new Error(`unknown component ${type}; known: awsx:ec2:Vpc`);
    const { checkArgs, Vpc } = await import("./vpc.ts");
    checkArgs(inputs);
    const vpc = new Vpc(name, inputs, options);
    return { urn: vpc.urn, state: vpc.state };
  },
} satisfies import("@pulumi/pulumi/provider/provider.js").Provider;

await main(provider, process.argv.slice(2));

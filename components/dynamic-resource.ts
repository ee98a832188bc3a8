import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";

/**
 * A resource whose provider is the export `provider` of a file in this folder.
 *
 * It is a dynamic resource of Pulumi's, but for one thing: `pulumi.dynamic.Resource` would write the provider's functions into the state, as
 * text. Making that text takes each command half a second of processor time, and a changed line would be a change in the preview of every
 * stack. Here the state has where the functions are, and each command runs those of its own checkout, as it does with every other provider.
 *
 * The file's name is in the state of every stack: in a checkout that has no such file a refresh fails. A deletion needs none of the functions, so
 * that any checkout can destroy a stack.
 */
export class DynamicResource extends pulumi.CustomResource {
  constructor(type: string, file: string, name: string, inputs: pulumi.Inputs, opts?: pulumi.CustomResourceOptions) {
    super(`pulumi-nodejs:dynamic/hono-app:${type}`, name, { ...inputs, __provider: handlerOf(basename(file)) }, opts);
  }
}

/**
 * What Pulumi's provider of dynamic resources runs. Its working folder is the project's: it is itself found in node_modules there.
 *
 * @see https://github.com/pulumi/pulumi/blob/master/sdk/nodejs/dist/pulumi-resource-pulumi-nodejs
 */
const handlerOf = (file: string) =>
  `const get = (_, call) => ["check", "diff", "create", "update", "read"].includes(call)
  ? require(process.cwd() + "/components/${file}").provider[call]
  : undefined;
exports.handler = () => new Proxy({}, { get });
`;

/**
 * Shows a line to the person who deploys. Where the engine was killed, the provider ends with it: Pulumi's own handler would report for ever,
 * to nobody, that nobody listens, and take a whole processor for it.
 */
export function show(line: string): void {
  process.stdout.write(`${line}\n`, (error) => {
    if (error) process.exit(1);
  });
}

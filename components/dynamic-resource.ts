import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** The functions that a provider here has. Not `delete`: a checkout without the provider's file must be able to destroy a stack. */
const calls = ["check", "diff", "create", "update", "read"] as const;

type Provider<Inputs, Outputs> = Pick<pulumi.dynamic.ResourceProvider<Inputs, Outputs>, (typeof calls)[number]>;

/** How a resource is made, and when it is made again. */
interface Making<Inputs, State extends Inputs> extends Pick<Provider<Inputs, State>, "check" | "read"> {
  readonly idOf: (inputs: Inputs) => string;
  /** Where these have changed, the resource is made again. */
  readonly factsOf: (inputs: Inputs) => unknown;
  /** Whether it is made again although they have not: somebody else has changed the resource. @default never */
  readonly hasMoved?: (olds: State, news: Inputs) => boolean;
  /** @param olds What it was before. @default it is new */
  readonly make: (inputs: Inputs, olds?: State) => Promise<State> | State;
}

/** The provider of a resource that is made in the same way whether it is new or has changed. */
export function providerFor<Inputs, State extends Inputs>(own: Making<Inputs, State>): Provider<Inputs, State> {
  const { idOf, factsOf, hasMoved = () => false, make, ...others } = own;
  const isOther = (olds: State, news: Inputs) => JSON.stringify(factsOf(olds)) !== JSON.stringify(factsOf(news));
  return {
    ...others,
    diff: async (_id, olds, news) => ({ changes: isOther(olds, news) || hasMoved(olds, news) }),
    create: async (inputs) => ({ id: idOf(inputs), outs: await make(inputs) }),
    update: async (_id, olds, news) => ({ outs: await make(news, olds) }),
  };
}

/**
 * A resource whose provider is the export `provider` of a file in this folder.
 *
 * `pulumi.dynamic.Resource` would write the provider's functions into the state, as text: that takes half a second of processor time in each
 * command, and an edit of a function would be a change in the preview of every stack. Here the state has the file's name, and each command runs
 * the functions of its own checkout. In a checkout without that file a refresh fails.
 */
export class DynamicResource extends pulumi.CustomResource {
  constructor(type: string, file: string, name: string, inputs: pulumi.Inputs, opts?: pulumi.CustomResourceOptions) {
    super(`pulumi-nodejs:dynamic/hono-app:${type}`, name, { ...inputs, __provider: handlerOf(basename(file)) }, opts);
  }
}

/**
 * The code that Pulumi's provider of dynamic resources runs. That provider's working folder is the project's, in whose node_modules it is found.
 *
 * @see https://github.com/pulumi/pulumi/blob/master/sdk/nodejs/dist/pulumi-resource-pulumi-nodejs
 */
const handlerOf = (file: string) =>
  `const get = (_, call) => ${JSON.stringify(calls)}.includes(call)
  ? require(process.cwd() + "/components/${file}").provider[call]
  : undefined;
exports.handler = () => new Proxy({}, { get });
`;

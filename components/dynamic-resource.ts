import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";

/** What the engine asks of a provider here. Not `delete`: a checkout without the file must be able to destroy a stack. */
const calls = ["check", "diff", "create", "update", "read"] as const;

/** The functions of a resource; another one would never be called. */
type Provider<Inputs, Outputs> = Pick<pulumi.dynamic.ResourceProvider<Inputs, Outputs>, (typeof calls)[number]>;

/** How a resource is made, and what makes it another one. */
interface Making<Inputs, State extends Inputs> extends Pick<Provider<Inputs, State>, "check" | "read"> {
  readonly idOf: (inputs: Inputs) => string;
  /** Where one of these has changed, it is made again. */
  readonly factsOf: (inputs: Inputs) => unknown;
  /** Whether it is made again all the same: somebody else has changed it. */
  readonly hasMoved?: (olds: State, news: Inputs) => boolean;
  /** @param olds What it was before, if it was there. */
  readonly make: (inputs: Inputs, olds?: State) => Promise<State> | State;
}

/** The functions of a resource that is made in one way, whether it is new or has changed. */
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
 * It is a dynamic resource of Pulumi's, but for one thing: `pulumi.dynamic.Resource` would write the provider's functions into the state, as
 * text. Making that text takes each command half a second of processor time, and a changed line would be a change in the preview of every
 * stack. Here the state has where the functions are, and each command runs those of its own checkout, as it does with every other provider.
 *
 * The file's name is in the state of every stack: in a checkout that has no such file a refresh fails.
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
  `const get = (_, call) => ${JSON.stringify(calls)}.includes(call)
  ? require(process.cwd() + "/components/${file}").provider[call]
  : undefined;
exports.handler = () => new Proxy({}, { get });
`;

/**
 * Prints a line for the person who deploys. If the engine was killed, the provider exits: Pulumi's own handler would retry the write for
 * ever, and use a whole processor.
 */
export function show(line: string): void {
  process.stdout.write(`${line}\n`, (error) => {
    if (error) process.exit(1);
  });
}

/** For `catch`: the same error, with where its remedies are. */
export const withRemedy = (where: string) => (error: Error) => {
  throw new Error(`${error.message}\nWhat to do: ${where}`, { cause: error });
};

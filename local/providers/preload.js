// What every Node that the engine starts here loads first.
import { createRequire } from "node:module";

// The engine interrupts a plugin that it no longer needs. One that exits by itself keeps what Node has compiled for it.
process.once("SIGINT", () => process.exit(128 + 2));
// One that was killed could not, but its end of the input's pipe is closed.
if ("unref" in process.stdin)
  process.stdin
    .once("end", () => process.exit(1))
    .resume()
    .unref();

// The SDK maps stack traces to its own sources, which costs a process a third of a second; the project's files have their true lines anyway.
Object.defineProperty(Error, "prepareStackTrace", { get: () => undefined, set: () => {} });

// The SDK loads the TypeScript compiler, a third of what it loads, in every process. It is needed where functions are written into the
// state, so it is loaded when it is first called.
const require = createRequire(import.meta.url);
const compiler = require.resolve("@pulumi/pulumi/typescript-shim");
const load = (_, name) => {
  if (require.cache[compiler] === onDemand) delete require.cache[compiler];
  return require(compiler)[name];
};
const onDemand = { id: compiler, loaded: true, exports: new Proxy({}, { get: load }) };
require.cache[compiler] = onDemand;

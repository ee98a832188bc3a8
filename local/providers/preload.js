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

// The SDK loads the TypeScript compiler and the Automation API in every process. A process that needs one loads it when it first asks for
// something in it.
const require = createRequire(import.meta.url);
for (const name of ["@pulumi/pulumi/typescript-shim", "@pulumi/pulumi/automation"]) {
  const file = require.resolve(name);
  const load = () => {
    if (require.cache[file] === onDemand) delete require.cache[file];
    return require(file);
  };
  const get = (_, key) => key === "__esModule" || load()[key];
  const onDemand = { id: file, loaded: true, exports: new Proxy({}, { get }) };
  require.cache[file] = onDemand;
}

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

const { resolve, cache } = createRequire(import.meta.url);
const sdk = createRequire(resolve("@pulumi/pulumi"));

// The SDK maps stack traces to its own sources, which costs a process a third of a second; the project's files have their true lines anyway.
const sourceMaps = sdk.resolve("source-map-support");
cache[sourceMaps] = { id: sourceMaps, loaded: true, exports: { install() {} } };

// The SDK loads the TypeScript compiler, the Automation API and what sends traces in every process. A process that needs one loads it when it
// first asks for something in it.
const stubs = new Set();
/** @param get What the stub has under a key; `load` gives the module. */
function loadOnDemand(name, get) {
  const file = sdk.resolve(name);
  const load = () => {
    // What it loads wants the others themselves.
    for (const stub of stubs) if (cache[stub.id] === stub) delete cache[stub.id];
    return sdk(file);
  };
  const exports = new Proxy({}, { get: (_, key) => key === "__esModule" || get(load, key) });
  const stub = { id: file, loaded: true, exports };
  stubs.add(stub);
  cache[file] = stub;
}
for (const name of ["@pulumi/pulumi/typescript-shim", "@pulumi/pulumi/automation"])
  loadOnDemand(name, (load, key) => load()[key]);
// This one starts the inspector, which takes a tenth of a second, and sets an option of V8 for which Node compiles its own modules again, a
// twentieth more. Both serve what writes a function, which asks for the inspector itself.
loadOnDemand("@pulumi/pulumi/runtime/closure/v8Hooks", (load, key) =>
  key === "isInitializedAsync" ? async () => {} : load()[key],
);
// From these it takes functions and classes at once, and calls them only where it sends traces or writes a function with its packages.
for (const name of [
  "@opentelemetry/exporter-zipkin",
  "@opentelemetry/instrumentation",
  "@opentelemetry/instrumentation-grpc",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-trace-base",
  "@opentelemetry/sdk-trace-node",
  "@pulumi/pulumi/runtime/closure/codePaths",
])
  loadOnDemand(
    name,
    (load, key) =>
      function (...args) {
        return new.target ? Reflect.construct(load()[key], args) : load()[key](...args);
      },
  );

// Each promise has the stack of where it was made. That takes the program a tenth of a second, and is shown with this variable alone.
if (!process.env.PULUMI_DEBUG_PROMISE_LEAKS) {
  const debuggable = sdk("@pulumi/pulumi/runtime/debuggable");
  const { debuggablePromise } = debuggable;
  debuggable.debuggablePromise = (...args) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(...args);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
}

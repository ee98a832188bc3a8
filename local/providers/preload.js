// What every Node that the engine starts here loads first.

// The engine interrupts a plugin that it no longer needs. One that exits by itself keeps what Node has compiled for it.
process.once("SIGINT", () => process.exit(128 + 2));

// The SDK maps stack traces to its own sources, which costs a process a third of a second; the project's files have their true lines anyway.
Object.defineProperty(Error, "prepareStackTrace", { get: () => undefined, set: () => {} });

// The same app, on Node.
import { machine } from "node:os";
import { serve } from "@hono/node-server";
import { createApp } from "../../app/src/app.ts";
import { readElfMachine } from "../../app/src/elf.ts";
import { readPlatform, readPort } from "../../app/src/platform.ts";

const log = (entry: object) =>
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);

const app = createApp({
  platform: readPlatform(process.env, {
    architecture: process.arch,
    machine: machine(),
    elf: readElfMachine(process.execPath),
    runtime: "node",
    version: process.versions.node,
    pid: process.pid,
    startedAt: new Date(),
  }),
  log,
});
serve({ fetch: app.fetch, port: readPort(process.env) });

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { checkBinaries } from "../../../app/check-binaries.ts";
import { type AppOptions, createApp, type LogEntry } from "../../../app/src/app.ts";
import { elfMachine, readElfMachine } from "../../../app/src/elf.ts";
import { HTTPException } from "../../../app/src/hono.ts";
import { consistency, humanDuration, layerReports } from "../../../app/src/page.ts";
import { type ProcessFacts, readPlatform, readPort, report } from "../../../app/src/platform.ts";
import { createShutdown } from "../../../app/src/shutdown.ts";
import { temporaryFolder, write } from "../../support/process.ts";

const STARTED = new Date("2026-03-01T10:00:00.000Z");
const NOW = new Date("2026-03-01T11:01:05.400Z");
const DIGEST = `sha256:${"ab".repeat(32)}`;
const IMAGE_ID = `sha256:${"1d".repeat(32)}`;

const onGraviton: ProcessFacts = {
  architecture: "arm64",
  machine: "aarch64",
  elf: "aarch64",
  runtime: "bun",
  version: "1.4.5",
  pid: 1,
  startedAt: STARTED,
};

const environment = {
  APP_NAME: "hono-app",
  APP_VERSION: "c0ffee",
  INSTANCE_ID: "i-0abc",
  INSTANCE_TYPE: "t4g.small",
  MACHINE_ARCHITECTURE: "aarch64",
  IMAGE_ARCHITECTURE: "arm64",
  IMAGE_REF: `registry/hono-app:c0ffee@${DIGEST}`,
  IMAGE_DIGEST: DIGEST,
  IMAGE_ID,
};

/** The same as the app reports it. */
const reported = {
  app: { name: "hono-app", version: "c0ffee" },
  machine: { architecture: "aarch64", instanceId: "i-0abc", instanceType: "t4g.small" },
  image: { architecture: "arm64", digest: DIGEST, id: IMAGE_ID, ref: `registry/hono-app:c0ffee@${DIGEST}` },
  process: { ...onGraviton, startedAt: STARTED.toISOString(), uptimeSeconds: 3665 },
};

const BROWSER = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8" };

function start(env: Record<string, string> = environment, options: Partial<AppOptions> = {}) {
  const logged: LogEntry[] = [];
  const app = createApp({
    platform: readPlatform(env, onGraviton),
    log: (entry) => logged.push(entry),
    now: () => NOW,
    ...options,
  });
  return { app, logged };
}

/** An answer: its status, its headers, and its body, parsed where it is JSON. */
async function ask(path: string, init: RequestInit = {}, { app } = start()) {
  const response = await app.request(path, init);
  const headers = Object.fromEntries(response.headers);
  const text = await response.text();
  const isJson = text !== "" && headers["content-type"] === "application/json";
  return { status: response.status, headers, body: isJson ? JSON.parse(text) : text };
}
const asBrowser = { headers: BROWSER };
/** The page as a browser gets it. */
const pageFor = async (env: Record<string, string>) => (await ask("/", asBrowser, start(env))).body;

describe("/platform", () => {
  test("reports machine, image and process, and the given nonce", async () => {
    const { status, headers, body } = await ask("/platform?nonce=a1-B_2.c");
    expect([status, headers["cache-control"]]).toEqual([200, "no-store"]);
    expect(body).toEqual({ ...reported, nonce: "a1-B_2.c" });
  });

  test("is JSON for a browser too, and null where a fact is not given", async () => {
    const { body } = await ask("/platform", asBrowser, start({ APP_NAME: "", INSTANCE_ID: "  " }));
    expect(body).toMatchObject({
      app: { name: null, version: null },
      machine: { architecture: null, instanceId: null, instanceType: null },
      image: { architecture: null, digest: null, id: null, ref: null },
      nonce: null,
    });
  });

  test("tells the age at each question", async () => {
    let now = NOW;
    const asked = start(environment, { now: () => now });
    const age = async () => (await ask("/platform", {}, asked)).body.process.uptimeSeconds;
    expect(await age()).toBe(3665);
    now = new Date(NOW.getTime() + 1000);
    expect(await age()).toBe(3666);
  });

  test.each([
    ["empty", ""],
    ["too long", "a".repeat(129)],
    ["markup", "%3Cb%3E"],
    ["a line break", "a%0Ab"],
  ])("refuses a nonce that is %s", async (_, nonce) => {
    const error = expect.stringContaining("nonce must be 1 to 128");
    expect(await ask(`/platform?nonce=${nonce}`)).toMatchObject({ status: 400, body: { error } });
  });

  test("takes a nonce of 128 characters", async () => {
    const nonce = "a".repeat(128);
    expect(await ask(`/platform?nonce=${nonce}`)).toMatchObject({ body: { nonce } });
  });
});

describe("/", () => {
  test.each([
    ["a browser", BROWSER.Accept, "text/html; charset=UTF-8"],
    ["a client that asks for JSON", "application/json", "application/json"],
    ["a client that prefers JSON", "text/html;q=0.5, application/json", "application/json"],
    ["curl", "*/*", "application/json"],
    ["a client without Accept", undefined, "application/json"],
    ["a client that wants neither", "image/png", "application/json"],
  ])("answers %s in its form", async (_, accept, type) => {
    const { status, headers, body } = await ask("/", { headers: accept ? { Accept: accept } : {} });
    expect([status, headers["content-type"], headers.vary]).toEqual([200, type, "Accept"]);
    if (type === "application/json") expect(body).toEqual(reported);
  });

  test("the page shows which machine answered", async () => {
    const page = await pageFor(environment);
    expect(page).toContain('<html lang="en" class="arm64">');
    expect(page).toContain('name="viewport"');
    expect(page).toContain("<title>arm64 · hono-app</title>");
    const since = "2026-03-01 10:00:00 UTC";
    for (const text of [
      "AWS Graviton",
      "i-0abc",
      "t4g.small",
      DIGEST,
      "1 hour 1 minute",
      since,
      "All four say the same.",
    ])
      expect(page).toContain(text);
    expect(page.split(DIGEST)).toHaveLength(2);
    expect(page).not.toContain("<script");
  });

  test("the page escapes every value of the environment", async () => {
    const evil = `"'><script>alert(1)</script>`;
    const page = await pageFor(Object.fromEntries(Object.keys(environment).map((name) => [name, evil])));
    expect(page).not.toContain("<script");
    expect(page).toContain("&lt;script&gt;");
  });

  test("the page shows that machine and process differ", async () => {
    const page = await pageFor({ ...environment, MACHINE_ARCHITECTURE: "x86_64" });
    expect(page).toMatch(/ class="wrong".*They do not agree/s);
  });
});

test("/health is 200 until the server shuts down", async () => {
  let shuttingDown = false;
  const server = start(environment, { isShuttingDown: () => shuttingDown });
  expect(await ask("/health", {}, server)).toMatchObject({ status: 200, body: { status: "ok" } });
  shuttingDown = true;
  expect(await ask("/health", {}, server)).toMatchObject({ status: 503, body: { status: "shutting down" } });
});

describe("errors", () => {
  test("an unknown address is a 404, as JSON or a page", async () => {
    const { status, body } = await ask("/nothing", { headers: { "X-Request-Id": "r-1" } });
    expect([status, body]).toEqual([404, { error: "There is nothing at this address.", requestId: "r-1" }]);
    const headers = { "content-type": "text/html; charset=UTF-8" };
    expect(await ask("/nothing", asBrowser)).toMatchObject({ status: 404, headers });
  });

  test.each(["/", "/platform", "/health"])("another method at %s is a 405 that names those allowed", async (path) => {
    const server = start();
    const { status, headers } = await ask(path, { method: "POST" }, server);
    expect(status).toBe(405);
    const own = { allow: "GET, HEAD", "content-type": "application/json", "x-content-type-options": "nosniff" };
    expect(headers).toMatchObject(own);
    expect(server.logged).toMatchObject([{ method: "POST", path, status: 405 }]);
  });

  test("only the log shows the cause of an error", async () => {
    const server = start();
    server.app.get("/broken", () => {
      throw new Error("password=hunter2");
    });
    for (const headers of [{ Accept: "application/json" }, BROWSER]) {
      const answer = await ask("/broken", { headers }, server);
      const text = JSON.stringify(answer.body);
      expect(answer.status).toBe(500);
      expect(text).not.toMatch(/hunter2|app\.test\.ts/);
      expect(text).toContain(answer.headers["x-request-id"]);
      expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
    }
    expect(server.logged).toHaveLength(2);
    const error = expect.stringContaining("hunter2");
    expect(server.logged[0]).toMatchObject({ level: "error", status: 500, path: "/broken", error });
  });

  test.each([
    [413, 413],
    [503, 500],
  ] as const)(
    "what a handler says with %i, the client gets as %i, and in its words only below 500",
    async (status, sent) => {
      const server = start();
      server.app.get("/refused", () => {
        throw new HTTPException(status, { message: "too much" });
      });
      const { body, ...answer } = await ask("/refused", {}, server);
      expect([answer.status, body.error === "too much"]).toEqual([sent, sent < 500]);
    },
  );
});

describe("headers", () => {
  test("every answer but the health check's has the same ones", async () => {
    const common = async (path: string, method = "GET") => {
      const own = ["allow", "content-length", "content-type", "vary", "x-request-id"];
      return Object.entries((await ask(path, { method })).headers).filter(([name]) => !own.includes(name));
    };
    const expected = await common("/");
    expect(expected).toHaveLength(12);
    for (const path of ["/platform", "/platform?nonce=x y", "/nothing"]) expect(await common(path)).toEqual(expected);
    expect(await common("/platform", "HEAD")).toEqual(expected);
    expect(await common("/platform", "DELETE")).toEqual(expected);
  });

  test("what a route sets itself stays, and the others are added", async () => {
    const own = {
      "content-security-policy": "default-src 'self'",
      "cache-control": "max-age=60",
      "x-frame-options": "SAMEORIGIN",
    };
    const server = start();
    server.app.get("/own", (c) => c.body("own", 200, own));
    const { headers } = await ask("/own", {}, server);
    expect(headers).toMatchObject({ ...own, "x-content-type-options": "nosniff" });
  });

  test("the policy allows the page its own style and nothing else", async () => {
    for (const path of ["/", "/nothing"]) {
      const { headers, body } = await ask(path, asBrowser);
      const style = /<style>(.*)<\/style>/s.exec(body)?.[1] ?? "";
      const hash = createHash("sha256").update(style).digest("base64");
      expect(headers).toMatchObject({
        "content-security-policy": `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
      });
      expect(headers).not.toHaveProperty("strict-transport-security");
    }
  });

  test("a request id is kept, or replaced where it has other characters", async () => {
    const given = async (id: string) => (await ask("/", { headers: { "X-Request-Id": id } })).headers["x-request-id"];
    expect(await given("abc-123")).toBe("abc-123");
    expect(await given('a" b')).toMatch(/^[\da-f-]{36}$/);
  });
});

test("log: one entry for each request, without the query, and none for health", async () => {
  const { app, logged } = start();
  await app.request("/platform?nonce=secret", { headers: { "X-Request-Id": "r-2" } });
  await app.request("/health");
  await app.request("/health", { method: "HEAD" });
  await app.request("/nothing", { method: "DELETE" });
  expect(logged).toEqual([
    {
      level: "info",
      time: NOW.toISOString(),
      requestId: "r-2",
      method: "GET",
      path: "/platform",
      status: 200,
      durationMs: expect.any(Number),
    },
    expect.objectContaining({ level: "info", method: "DELETE", path: "/nothing", status: 404 }),
  ]);
});

describe("the page's conclusion", () => {
  const conclusion = (env: Record<string, string>, facts: Partial<ProcessFacts> = {}) =>
    consistency(layerReports(report(readPlatform(env, { ...onGraviton, ...facts }), 0)));

  test("names of one architecture agree, though each layer has its own", () => {
    const intel = { ...environment, MACHINE_ARCHITECTURE: "x86_64", IMAGE_ARCHITECTURE: "amd64" };
    expect(conclusion(intel, { architecture: "x64", elf: "x86_64" })).toEqual({
      agree: true,
      text: "All four say the same.",
    });
  });

  test("a missing value is named and is no mismatch", () => {
    expect(conclusion({})).toEqual({
      agree: true,
      text: "Those that were asked say the same. Not reported here: machine and image.",
    });
  });

  test.each([
    ["the image", { ...environment, IMAGE_ARCHITECTURE: "amd64" }, {}],
    ["the binary", environment, { elf: "x86_64" }],
    ["an unknown name", { ...environment, MACHINE_ARCHITECTURE: "riscv64" }, {}],
  ])("%s differs", (_, env, facts) => {
    expect(conclusion(env, facts).agree).toBe(false);
  });

  test.each([
    [0, "0 seconds"],
    [1, "1 second"],
    [61, "1 minute 1 second"],
    [3_600, "1 hour"],
    [3_665, "1 hour 1 minute"],
    [2 * 86_400 + 30, "2 days"],
  ])("%i seconds are %s", (seconds, words) => {
    expect(humanDuration(seconds)).toBe(words);
  });
});

describe("PORT", () => {
  test.each([
    [undefined, 3000],
    ["", 3000],
    ["8080", 8080],
    ["65535", 65_535],
  ])("%j is %i", (given, port) => {
    expect(readPort({ PORT: given })).toBe(port);
  });

  test.each(["0", "65536", "-1", "80a", "3.5", "1e3"])("refuses %j", (given) => {
    expect(() => readPort({ PORT: given })).toThrow(`PORT is "${given}"; allowed is a whole number from 1 to 65535.`);
  });
});

/** The header of a 64-bit ELF file for a machine. */
function elf(machine: number, { bigEndian = false } = {}): Uint8Array {
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, bigEndian ? 2 : 1, 1]);
  new DataView(header.buffer).setUint16(18, machine, !bigEndian);
  return header;
}

describe("ELF", () => {
  test.each([
    ["aarch64", elf(183)],
    ["x86_64", elf(62)],
    ["e_machine 243", elf(243)],
    ["e_machine 22", elf(22, { bigEndian: true })],
    [null, elf(183).subarray(0, 19)],
    [null, new TextEncoder().encode("#!/bin/sh\necho a script\n")],
    [null, new Uint8Array()],
  ])("is %j", (machine, header) => {
    expect(elfMachine(header)).toBe(machine);
  });

  test("reads a header within a larger buffer", () => {
    const buffer = new Uint8Array(80);
    buffer.set(elf(183), 16);
    expect(elfMachine(buffer.subarray(16))).toBe("aarch64");
  });
});

describe("check-binaries", () => {
  let folder: string;
  let root: string;
  let bundle: string;

  beforeEach(() => {
    folder = temporaryFolder(onTestFinished);
    root = join(folder, "base");
    bundle = join(folder, "bundle");
    write(join(root, "usr/local/bin/bun"), elf(183));
    write(join(bundle, "app/main.js"), new TextEncoder().encode("// no binary"));
  });

  test("passes when every binary is for the target", () => {
    write(join(bundle, "app/addon-1.node"), elf(183));
    expect(checkBinaries("arm64", root, [bundle])).toEqual([]);
    expect(readElfMachine(join(root, "usr/local/bin/bun"))).toBe("aarch64");
  });

  test("names file, expected and found for each that is not", () => {
    write(join(bundle, "app/addon-1.node"), elf(62));
    write(join(root, "opt/deep/er/addon-2.node"), new TextEncoder().encode("text"));
    write(join(root, "opt/libvips-cpp.so.8.17"), elf(62));
    write(join(root, "opt/notes.so.txt"), elf(62));
    expect(checkBinaries("arm64", root, [bundle])).toEqual([
      `${root}/opt/deep/er/addon-2.node: expected aarch64 (linux/arm64), found no ELF file.`,
      `${root}/opt/libvips-cpp.so.8.17: expected aarch64 (linux/arm64), found x86_64.`,
      `${bundle}/app/addon-1.node: expected aarch64 (linux/arm64), found x86_64.`,
    ]);
    expect(checkBinaries("amd64", root)).toContain(
      `${root}/usr/local/bin/bun: expected x86_64 (linux/amd64), found aarch64.`,
    );
  });

  test("follows links neither in circles nor out of the base image", () => {
    symlinkSync(".", join(root, "circle"));
    expect(checkBinaries("arm64", root)).toEqual([]);
    write(join(folder, "host-bun"), elf(183));
    rmSync(join(root, "usr/local/bin/bun"));
    symlinkSync(join(folder, "host-bun"), join(root, "usr/local/bin/bun"));
    expect(checkBinaries("arm64", root)).toEqual([`${root}/usr/local/bin/bun links out of the base image.`]);
  });

  test("refuses a base without Bun, and an unknown target", () => {
    expect(checkBinaries("arm64", bundle)[0]).toContain("usr/local/bin/bun is missing");
    expect(checkBinaries("riscv64", root)).toEqual([`TARGETARCH is "riscv64"; known are arm64 and amd64.`]);
  });
});

describe("shutdown", () => {
  function ending(stop: (closeActive?: boolean) => Promise<void>) {
    const exit = vi.fn();
    const messages: string[] = [];
    const shutdown = createShutdown({
      server: { stop },
      log: ({ message }) => messages.push(message),
      exit,
      graceMs: 20,
    });
    return { exit, messages, shutdown };
  }

  test("waits for the requests in flight, then exits 0", async () => {
    const inFlight = Promise.withResolvers<void>();
    const stop = vi.fn(() => inFlight.promise);
    const { exit, messages, shutdown } = ending(stop);
    expect(shutdown.isShuttingDown()).toBe(false);
    const ended = shutdown.onSignal("SIGTERM");
    expect(shutdown.isShuttingDown()).toBe(true);
    expect(exit).not.toHaveBeenCalled();
    inFlight.resolve();
    await ended;
    expect(stop.mock.calls).toEqual([[]]);
    expect(exit.mock.calls).toEqual([[0]]);
    expect(messages).toEqual(["shutting down", "stopped"]);
  });

  test("cuts off what outlasts the grace period, even if that hangs as well", async () => {
    const stop = vi.fn(() => new Promise<void>(() => {}));
    const { exit, messages, shutdown } = ending(stop);
    await shutdown.onSignal("SIGTERM");
    expect(stop.mock.calls).toEqual([[], [true]]);
    expect(exit.mock.calls).toEqual([[0]]);
    expect(messages).toContain("requests were cut off at the end of the grace period");
  });

  test("a second signal ends it at once", async () => {
    const { exit, shutdown } = ending(() => new Promise<void>(() => {}));
    const ended = shutdown.onSignal("SIGINT");
    await shutdown.onSignal("SIGINT");
    expect(exit.mock.calls).toEqual([[1]]);
    await ended;
  });
});

/** How main.ts ends with a server that only says how it was started. */
function main(env: Record<string, string> = {}) {
  const server = "serve: ({ idleTimeout }) => (console.log(idleTimeout), { url: new URL('http://app'), stop() {} })";
  const script = `globalThis.Bun = { version: "1", ${server} }; await import("./app/src/main.ts");`;
  const options = { encoding: "utf8", env: { ...process.env, ...environment, ...env } } as const;
  return spawnSync(process.execPath, ["--input-type=module", "--eval", script], options);
}

test("keeps an idle connection longer than a load balancer's 60 seconds, and no longer than Bun takes", () => {
  const [seconds, log = ""] = main().stdout.split("\n");
  expect(Number(seconds)).toBeGreaterThan(60);
  expect(Number(seconds)).toBeLessThanOrEqual(255);
  expect(JSON.parse(log)).toMatchObject({ level: "info", message: "listening" });
});

test("ends with 1 where it cannot start, and says why", () => {
  const { status, stdout } = main({ PORT: "x" });
  expect([status, JSON.parse(stdout)]).toMatchObject([1, { level: "error", message: expect.stringContaining('"x"') }]);
});

import type { ServerResponse } from "node:http";
import https from "node:https";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { askForReport, askOnce, check, prove } from "../../../components/proof.ts";
import { everywhere, freePort, listening } from "../../support/process.ts";
import * as report from "../../support/report.ts";

const expected = { ...report.expected, instanceId: "i-1" };
const truth = (nonce: string | null) => report.reportOf("i-1", nonce);

/** An app that answers as told. */
async function app(answer: (nonce: string | null, request: number) => object | number | undefined): Promise<string> {
  let requests = 0;
  const host = await listening((request, response) => {
    const url = new URL(request.url as string, "http://app");
    const body = url.pathname === "/platform" ? answer(url.searchParams.get("nonce"), ++requests) : 404;
    if (body === undefined) return;
    response.writeHead(typeof body === "number" ? body : 200, { "content-type": "application/json" });
    response.end(typeof body === "number" ? "" : JSON.stringify(body));
  });
  return `http://${host}`;
}

// The pause between two questions is over at once; what the server answers takes its time.
beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "Date"] }).setTimerTickMode("nextTimerAsync"));
afterEach(() => vi.useRealTimers());

const options = (url: string, timeout = 1) => ({
  url,
  expected,
  timeout,
  console: async () => "booted\npulled\n",
  logCommand: "aws logs tail app-machines-1 --log-stream-names i-1",
});

test("a machine that says what it must be is proven, also late", async () => {
  const url = await app((nonce, request) => (request < 3 ? 503 : truth(nonce)));
  expect(await prove(options(url, 10))).toEqual({
    ...expected,
    verifiedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
});

test("it is asked four times a second, until the time-out; every 15 seconds a line says so, and its console is read", async () => {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const asked = vi.fn(() => 503);
  const url = await app(asked);
  const console = vi.fn(async () => "booted\n");
  await expect(prove({ ...options(url, 31), console })).rejects.toThrow(
    `i-1 at ${url} failed verification: time-out after 31 s; /platform: answered 503\n`,
  );
  expect(write.mock.calls.map(([line]) => line)).toEqual(
    [15, 30].map((at) => `i-1 at ${url}: not proven after ${at} s, asking until 31 s: /platform: answered 503\n`),
  );
  expect(console).toHaveBeenCalledTimes(3);
  // Seconds are rounded, so that the last question comes after 30.5 of them.
  expect(asked).toHaveBeenCalledTimes(4 * 30.5 + 1);
});

const lying = (part: "machine" | "image" | "process", facts: object) => (nonce: string | null) => {
  return { ...truth(nonce), [part]: { ...truth(nonce)[part], ...facts } };
};

// Each lie stops at once or at the time-out, and says what was expected, what came, from where.
test.each<[string, (nonce: string | null) => object | number, string[]]>([
  [
    "an amd64 binary in the arm64 entry",
    lying("process", { architecture: "x64", elf: "x86_64" }),
    ['process (process.arch): expected arm64, got "x64"; running binary (ELF): expected aarch64, got "x86_64"\n'],
  ],
  ["another machine", lying("machine", { architecture: "x86_64" }), ['(uname -m): expected aarch64, got "x86_64"']],
  ["another image", lying("image", { architecture: "amd64" }), ['(docker image inspect): expected arm64, got "amd64"']],
  ["a moved tag", lying("image", { digest: "sha256:b" }), ['image digest: expected sha256:index, got "sha256:b"']],
  ["an image not in the index", lying("image", { id: "sha256:b" }), ['id: expected sha256:arm64, got "sha256:b"']],
  ["an image without an id", lying("image", { id: undefined }), ["image id: expected sha256:arm64, got nothing"]],
  [
    "an old machine at the new address",
    lying("machine", { instanceId: "i-0" }),
    ["time-out after 1 s", 'instance: expected i-1, got "i-0"'],
  ],
  ["a replayed answer", () => truth("earlier"), ["time-out after 1 s", "nonce: expected", 'got "earlier"']],
  [
    "an app that answers 200 with no proof",
    () => ({ status: "ok" }),
    ["time-out after 1 s", "process (process.arch): expected arm64, got nothing"],
  ],
])("%s is rejected", async (_, answer, parts) => {
  const asked = vi.fn(answer);
  const url = await app(asked);
  const message = await prove(options(url)).catch((error: Error) => error.message);
  expect(message).toContain(`i-1 at ${url} failed verification`);
  for (const part of parts) expect(message).toContain(part);
  expect(asked.mock.calls.length > 1).toBe(parts[0]?.startsWith("time-out"));
  expect(message).toMatch(/\| pulled\nits log, which outlives the machine: aws logs tail app-machines-1 .*$/);
});

const listens = "listening on port 80: GET /health answers 200\n";
const hangs = "The operation was aborted due to timeout";

test.each([
  ["listens, and hangs", listens, undefined, `${hangs}; it listens: perhaps its port cannot be reached from here`],
  ["listens, and answers wrongly", listens, 500, "answered 500"],
  ["listens, and refuses", listens, 0, "connect ECONNREFUSED 127.0.0.1:PORT"],
  ["does not listen", "pulled\n", undefined, hangs],
])("the time-out of a machine that %s", async (_, log, status, problem) => {
  const url = status === 0 ? `http://127.0.0.1:${await freePort()}` : await app(() => status);
  const reason = status === undefined ? AbortSignal.abort(new Error(hangs)) : new AbortController().signal;
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(reason);
  const ended = await prove({ ...options(url), console: async () => log }).catch(({ message }: Error) => message);
  const found = /time-out after 1 s; \/platform: (.*?)( \(|\n)/.exec(String(ended))?.[1];
  expect(found?.replace(new URL(url).port, "PORT")).toBe(problem);
});

test("a question goes over a connection of its own, with its nonce", async () => {
  const asked: string[] = [];
  const address = await listening((request, response) => {
    asked.push(`${request.headers.host} ${request.url} ${request.headers.connection}`);
    response.end('{"nonce":"n"}');
  });
  expect(await askForReport(address, undefined, "n")).toEqual({ nonce: "n" });
  expect(asked).toEqual([`${address} /platform?nonce=n close`]);
});

test.each<[string, (response: ServerResponse) => void, string]>([
  ["another status than 200", (response) => response.writeHead(503).end('{"nonce":"n"}'), "answered 503"],
  ["no JSON", (response) => response.end("<html>"), "is not valid JSON"],
  ["half an answer", (response) => response.writeHead(200).write("{", () => response.destroy()), "aborted"],
])("%s is an error", async (_, respond, problem) => {
  const address = await listening((_, response) => respond(response));
  await expect(askForReport(address, undefined, "n")).rejects.toThrow(problem);
});

test("where people use another name, the load balancer is asked for it with TLS, and the certificate must be for it", async () => {
  const refused = () => {
    throw new Error("asked");
  };
  const request = everywhere(vi.spyOn(https, "request").mockImplementation(refused));
  await expect(askForReport("balancer.example", "app.example", "n")).rejects.toThrow("asked");
  const options = { servername: "app.example", headers: { host: "app.example" }, agent: false };
  const [url, given] = request.mock.calls[0] as unknown as [URL, object];
  expect(url.href).toBe("https://balancer.example/platform?nonce=n");
  expect(given).toEqual({ ...options, signal: expect.any(AbortSignal) });
});

test("where all of a name's addresses refuse, the code says so", async () => {
  const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
  expect(await askOnce(() => Promise.reject(refused))).toMatchObject({ problem: "/platform: ECONNREFUSED" });
});

test("failed user data is reported with its last lines", async () => {
  const console = async () => "no such image\nhono-app: USER-DATA-FAILED\n";
  await expect(prove({ ...options(await app(() => 503)), console })).rejects.toThrow(
    /user data failed; \/platform: answered 503\n.*\n {2}\| no such image\n {2}\| hono-app: USER-DATA-FAILED\n/,
  );
});

test("where containerd keeps the images, an image's id is its index's digest", () => {
  const report = { ...truth("n"), image: { ...truth("n").image, id: "sha256:index" } };
  expect(check(report, expected, "n")).toEqual({ own: true, problems: [] });
});

test("an answer counts as this machine's own only with its instance and this question's nonce", () => {
  expect(check(truth("n"), expected, "n")).toEqual({ own: true, problems: [] });
  expect(check(truth("n"), { ...expected, instanceId: "i-2" }, "n").own).toBe(false);
  expect(check(truth("n"), expected, "m").own).toBe(false);
  for (const report of [null, "i-1", { machine: null }, { machine: "i-1" }]) {
    expect(check(report, expected, "n").own).toBe(false);
  }
});

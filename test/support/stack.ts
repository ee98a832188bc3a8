import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { ECR } from "@aws-sdk/client-ecr";
import { inject } from "vitest";
import type { MachineName } from "../../components/architecture.ts";
import type { Proof } from "../../components/proof.ts";
import { keysOf } from "../../local/identity.ts";
import { password } from "../../local/services/registry.ts";

/** The tests' own clone and cloud. */
export const cloud = inject("cloud");

/** How a command ended, and all that it printed. */
export interface Result {
  readonly status: number | null;
  readonly output: string;
}

/** What scripts read of it. */
interface Printed extends Result {
  readonly stdout: string;
}

const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = keysOf(cloud.dir, "root");

/** AWS's API, as the local cloud's root. */
export const aws = {
  endpoint: cloud.endpoint,
  region: cloud.env.AWS_REGION as string,
  credentials: { accessKeyId, secretAccessKey },
};

/** Runs `npm run local -- COMMAND`, as in the clone's folder. */
export function local(...command: string[]): Promise<Printed> {
  return watch(command);
}

/** The same in another folder or environment, or with an eye on what it prints while it runs. */
export function watch(
  command: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; onOutput?: (output: string) => void } = {},
): Promise<Printed> {
  const env = { ...process.env, LOCAL_CLOUD_DIR: cloud.dir, ...options.env };
  return new Promise((resolve, reject) => {
    const child = spawn("node", ["cli/local.ts", ...command], { cwd: options.cwd ?? cloud.project, env });
    let [output, stdout] = ["", ""];
    child.stdout.on("data", (data) => (stdout += data));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => {
        output += data;
        options.onOutput?.(output);
      });
    }
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output, stdout }));
  });
}

/** The same, where anything but success is not what the test is about. */
export async function succeed(...command: string[]): Promise<string> {
  const { status, output } = await local(...command);
  if (status !== 0) throw new Error(`npm run local -- ${command.join(" ")}: exit status ${status}\n${output}`);
  return output;
}

/** Runs commands as a person types them, in the clone and the local cloud's environment; the first that fails is the last. */
export async function shell(
  commands: string,
  options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Promise<Result> {
  const { cwd = cloud.project, env = {}, input = "" } = options;
  // --norc: bash takes the socket that is its stdin here for a remote shell's, and would read the machine's own settings.
  const child = spawn("bash", ["--norc", "-euo", "pipefail", "-c", commands], { cwd, env: { ...cloud.env, ...env } });
  child.stdin.end(input);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const [status] = await once(child, "close");
  return { status, output };
}

export interface Outputs {
  readonly repositoryUrl: string;
  readonly imageRef: string;
  readonly imageDigest: string;
  readonly imagePlatforms: string[];
  readonly graviton: Machine;
  readonly intel: Machine;
  readonly verifiedArchitectures: Record<MachineName, string>;
}

export interface Machine {
  readonly id: string;
  readonly type: string;
  readonly ami: string;
  readonly url: string;
  readonly proof: Proof;
}

export async function outputs(): Promise<Outputs> {
  const { status, output, stdout } = await local("output", "--json");
  if (status !== 0) throw new Error(output);
  return JSON.parse(stdout);
}

/** Brings the stack to what the clone says; quick where it is there already. Every test starts with it, so that they run in any order. */
export async function deployed(): Promise<Outputs> {
  await succeed("up");
  return outputs();
}

/** Changes a file of the clone while `work` goes on. */
export async function edited<T>(file: string, change: (text: string) => string, work: () => Promise<T>): Promise<T> {
  const path = join(cloud.project, file);
  const before = readFileSync(path, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`the test's change of ${file} changes nothing`);
  writeFileSync(path, after);
  try {
    return await work();
  } finally {
    writeFileSync(path, before);
  }
}

/** Sets keys of the stack's configuration while `work` goes on. */
export function configured<T>(values: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const change = (text: string) => {
    const kept = text
      .split("\n")
      .filter((line) => !Object.keys(values).some((key) => line.startsWith(`  hono-app:${key}:`)));
    const set = Object.entries(values).map(([key, value]) => `  hono-app:${key}: ${value}`);
    return kept.join("\n").replace("config:", ["config:", ...set].join("\n"));
  };
  return edited("Pulumi.local.yaml", change, work);
}

/** A visible edit of the app: another release. */
export function releasedEdit<T>(word: string, work: () => Promise<T>): Promise<T> {
  return edited("app/src/page.ts", (text) => text.replace(/<h1([^>]*)>/, `<h1$1>${word} `), work);
}

/** Which instance answers at an address. */
export async function answering(url: string): Promise<string> {
  const response = await fetch(`${url}/platform`, { signal: AbortSignal.timeout(5000) });
  return ((await response.json()) as { machine: { instanceId: string } }).machine.instanceId;
}

/** The tag in `registry:port/repository:tag@digest`. */
export function tagOf(reference: string): string {
  return reference.slice(0, reference.indexOf("@")).split(":").at(-1) as string;
}

/** How many resources of each kind of change an engine's summary tells, such as `{ created: 33 }`. */
export function summary(output: string): Record<string, number> {
  const lines = output.slice(output.lastIndexOf("Resources:")).matchAll(/^ +(?:[-+~=]+ *)?(\d+) (?:to )?([a-z]+)/gm);
  return Object.fromEntries([...lines].map(([, count, change]) => [change, Number(count)]));
}

/** Asks the registry, with the local cloud's root's password or the one given, at the source. */
export async function registry(
  path: string,
  accept = "application/json",
  secret?: string,
): Promise<{ status: number; body: string }> {
  const [host, port] = cloud.registry.split(":");
  const ca = readFileSync(cloud.env.SSL_CERT_FILE as string);
  const auth = `AWS:${secret ?? (await password(new ECR(aws)))}`;
  return new Promise((resolve, reject) => {
    const get = request({ host, port, path, ca, auth, headers: { accept }, agent: false }, (response) => {
      let body = "";
      response.on("data", (data) => (body += data));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    get.on("error", reject);
    get.end();
  });
}

/** What every password of the registry begins with: the name of the first thing that it says. */
export const passwordPrefix = Buffer.from('{"accessKeyId":').toString("base64");

/** The local cloud's root's, of 12 hours ago. */
export function expiredPassword(): string {
  const payload = Buffer.from(JSON.stringify({ accessKeyId: "local", expiration: 0 })).toString("base64");
  const key = readFileSync(join(cloud.dir, "token-key"));
  return `${payload}.${createHmac("sha256", key).update(payload).digest("base64")}`;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

/** An index or manifest, by the reference that the stack deploys. */
export async function manifest(
  reference: string,
): Promise<{ manifests?: Descriptor[]; layers?: Descriptor[]; config?: Descriptor }> {
  const [repository, digest] = reference.slice(reference.indexOf("/") + 1).split(/(?::[^@]*)?@/);
  const types = ["index.v1+json", "manifest.v1+json"].map((type) => `application/vnd.oci.image.${type}`).join(", ");
  const { status, body } = await registry(`/v2/${repository}/manifests/${digest}`, types);
  if (status !== 200) throw new Error(`${reference}: ${status} ${body}`);
  return JSON.parse(body);
}

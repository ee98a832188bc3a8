import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { type Instance as Described, EC2 } from "@aws-sdk/client-ec2";
import { ECR, type ImageIdentifier } from "@aws-sdk/client-ecr";
import { IAM } from "@aws-sdk/client-iam";
import type { Unwrap } from "@pulumi/pulumi";
import { afterAll, afterEach, beforeAll, expect, inject, vi } from "vitest";
import type { IndexEntry } from "../../cli/shared/registry.ts";
import { type MachineName, machineNames } from "../../components/architecture.ts";
import type { Machine as Instance } from "../../components/machine.ts";
import { sdkOf } from "../../local/cloud.ts";
import { every } from "../../local/lists.ts";
import type { Credentials } from "../../local/services/ec2/machine.ts";
import { bunVersion } from "../../local/services/hub/base-images.ts";
import { password } from "../../local/services/registry.ts";
import { outputsOf, type StateResource, stateFile as stateFileOf } from "../../local/stack.ts";
import { get } from "../../tools/http.ts";
import { hashOf } from "../../tools/paths.ts";
import { collect, type Result, type RunOptions, succeeds } from "../../tools/process.ts";
import { processes } from "../../tools/processes.ts";
import type { TestCloud } from "./setup.ts";

export type { Result } from "../../tools/process.ts";

const clouds = inject("clouds");
/** The clone and the cloud that this file's tests have for themselves. */
export const cloud = clouds[Number(process.env.VITEST_POOL_ID) - 1] as TestCloud;

const markOf = ({ dir }: Pick<TestCloud, "dir">) => join(dir, "in-use");
writeFileSync(markOf(cloud), "");
afterAll(() => rmSync(markOf(cloud)));

// The tests of a file find a cloud that runs, whether or not they deploy.
beforeAll(async () => {
  if (!existsSync(cloud.run)) await succeed("env");
});

/** What all tests asked of the API, in lines; for the last file of tests, which waits for the end of those that run beside it. */
export async function allCalls(): Promise<string[]> {
  const others = clouds.filter(({ dir }) => dir !== cloud.dir);
  await vi.waitUntil(() => !others.some((other) => existsSync(markOf(other))), { timeout: 600_000, interval: 500 });
  return clouds.flatMap(({ dir }) => readFileSync(join(dir, "calls.jsonl"), "utf8").trim().split("\n"));
}

/** AWS's API, as the local cloud's root. */
export const aws = sdkOf(cloud, "root");
export const ec2 = new EC2(aws);
export const ecr = new ECR(aws);
export const iam = new IAM(aws);
const logs = new CloudWatchLogs(aws);

export const repositoryName = "hono-app-local";

/** Credentials of an instance's role. */
export function roleKeys(instance: string) {
  const file = readFileSync(join(cloud.dir, "machines", instance, "settings", "aws.env"), "utf8");
  const keys = parseEnv(file) as Credentials;
  return {
    accessKeyId: keys.AWS_ACCESS_KEY_ID,
    secretAccessKey: keys.AWS_SECRET_ACCESS_KEY,
    sessionToken: keys.AWS_SESSION_TOKEN,
  };
}

/** Asks the Docker Engine of an instance. */
export const dockerOf = (instance: string, ...args: string[]): Buffer =>
  execFileSync("docker", ["--host", `unix://${cloud.run}/${instance}/docker.sock`, ...args], { maxBuffer: 2 ** 30 });

/** The app's container on an instance, and its process in this host's kernel, which has another id there than for the engine. */
export function containerOf(instance: string) {
  const [found] = JSON.parse(dockerOf(instance, "inspect", "hono-app").toString());
  const app = processes().find(({ read }) => read("cgroup").includes(found.Id));
  if (app === undefined) throw new Error(`no process of the container on ${instance}`);
  return { found, proc: app.read };
}

/** What an instance was given as its user data, and what it has printed. */
export const textsOf = (instance: string) => ({
  userData: readFileSync(join(cloud.dir, "machines", instance, "cloud", "instance", "scripts", "part-001"), "utf8"),
  console: readFileSync(join(cloud.dir, "console", `${instance}.log`), "utf8"),
});

/** Runs a file of the clone with Node, such as `node("cli/sbom.ts", ["--help"])`. */
export async function node(file: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const env = { ...process.env, LOCAL_CLOUD_DIR: cloud.dir, ...options.env };
  const result = await collect(["node", file, ...args], { cwd: cloud.project, ...options, env });
  // Whatever it does, and however it ends.
  for (const password of passwordForms) expect(result.output).not.toContain(password);
  if (file === "cli/local.ts" && args[0] === "up" && result.status === 0) noteDeployed();
  return result;
}

/** Runs `npm run local -- COMMAND`. */
export const local = (...command: string[]): Promise<Result> => node("cli/local.ts", command);

/** The same for a command that must succeed. */
export async function succeed(...command: string[]): Promise<string> {
  const { status, output } = await local(...command);
  if (status !== 0) throw new Error(`npm run local -- ${command.join(" ")}: exit status ${status}\n${output}`);
  return output;
}

/** How a command, or a workflow's script, has ended. */
type Ended = Pick<Result, "status"> & { readonly output?: string; readonly text?: string };

/** One that must succeed. */
export async function successful<T extends Ended>(command: Promise<T>): Promise<T> {
  const ended = await command;
  expect(ended.status, ended.output ?? ended.text).toBe(0);
  return ended;
}

/** One that must fail with these messages. Returns everything that it printed. */
export async function refused(command: Promise<Ended>, ...messages: (string | RegExp)[]): Promise<string> {
  const { status, text = "", output = text } = await command;
  expect(status, output).toBe(1);
  for (const message of messages) expect(output).toMatch(message);
  return output;
}

/** Commands of `npm run local` that find nothing to change. */
export async function expectUnchanged(...commands: string[]): Promise<void> {
  for (const command of commands) {
    const isSame = isDeployed();
    expect(Object.keys(summary(await succeed(command))), command).toEqual(["unchanged"]);
    // A refresh that finds nothing writes the state all the same.
    if (isSame) noteDeployed();
  }
}

/** Runs shell commands in the clone and the local cloud's environment, until the first that fails. */
export function shell(commands: string, options: RunOptions = {}): Promise<Result> {
  const env = { ...cloud.env, ...options.env };
  // --norc: bash takes the socket that is its stdin here for a remote shell's, and would read the user's own settings.
  const command = ["bash", "--norc", "-euo", "pipefail", "-c", commands];
  return collect(command, { cwd: cloud.project, ...options, env });
}

/** An `up` by the plain CLI. Where it fails before anything changes, the next `npm run local` has nothing to recover, which takes its time. */
export const plainUp = (): Promise<Result> => shell("pulumi up --yes --skip-preview --non-interactive --stack local");

/** Runs `pulumi stack COMMAND`, such as `export` and `import`. */
export function pulumiStack(command: string[], input?: string): string {
  const options = { cwd: cloud.project, env: cloud.env, input, maxBuffer: 2 ** 26 };
  return execFileSync("pulumi", ["stack", ...command, "--stack", "local"], options).toString();
}

export const stateFile = stateFileOf(cloud);

export function state(): { resources: StateResource[]; pending: unknown[] } {
  const latest = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, "utf8")).checkpoint.latest : undefined;
  return { resources: latest?.resources ?? [], pending: latest?.pending_operations ?? [] };
}

/** The name of the role that the instances have. */
export function instanceRole(): string | undefined {
  return state().resources.find(({ type, urn }) => type === "aws:iam/role:Role" && urn.endsWith("::hono-app"))?.id;
}

/** The stack's images that have a tag, or those that have none. */
export function imagesOf(tagStatus: "TAGGED" | "UNTAGGED"): Promise<ImageIdentifier[]> {
  const pages = ecr.paginateListImages({ repositoryName, filter: { tagStatus } });
  return every(pages, ({ imageIds }) => imageIds);
}

/** Digests of the stack's images that have no tag, those of an index's platforms among them. */
export const untagged = async () => (await imagesOf("UNTAGGED")).map(({ imageDigest }) => imageDigest);

export async function describeInstances(...InstanceIds: string[]): Promise<Described[]> {
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds });
  return Reservations.flatMap(({ Instances = [] }) => Instances);
}

type Program = typeof import("../../index.ts");
export type Machine = Unwrap<Instance["summary"]>;
/** What `pulumi up` puts out for a pair. */
export type Outputs = { readonly [Name in Exclude<keyof Program, MachineName>]: Unwrap<Program[Name]> } & Readonly<
  Record<MachineName, Machine>
>;

export function outputs(): Outputs {
  return outputsOf(cloud) as unknown as Outputs;
}

/** Keeps what the last `up` deployed, for the other test files too. */
const found = join(cloud.dir, "deployed");
const noteDeployed = () => writeFileSync(found, fingerprint());
/** Whether nothing has changed since. */
export const isDeployed = () => existsSync(found) && readFileSync(found, "utf8") === fingerprint();

/** Of what an `up` depends on: the clone, and the state with what a failed command leaves beside it. */
function fingerprint(): string {
  const program = ["app", "components", "config.ts", "config-rules.ts", "index.ts", "Pulumi.yaml", "Pulumi.local.yaml"];
  const marks = ["unfinished", "lost", "machine-died"].map((mark) => String(existsSync(join(cloud.dir, mark))));
  return hashOf(marks, [...program.map((name) => join(cloud.project, name)), stateFile]);
}

/**
 * Deploys the stack as the clone defines it, unless the last `up` did, nothing has changed since, and both instances answer. Tests begin
 * with it, so that they run in any order.
 */
export async function deployed(): Promise<Outputs> {
  if (!isDeployed() || !(await isServing(outputs()))) await succeed("up");
  return outputs();
}

// What a failed test leaves may be in AWS alone: the next command compares the state with what there is, and deletes what it does not know.
afterEach(({ task }) => {
  if (task.result?.state === "fail") writeFileSync(join(cloud.dir, "unfinished"), "");
});

/** A change of a file: what is replaced by what, or a function of its text. */
type Change = readonly [from: string | RegExp, to: string] | ((text: string) => string);

/** Changes a file of the clone. Returns what undoes it. */
function edit(file: string, change: Change): () => void {
  const path = join(cloud.project, file);
  const before = readFileSync(path, "utf8");
  const after = typeof change === "function" ? change(before) : before.replace(...(change as [string, string]));
  if (after === before) throw new Error(`the test's change of ${file} changes nothing`);
  writeFileSync(path, after);
  return () => writeFileSync(path, before);
}

/** Changes a file of the clone while `work` runs. */
export async function edited<T>(file: string, change: Change, work: () => Promise<T>): Promise<T> {
  const undo = edit(file, change);
  try {
    return await work();
  } finally {
    undo();
  }
}

/** Sets keys of the stack's configuration while `work` runs. */
export function configured<T>(values: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const change = (text: string) => {
    const kept = text.split("\n").filter((line) => !Object.keys(values).some((key) => line.startsWith(`  ${key}:`)));
    const set = Object.entries(values).map(([key, value]) => `  ${key}: ${value}`);
    return kept.join("\n").replace("config:", ["config:", ...set].join("\n"));
  };
  return edited("Pulumi.local.yaml", change, work);
}

const page = "app/src/page.ts";

/** The app's page with a word that its heading begins with, which makes another release. */
const withWord = (word: string) => (text: string) => text.replace(/(<h1[^>]*>)[^<]*/, `$1${word} `);

/** Edits the app's page while `work` runs. */
export const releasedEdit = <T>(word: string, work: () => Promise<T>): Promise<T> => edited(page, withWord(word), work);

/** Edits the app's page for this test and the next ones: to take the edit back would be one more release. */
export const editPage = (word: string) => void edit(page, withWord(word));

/** A Dockerfile of the app that puts amd64 binaries into both images, which run on a host that has both architectures. */
export const wrongImage = `FROM --platform=$BUILDPLATFORM oven/bun:${bunVersion} AS bundle
WORKDIR /src
COPY . .
RUN bun install --frozen-lockfile --production --ignore-scripts && bun build src/main.ts --target=bun --outdir=/bundle/app
FROM --platform=linux/amd64 oven/bun:${bunVersion}-distroless AS amd64
FROM scratch
COPY --from=amd64 / /
COPY --from=bundle /bundle /
ENTRYPOINT ["/usr/local/bin/bun"]
CMD ["/app/main.js"]
`;

/** What CloudWatch has of an instance's log, whether or not the instance is still there. */
export async function logOf(logGroupName: string, instance: string): Promise<string> {
  const pages = logs.paginateFilterLogEvents({ logGroupName, logStreamNames: [instance] });
  return (await every(pages, ({ events }) => events?.map(({ message }) => message))).join("\n");
}

/** The app's page, as a browser gets it. */
export async function pageOf({ url }: Machine): Promise<string> {
  return (await fetch(url, { headers: { accept: "text/html" } })).text();
}

/** Both instances of a deployment answer. */
export async function expectServing(outputs: Outputs): Promise<void> {
  for (const name of machineNames) expect(await answering(outputs[name].url)).toBe(outputs[name].id);
}

export const isServing = (outputs: Outputs): Promise<boolean> => succeeds(expectServing(outputs));

/** Neither the stack's outputs nor what answers has changed. */
export async function expectStill(before: Outputs): Promise<void> {
  expect(outputs()).toEqual(before);
  await expectServing(before);
}

/** What a machine says of itself. */
export interface Report {
  readonly machine: { readonly instanceId: string; readonly architecture: string };
  readonly image: { readonly digest: string };
  readonly process: { readonly startedAt: string };
}

/** Asks a machine at an address, over a connection of its own. */
export async function ask(url: string): Promise<Report> {
  const { status, body } = await get(`${url}/platform`, { signal: AbortSignal.timeout(10_000) });
  if (status !== 200) throw new Error(`${status} ${body.trim().slice(0, 200)}`);
  return JSON.parse(body);
}

/** Which instance answers at an address. */
export const answering = async (url: string): Promise<string> => (await ask(url)).machine.instanceId;

/** The tag in `registry:port/repository:tag@digest`. */
export function tagOf(reference: string): string {
  return reference.slice(0, reference.indexOf("@")).split(":").at(-1) as string;
}

/** How many resources the engine's summary counts for each kind of change, such as `{ created: 33 }`. */
export function summary(output: string): Record<string, number> {
  const lines = output.slice(output.lastIndexOf("Resources:")).matchAll(/^ +(?:[-+~=]+ *)?(\d+) (?:to )?([a-z]+)/gm);
  return Object.fromEntries([...lines].map(([, count, change]) => [change, Number(count)]));
}

/** Sends a GET to the registry, with the given password or the local cloud's root's. */
export async function registry(path: string, accept = "application/json", secret?: string) {
  const ca = readFileSync(cloud.env.SSL_CERT_FILE as string);
  const auth = `AWS:${secret ?? (await password(ecr))}`;
  const { status, body } = await get(`https://${cloud.registry}${path}`, { ca, auth, headers: { accept } });
  return { status, body };
}

/** Text as it is in the encoding of whatever it begins. */
const encoded = (text: string) => Buffer.from(text.slice(0, 3 * Math.floor(text.length / 3))).toString("base64");

/** The beginning of every password of the registry: its first key, encoded. */
export const passwordPrefix = encoded('{"accessKeyId":');
/** The same, plain and as Docker and HTTP encode it. */
export const passwordForms = [passwordPrefix, encoded(`AWS:${passwordPrefix}`), encoded(passwordPrefix)];

/** Puts an expired login into the state, as it is twelve hours after an `up`. */
export function expireLogin(): void {
  const state = pulumiStack(["export", "--show-secrets"]);
  const expired = state.replaceAll(new RegExp(`${passwordPrefix}[\\w+/=.]+`, "g"), expiredPassword());
  expect(expired).not.toBe(state);
  pulumiStack(["import"], expired);
}

/** A password of the local cloud's root that has expired. */
export function expiredPassword(): string {
  const payload = Buffer.from(JSON.stringify({ accessKeyId: "local", expiration: 0 })).toString("base64");
  const key = readFileSync(join(cloud.dir, "token-key"));
  return `${payload}.${createHmac("sha256", key).update(payload).digest("base64")}`;
}

export type Descriptor = IndexEntry & { readonly size: number };

/** Media types of indexes and manifests, as an Accept header. */
export const manifestTypes = ["index.v1+json", "manifest.v1+json"]
  .map((type) => `application/vnd.oci.image.${type}`)
  .join(", ");

/** The index or manifest of a reference `registry/repository:tag@digest`. */
export async function manifest(reference: string): Promise<{ manifests?: Descriptor[]; layers?: Descriptor[] }> {
  const [repository, digest] = reference.slice(reference.indexOf("/") + 1).split(/(?::[^@]*)?@/);
  const { status, body } = await registry(`/v2/${repository}/manifests/${digest}`, manifestTypes);
  if (status !== 200) throw new Error(`${reference}: ${status} ${body}`);
  return JSON.parse(body);
}

/** The platforms that `docker buildx imagetools inspect` lists. */
export const platformsIn = (inspected: string): string[] =>
  [...inspected.matchAll(/Platform: +(\S+)/g)].map(([, platform = ""]) => platform).sort();

export function platformsOf({ manifests = [] }: { readonly manifests?: readonly Descriptor[] }): string[] {
  return manifests.map(({ platform }) => `${platform?.os}/${platform?.architecture}`).sort();
}

/** Gives the account other quotas while `work` runs, or until it lifts them. */
export async function limited(
  quotas: Record<string, number>,
  work: (lift: () => void) => Promise<void>,
): Promise<void> {
  const file = join(cloud.dir, "quotas.json");
  const lift = () => rmSync(file, { force: true });
  writeFileSync(file, JSON.stringify(quotas));
  await work(lift).finally(lift);
}

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { createConnection } from "node:net";
import { delimiter } from "node:path";
import { type Quota, readQuotas, type StackNeeds } from "./quotas.ts";

/** What a program answered; without a status it could not be started or did not end in time. */
export interface Answer {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** How the stack's AWS clients are configured. */
export interface AwsClient {
  readonly region: string;
  /** Profile of the AWS configuration files; undefined: what the environment says. */
  readonly profile: string | undefined;
}

/** Everything that the checks may see of the world. It changes nothing in it; a test gives another one. */
export interface Probe {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
  /** Node's name of the processor architecture. */
  readonly architecture: string;
  readonly nodeVersion: string;
  /** Of the person; undefined where there is no such thing. */
  readonly uid: number | undefined;
  readonly home: string;
  now(): number;
  /** Runs a program to its end, at most ten seconds, in the environment of this probe. */
  exec(file: string, ...args: string[]): Promise<Answer>;
  exists(path: string): boolean;
  /** A file's text, if it can be read. */
  read(path: string): string | undefined;
  /** Names of what is in a folder and below it; none if there is no such folder. */
  list(path: string, options?: { recursive?: boolean }): string[];
  /** Free bytes of the file system that a path is on. */
  freeBytes(path: string): number | undefined;
  /** Whether something accepts connections there. */
  listens(host: string, port: number): Promise<boolean>;
  /** The Date header of an answer, whatever the answer is; undefined if there is none. */
  dateOf(url: string): Promise<number | undefined>;
  /** Who AWS says the credentials in use are. Fails with the SDK's error. */
  identity(client: AwsClient): Promise<{ readonly account: string; readonly arn: string }>;
  /** How far the quotas that a stack needs are used. Fails with the SDK's error. */
  quotas(client: AwsClient, stack: StackNeeds): Promise<Quota[]>;
  /** The same world in another environment. */
  in(env: Readonly<Record<string, string | undefined>>): Probe;
}

/** The world as it is. */
export function realProbe(env: Readonly<Record<string, string | undefined>> = process.env): Probe {
  return {
    env,
    platform: process.platform,
    architecture: process.arch,
    nodeVersion: process.versions.node,
    uid: process.getuid?.(),
    home: env.HOME ?? "",
    now: Date.now,
    exec: (file, ...args) =>
      new Promise((resolve) => {
        const options = { env: { ...env }, timeout: 10_000, maxBuffer: 16 * 2 ** 20 };
        const child = execFile(file, args, options, (error, stdout, stderr) => {
          const code = error ? (error as { code?: unknown }).code : 0;
          resolve({ status: typeof code === "number" ? code : undefined, stdout, stderr });
        });
        // Some programs ask when something is missing; here nobody answers.
        child.stdin?.end();
      }),
    exists: existsSync,
    read(path) {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
    list(path, options) {
      try {
        return readdirSync(path, { recursive: options?.recursive ?? false, encoding: "utf8" });
      } catch {
        return [];
      }
    },
    freeBytes(path) {
      try {
        const { bavail, bsize } = statfsSync(path);
        return bavail * bsize;
      } catch {
        return undefined;
      }
    },
    listens: (host, port) =>
      new Promise((resolve) => {
        const socket = createConnection({ host, port, timeout: 1000 });
        const done = (result: boolean) => {
          socket.destroy();
          resolve(result);
        };
        socket.once("connect", () => done(true));
        socket.once("timeout", () => done(false));
        socket.once("error", () => done(false));
      }),
    async dateOf(url) {
      try {
        const response = await fetch(url, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(5000) });
        const date = Date.parse(response.headers.get("date") ?? "");
        return Number.isNaN(date) ? undefined : date;
      } catch {
        return undefined;
      }
    },
    async identity(client) {
      const { STSClient, GetCallerIdentityCommand } = await import("@aws-sdk/client-sts");
      const sts = new STSClient({ ...client, endpoint: env.AWS_ENDPOINT_URL, maxAttempts: 1 });
      const { Account = "", Arn = "" } = await sts.send(new GetCallerIdentityCommand({}), {
        abortSignal: AbortSignal.timeout(10_000),
      });
      return { account: Account, arn: Arn };
    },
    quotas(client, stack) {
      const requestHandler = { connectionTimeout: 5000, requestTimeout: 10_000 };
      return readQuotas({ ...client, endpoint: env.AWS_ENDPOINT_URL, requestHandler }, stack);
    },
    in: (other) => realProbe(other),
  };
}

/** The first file of that name on the probe's PATH. */
export function which(probe: Probe, name: string): string | undefined {
  return (probe.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => `${folder}/${name}`)
    .find((path) => probe.exists(path));
}

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { type AwsClient, clientConfig } from "../../components/aws-client.ts";
import { readIfThere } from "../../tools/paths.ts";
import type { StackNeeds } from "./quotas.ts";

/** Everything that the checks read of this machine, in an environment. It changes nothing; tests have another one. */
export type Probe = ReturnType<typeof realProbe>;

/** A program that was started and does not end: neither absent nor wrong. */
export class NoAnswer extends Error {
  readonly command: string;

  constructor(command: string, seconds: number) {
    super(`${command} has not answered for ${seconds} seconds`);
    this.command = command;
  }
}

/** This machine. @param seconds How long a program may take to answer. */
export function realProbe(env: Readonly<NodeJS.ProcessEnv> = process.env, seconds = 10) {
  const endpoint = env.AWS_ENDPOINT_URL;
  return {
    env,
    platform: process.platform as string,
    architecture: process.arch as string,
    hostname: hostname(),
    isAlive(pid: number): boolean {
      try {
        return process.kill(pid, 0);
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
      }
    },
    /** What a program answers; the status is null where it cannot be started. @throws {@link NoAnswer} */
    exec(file: string, ...args: string[]) {
      const answer = spawnSync(file, args, { env: { ...env }, timeout: seconds * 1000, input: "", encoding: "utf8" });
      if ((answer.error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT")
        throw new NoAnswer([file, ...args].join(" "), seconds);
      return { status: answer.status, stdout: answer.stdout ?? "", stderr: answer.stderr ?? "" };
    },
    exists: existsSync as (path: string) => boolean,
    read: readIfThere,
    /** Names of what is in a folder; none where there is no such folder. */
    list: (path: string) => (existsSync(path) ? readdirSync(path) : []),
    /** By how many seconds this machine's clock is ahead of a server's; undefined where none answers. */
    async clockSkew(url: string): Promise<number | undefined> {
      const options = { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(5000) } as const;
      const response = await fetch(url, options).catch(() => undefined);
      const date = Date.parse(response?.headers.get("date") ?? "");
      return Number.isNaN(date) ? undefined : Math.round((Date.now() - date) / 1000);
    },
    /** Who AWS says the credentials are. Fails with the SDK's error. */
    async identity(client: AwsClient): Promise<{ account: string; arn: string }> {
      const { STS } = await import("@aws-sdk/client-sts");
      const sts = new STS({ ...clientConfig(client), endpoint, maxAttempts: 1 });
      const { Account = "", Arn = "" } = await sts.getCallerIdentity({}, { abortSignal: AbortSignal.timeout(10_000) });
      return { account: Account, arn: Arn };
    },
    /** How far the quotas that a stack needs are used. Fails with the SDK's error. */
    async quotas(client: AwsClient, stack: StackNeeds) {
      const { readQuotas } = await import("./quotas.ts");
      const requestHandler = { connectionTimeout: 5000, requestTimeout: 10_000 };
      return readQuotas({ ...clientConfig(client), endpoint, requestHandler }, stack);
    },
  };
}

import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { toolsFolder } from "../tools/go.ts";
import { checkHost } from "../tools/host.mjs";
import { home } from "../tools/paths.ts";
import { accepts } from "../tools/ready.ts";
import { type Identity, keysOf } from "./identity.ts";

/** Where one local cloud is: its folder, its addresses on loopback, and the environment of all that runs in it. */
export interface Cloud {
  /** Data on disk. */
  readonly dir: string;
  /** Sockets and process ids: under /run, for a socket's path may not be long, and gone after a reboot. */
  readonly run: string;
  /** The first two octets of all its addresses, such as `127.18`. */
  readonly prefix: string;
  /** AWS's API: moto. */
  readonly endpoint: string;
  /** ECR's registry, `host:port`. */
  readonly registry: string;
  /** Docker Hub's mirror, `host:port`. */
  readonly mirror: string;
  /** moto's account. */
  readonly account: string;
  /** The environment of whoever deploys. */
  readonly env: NodeJS.ProcessEnv;
  /** The files of a daemon. */
  files(name: string): { readonly pidFile: string; readonly logFile: string };
}

/**
 * Opens the local cloud of this clone, or the one in `LOCAL_CLOUD_DIR`. Each local cloud of a machine has addresses of its own, so that
 * several clones, and the tests, run side by side.
 *
 * @throws Error where no local cloud can run.
 */
export async function openCloud(): Promise<Cloud> {
  checkHost();
  const dir = resolve(process.env.LOCAL_CLOUD_DIR ?? join(home, "cloud"));
  // The engine makes no folder for its file backend.
  mkdirSync(join(dir, "state"), { recursive: true });
  const cloud = describe(dir, await claimPrefix(dir));
  // The set-up's own commands are found as those of the local cloud are.
  process.env.PATH = cloud.env.PATH;
  return cloud;
}

/** Gives the addresses back; what is on disk stays. */
export function releaseCloud(cloud: Cloud): void {
  rmSync(cloud.run, { recursive: true, force: true });
}

/** The registry's certificate, in PEM. */
export function certificate(cloud: Cloud): string {
  return join(cloud.dir, "tls", "certificate.pem");
}

/** The certificates that this machine trusts, and the registry's. */
export function certificateBundle(cloud: Cloud): string {
  return join(cloud.dir, "tls", "bundle.pem");
}

/** The region that the local cloud is; the stack's aws:region must say the same. */
const region = "ap-northeast-2";

const runFolder = (number: number) => `/run/hono-app-${number}`;

/** Keeps the addresses that this cloud had before, unless another one has them now. */
async function claimPrefix(dir: string): Promise<number> {
  const file = join(dir, "prefix");
  const before = existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
  const candidates = Array.from({ length: 200 }, (_, index) => 18 + index);
  for (const number of before === undefined ? candidates : [before, ...candidates]) {
    const owner = join(runFolder(number), "owner");
    if (existsSync(owner) && readFileSync(owner, "utf8") === dir) return number;
    if (existsSync(runFolder(number)) || (await accepts(`127.${number}.0.1:5000`))) continue;
    try {
      mkdirSync(runFolder(number), { mode: 0o755 });
    } catch (error) {
      // Another clone was faster.
      if ((error as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw error;
    }
    writeFileSync(`${owner}.new`, dir);
    renameSync(`${owner}.new`, owner);
    writeFileSync(file, String(number));
    return number;
  }
  throw new Error(
    "all of 127.18.0.0 to 127.217.255.255 is taken by other local clouds; end one with: npm run local -- down",
  );
}

function describe(dir: string, number: number): Cloud {
  const prefix = `127.${number}`;
  const run = runFolder(number);
  const place = { dir, run, prefix, account: "123456789012", endpoint: `http://${prefix}.0.1:5000` };
  const cloud = { ...place, registry: `${prefix}.0.1:5443`, mirror: `${prefix}.0.1:5001` };
  const files = (name: string) => ({ pidFile: join(run, `${name}.pid`), logFile: join(dir, "log", `${name}.log`) });
  const result: Cloud = { ...cloud, env: {}, files };
  return { ...result, env: environment(result) };
}

/** What the local cloud changes in the environment of the commands that use it. */
export function exports(cloud: Cloud): Record<string, string> {
  return {
    PATH: [toolsFolder, ...(process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== toolsFolder)].join(
      delimiter,
    ),
    AWS_ENDPOINT_URL: cloud.endpoint,
    AWS_REGION: region,
    // What boto3 and version 1 of the AWS CLI read.
    AWS_DEFAULT_REGION: region,
    ...keysOf(cloud.dir, "deployer"),
    LOCAL_CLOUD_DIR: cloud.dir,
    LOCAL_CLOUD_RUN: cloud.run,
    LOCAL_CLOUD_PREFIX: cloud.prefix,
    LOCAL_CLOUD_REGISTRY: cloud.registry,
    DOCKER_CONFIG: join(cloud.dir, "docker"),
    DOCKER_HOST: `unix://${cloud.run}/docker.sock`,
    // A builder that somebody creates, with no driver named, is this BuildKit.
    BUILDKIT_HOST: `unix://${cloud.run}/buildkitd.sock`,
    SSL_CERT_FILE: certificateBundle(cloud),
    NODE_EXTRA_CA_CERTS: certificateBundle(cloud),
    PULUMI_HOME: join(home, "pulumi"),
    // No .attrs file beside each object: it is written in place, so a kill in that moment would leave it empty and the stack unreadable.
    PULUMI_BACKEND_URL: `file://${join(cloud.dir, "state")}?metadata=skip`,
    // Pulumi.local.yaml's salt goes with it. What it keeps secret is the local registry's token, which opens nothing but this cloud.
    PULUMI_CONFIG_PASSPHRASE: "local",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

/** The environment of somebody else than who deploys. */
export const as = (cloud: Cloud, identity: Identity): NodeJS.ProcessEnv => ({
  ...cloud.env,
  ...keysOf(cloud.dir, identity),
});

function environment(cloud: Cloud): NodeJS.ProcessEnv {
  // Somebody's own AWS profile or Pulumi token must not reach the local cloud.
  const foreign = /^(AWS|PULUMI|DOCKER|BUILDX|BUILDKIT)_/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return { ...Object.fromEntries(own), ...exports(cloud) };
}

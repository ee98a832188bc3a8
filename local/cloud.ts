import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { toolsFolder } from "../tools/go.ts";
import { checkHost } from "../tools/host.mjs";
import { exclusively } from "../tools/lock.ts";
import { home, readIfThere } from "../tools/paths.ts";
import { accepts } from "../tools/ready.ts";
import { type Identity, keysOf } from "./identity.ts";

/** A local cloud: its folders, its addresses on loopback, and the environment of the user who deploys. */
export type Cloud = Places & { readonly env: NodeJS.ProcessEnv };
type Places = ReturnType<typeof placesOf>;

/** @param folder A local cloud's data. @default `LOCAL_CLOUD_DIR`, or this clone's */
export const cloudFolder = (folder = process.env.LOCAL_CLOUD_DIR ?? join(home, "cloud")) => resolve(folder);

/**
 * Opens a local cloud. Each one of a host has its own addresses, so that several clones, and the tests, run side by side.
 *
 * @param folder As of {@link cloudFolder}.
 * @throws Error where no local cloud can run.
 */
export async function openCloud(folder?: string): Promise<Cloud> {
  checkHost();
  const dir = cloudFolder(folder);
  // The engine makes no folder for its file backend.
  mkdirSync(join(dir, "state"), { recursive: true });
  const places = placesOf(dir, await exclusively("hono-app-addresses", () => claimPrefix(dir)));
  const env = environment(places);
  // What this process runs is found in the same folders.
  process.env.PATH = env.PATH;
  return { ...places, env };
}

/** Where the services listen, on the cloud's first address: AWS's API, ECR's registry and the mirror of Docker Hub. */
export const ports = { api: 5000, registry: 5443, hub: 5001 } as const;

/** The region that the local cloud emulates; the stack's aws:region must be the same. */
const region = "ap-northeast-2";

const runFolder = (number: number) => `/run/hono-app-${number}`;

/** Claims the addresses that this cloud had before, unless another one has them now. */
async function claimPrefix(dir: string): Promise<number> {
  const file = join(dir, "prefix");
  const candidates = Array.from({ length: 200 }, (_, index) => 18 + index);
  const ownerOf = (number: number) => join(runFolder(number), "owner");
  // Also that of a folder that was removed while its cloud ran, and has no such file any more.
  const ours = candidates.find((number) => readIfThere(ownerOf(number)) === dir);
  const before = ours ?? Number(readIfThere(file));
  for (const number of before ? [before, ...candidates] : candidates) {
    if (number !== ours) {
      const inUse = await Promise.all(Object.values(ports).map((port) => accepts(`127.${number}.0.1:${port}`)));
      if (existsSync(runFolder(number)) || inUse.includes(true)) continue;
      mkdirSync(runFolder(number), { mode: 0o755 });
      writeFileSync(`${ownerOf(number)}.new`, dir);
      renameSync(`${ownerOf(number)}.new`, ownerOf(number));
    }
    writeFileSync(file, String(number));
    return number;
  }
  throw new Error(
    `each of 127.18.0.1 to 127.217.0.1 has a local cloud, or another program at port ${Object.values(ports).join(", ")}; ` +
      "end one of them: npm run local -- down in its clone, or what ss -ltnp shows at these ports",
  );
}

/** @param number Second octet of its addresses. */
function placesOf(dir: string, number: number) {
  const prefix = `127.${number}`;
  const address = `${prefix}.0.1`;
  return {
    /** Data on disk. */
    dir,
    /** Sockets and process ids: under /run, since a socket's path has to be short, and it is emptied by a reboot. */
    run: runFolder(number),
    /** The first two octets of all its addresses, such as `127.18`. */
    prefix,
    /** AWS's API: moto. */
    endpoint: `http://${address}:${ports.api}`,
    /** ECR's registry, `host:port`. */
    registry: `${address}:${ports.registry}`,
    /** Docker Hub's mirror, `host:port`. */
    mirror: `${address}:${ports.hub}`,
    /** moto's account. */
    account: "123456789012",
  };
}

/** The files of a daemon. */
export const filesOf = ({ dir, run }: Pick<Cloud, "dir" | "run">, name: string) => ({
  pidFile: join(run, `${name}.pid`),
  logFile: join(dir, "log", `${name}.log`),
});

/** The registry's certificate, in PEM. */
export const certificate = ({ dir }: Pick<Cloud, "dir">) => join(dir, "tls", "certificate.pem");

/** The certificates that this host trusts, and the registry's. */
export const certificateBundle = ({ dir }: Pick<Cloud, "dir">) => join(dir, "tls", "bundle.pem");

/** What the local cloud changes in the environment of the commands that use it. */
export function exports(cloud: Places): Record<string, string> {
  const path = process.env.PATH ?? "";
  return {
    PATH: [toolsFolder, ...path.split(delimiter).filter((folder) => folder !== toolsFolder)].join(delimiter),
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
    // A builder that is created without a driver uses this BuildKit.
    BUILDKIT_HOST: `unix://${cloud.run}/buildkitd.sock`,
    SSL_CERT_FILE: certificateBundle(cloud),
    NODE_EXTRA_CA_CERTS: certificateBundle(cloud),
    PULUMI_HOME: join(home, "pulumi"),
    // No .attrs file beside each object: it is not written atomically, and a kill could leave it empty and the stack unreadable.
    PULUMI_BACKEND_URL: `file://${join(cloud.dir, "state")}?metadata=skip`,
    // Of stacks that have no KMS key, as that of Pulumi.local.yaml has: to derive a key from it takes each command a third of a second.
    PULUMI_CONFIG_PASSPHRASE: "local",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

export const as = (cloud: Cloud, identity: Identity): NodeJS.ProcessEnv => ({
  ...cloud.env,
  ...keysOf(cloud.dir, identity),
});

/** Where and as whom AWS's SDK calls the API. */
export function sdkOf({ dir, endpoint }: Pick<Cloud, "dir" | "endpoint">, identity: Identity) {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = keysOf(dir, identity);
  return { endpoint, region, credentials: { accessKeyId, secretAccessKey } };
}

function environment(cloud: Places): NodeJS.ProcessEnv {
  // The user's own AWS profile or Pulumi token must not reach the local cloud.
  const foreign = /^(AWS|PULUMI|DOCKER|BUILDX|BUILDKIT)_/;
  const own = Object.entries(process.env).filter(([name]) => !foreign.test(name));
  return { ...Object.fromEntries(own), ...exports(cloud) };
}

import { join } from "node:path";
import { keysOf } from "../../local/identity.ts";
import { readConfig } from "../../tools/stack-config.ts";
import type { AwsClient, Probe } from "./probe.ts";

/** Which cloud the checks are about. */
export interface Environment {
  readonly name: "local" | "aws";
  /** Why this one was chosen. */
  readonly because: string;
  readonly root: string;
  /** The Pulumi stack that is worked with there. */
  readonly stack: string;
  /** The world as the commands of that cloud see it. */
  readonly probe: Probe;
  /** The local cloud's places; with AWS, undefined. */
  readonly local?: {
    readonly dir: string;
    /** Its folder under /run; undefined before its first start. */
    readonly run: string | undefined;
    /** Whether its processes run. */
    readonly running: boolean;
    /** Such as `127.18`. */
    readonly prefix: string | undefined;
  };
}

/** How a person shows that AWS itself is meant: credentials, or a place where they would be. */
const signsOfAws = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/**
 * Finds out which cloud is used: the local one needs no account, and whoever uses only that must not be told that AWS credentials are
 * missing. In its own environment (`npm run local -- env`), or without any sign of AWS, it is the local one.
 */
export function findEnvironment(probe: Probe, root: string, wanted?: "local" | "aws"): Environment {
  const { env } = probe;
  const endpoint = env.AWS_ENDPOINT_URL;
  const sign = signsOfAws.find((name) => env[name]);
  const files = [
    env.AWS_CONFIG_FILE ?? join(probe.home, ".aws", "config"),
    env.AWS_SHARED_CREDENTIALS_FILE ?? join(probe.home, ".aws", "credentials"),
  ];
  const file = files.find((path) => probe.exists(path));
  const [name, because] = ((): ["local" | "aws", string] => {
    if (wanted !== undefined) return [wanted, "as asked"];
    if (env.LOCAL_CLOUD_PREFIX) return ["local", "LOCAL_CLOUD_PREFIX is set"];
    if (endpoint && /^https?:\/\/(127\.|localhost|\[::1\])/.test(endpoint))
      return ["local", "AWS_ENDPOINT_URL is on this machine"];
    if (sign !== undefined) return ["aws", `${sign} is set`];
    if (file !== undefined) return ["aws", `${file} is there`];
    return ["local", "nothing of AWS is set up here"];
  })();

  if (name === "aws") return { name, because, root, stack: env.PULUMI_STACK ?? "dev", probe };
  const local = findLocalCloud(probe, root);
  return { name, because, root, stack: "local", probe: probe.in(localEnv(probe, root, local)), local };
}

/** The stack's configuration, with the defaults of Pulumi.yaml. */
export function configOf({ probe, root, stack }: Environment): Readonly<Record<string, string>> {
  const [project = "", own = ""] = ["Pulumi.yaml", `Pulumi.${stack}.yaml`].map((file) => probe.read(join(root, file)));
  return readConfig(project, own);
}

/** Where and as whom the program would call AWS for this stack. */
export function clientOf(environment: Environment): AwsClient {
  const { "aws:region": region, "aws:profile": profile } = configOf(environment);
  return { region: region ?? environment.probe.env.AWS_REGION ?? "us-east-1", profile };
}

function findLocalCloud(probe: Probe, root: string): NonNullable<Environment["local"]> {
  const dir = probe.env.LOCAL_CLOUD_DIR ?? join(root, ".local", "cloud");
  const number = probe.read(join(dir, "prefix"))?.trim();
  const run = number ? `/run/hono-app-${number}` : undefined;
  const isOurs = run !== undefined && probe.read(join(run, "owner")) === dir;
  const running = isOurs && probe.list(run).some((file) => file.endsWith(".pid") && isAlive(probe, join(run, file)));
  return { dir, run: isOurs ? run : undefined, running, prefix: number ? `127.${number}` : undefined };
}

/** Whether the process of a pid file still runs, and is the same one where the file has its start time. */
export function isAlive(probe: Probe, pidFile: string): boolean {
  const [pid = "", started] = (probe.read(pidFile) ?? "").trim().split(" ");
  // A pid inside an engine's own process namespace means nothing here.
  if (!/^\d+$/.test(pid) || pid === "1") return false;
  const fields = probe
    .read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  if (fields === undefined || fields[0] === "Z") return false;
  return started === undefined || fields[19] === started;
}

/** The part of local/cloud.ts' environment that the checks need; that one would make and claim what is missing. */
function localEnv(probe: Probe, root: string, local: NonNullable<Environment["local"]>): Probe["env"] {
  const foreign = /^(AWS|PULUMI|DOCKER|BUILDX|BUILDKIT)_/;
  const own = Object.entries(probe.env).filter(([name]) => !foreign.test(name));
  return {
    ...Object.fromEntries(own),
    PATH: `${join(root, ".local", "bin")}:${probe.env.PATH ?? ""}`,
    ...(local.prefix ? { AWS_ENDPOINT_URL: `http://${local.prefix}.0.1:5000` } : {}),
    ...keysOf(local.dir, "deployer"),
    DOCKER_CONFIG: join(local.dir, "docker"),
    ...(local.run ? { DOCKER_HOST: `unix://${local.run}/docker.sock` } : {}),
    PULUMI_HOME: join(root, ".local", "pulumi"),
    PULUMI_BACKEND_URL: `file://${join(local.dir, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "local",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
}

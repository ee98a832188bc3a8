import { join } from "node:path";
import { type Cloud, cloudFolder, describeCloud } from "../../local/cloud.ts";
import { runningPid } from "../../local/daemon.ts";
import { root } from "../../tools/paths.ts";
import { readConfig } from "../../tools/stack-config.ts";
import type { AwsClient, Probe } from "./probe.ts";

/** Which cloud the checks are about. */
export interface Environment {
  readonly name: "local" | "aws";
  /** Why this one was chosen. */
  readonly because: string;
  /** The Pulumi stack that is worked with there. */
  readonly stack: string;
  /** This machine, in the environment of that cloud's commands. */
  readonly probe: Probe;
  /** @default it is AWS */
  readonly local?: {
    readonly cloud: Cloud;
    /** Whether it was ever started, so that its addresses are known. */
    readonly known: boolean;
    /** Whether its processes run. */
    readonly running: boolean;
  };
}

/** Variables that are set where AWS itself is meant. */
const signsOfAws = [
  "AWS_ACCESS_KEY_ID",
  "AWS_PROFILE",
  "AWS_ROLE_ARN",
  "AWS_WEB_IDENTITY_TOKEN_FILE",
  "AWS_CONTAINER_CREDENTIALS_FULL_URI",
  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];

/**
 * Finds out which cloud is used: the local one in its own environment (`npm run local -- env`) and where nothing of AWS is set up. It needs
 * no account, so that missing credentials are no fault then.
 */
export function findEnvironment(
  probeIn: (env: Probe["env"]) => Probe,
  env: Probe["env"],
  wanted?: "local" | "aws",
  stack = "dev",
): Environment {
  const probe = probeIn(env);
  const sign = signsOfAws.find((name) => env[name]);
  const file = [
    env.AWS_CONFIG_FILE ?? join(probe.home, ".aws", "config"),
    env.AWS_SHARED_CREDENTIALS_FILE ?? join(probe.home, ".aws", "credentials"),
  ].find(probe.exists);
  const [name, because] = ((): ["local" | "aws", string] => {
    if (wanted !== undefined) return [wanted, "as asked"];
    if (env.LOCAL_CLOUD_PREFIX) return ["local", "LOCAL_CLOUD_PREFIX is set"];
    if (/^https?:\/\/(127\.|localhost|\[::1\])/.test(env.AWS_ENDPOINT_URL ?? ""))
      return ["local", "AWS_ENDPOINT_URL is on this machine"];
    if (sign !== undefined) return ["aws", `${sign} is set`];
    if (file !== undefined) return ["aws", `${file} is there`];
    return ["local", "nothing of AWS is set up here"];
  })();
  if (name === "aws") return { name, because, stack, probe };

  const dir = cloudFolder(env.LOCAL_CLOUD_DIR);
  const number = Number(probe.read(join(dir, "prefix")) ?? 0);
  const cloud = describeCloud(dir, number, env);
  const running = probe.read(join(cloud.run, "owner")) === dir && isRunning(probe, cloud.run);
  return { name, because, stack: "local", probe: probeIn(cloud.env), local: { cloud, known: number > 0, running } };
}

/** Whether any daemon of a local cloud runs, by its folder under /run. */
export function isRunning(probe: Probe, run: string): boolean {
  const files = probe.list(run).filter((file) => file.endsWith(".pid"));
  return files.some((file) => runningPid({ pidFile: join(run, file) }, probe.read) !== undefined);
}

/** The stack's configuration, with the defaults of Pulumi.yaml. */
export function configOf({ probe, stack }: Environment): Readonly<Record<string, string>> {
  const [project = "", own = ""] = ["Pulumi.yaml", `Pulumi.${stack}.yaml`].map((file) => probe.read(join(root, file)));
  return readConfig(project, own);
}

/** Where and as whom the program would call AWS for this stack. */
export function clientOf(environment: Environment): AwsClient {
  const { "aws:region": region, "aws:profile": profile } = configOf(environment);
  return { region: region ?? environment.probe.env.AWS_REGION ?? "us-east-1", profile };
}

import { join } from "node:path";
import { machineNames, platforms } from "../../components/architecture.ts";
import type { AwsClient } from "../../components/aws-client.ts";
import { domainOf } from "../../components/names.ts";
import { isOlder } from "../../engines.js";
import { root } from "../../tools/paths.ts";
import { projectName } from "../../tools/project.ts";
import { parseBuilder } from "../image/builder.ts";
import { NoAnswer, type Probe } from "./probe.ts";
import type { Quota } from "./quotas.ts";

export interface Environment {
  readonly probe: Probe;
  /** The stack whose `pulumi up` is meant. @default this machine alone */
  readonly stack?: string;
  /** The stack's configuration, with the defaults of Pulumi.yaml. */
  readonly config: Readonly<Record<string, string>>;
}

/** What a check found. `ok` may say what it saw; `skipped` says why it does not apply; `fault` says what is wrong and what fixes it. */
export type Finding =
  | { readonly state: "ok"; readonly note?: string }
  | { readonly state: "skipped"; readonly note: string }
  | { readonly state: "fault"; readonly fault: string; readonly remedy: string };

export interface Check {
  readonly id: string;
  readonly title: string;
  readonly run: (environment: Environment) => Promise<Finding> | Finding;
}

const ok = (note?: string): Finding => ({ state: "ok", note });
const skipped = (note: string): Finding => ({ state: "skipped", note });
const fault = (what: string, remedy: string): Finding => ({ state: "fault", fault: what, remedy });

/** AWS refuses a request that is more than five minutes off. A clock that is a minute off will be, some day. */
const mostSkewSeconds = 60;

/** The most that will be in use at one time, with a first `up` or in the next release. */
const needed = ({ used, own, firstUp, release }: Quota) => used + Math.max(firstUp - own, 0) + release;

const noDocker = skipped("there is no docker");
const localCloud = `or the local cloud's: eval "$(npm run --silent local -- env)"`;
const lastLine = ({ stdout, stderr }: ReturnType<Probe["exec"]>) =>
  (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
const onMac = ({ platform }: Probe, mac: string, other: string) => (platform === "darwin" ? mac : other);
/** Region and credentials with which the program calls AWS for this stack. */
const clientOf = ({ config, probe }: Environment): AwsClient => ({
  region: config["aws:region"] ?? probe.env.AWS_REGION ?? "us-east-1",
  profile: config["aws:profile"],
});

/** What the guide's commands need on this machine. */
export const machineChecks: readonly Check[] = [
  {
    id: "docker",
    title: "Docker Engine",
    run({ probe }) {
      const answer = probe.exec("docker", "info", "--format", "{{.ServerVersion}} {{.OSType}}/{{.Architecture}}");
      // When no engine answers, the CLI prints what it knows of itself and ends with 0 or 1, depending on its version.
      if (answer.status === 0 && /^\d/.test(answer.stdout.trim())) return ok(answer.stdout.trim());
      if (answer.status === null) {
        const install = onMac(probe, "brew install --cask docker", "curl -fsSL https://get.docker.com | sh");
        return fault("there is no docker", `${install}, ${localCloud}`);
      }
      const reason = lastLine(answer);
      if (/permission denied/i.test(answer.stderr)) {
        return fault("this user may not use the Docker Engine", "sudo usermod -aG docker $USER && newgrp docker");
      }
      const host = probe.env.DOCKER_HOST;
      if (host) return fault(`no engine answers at DOCKER_HOST=${host}: ${reason}`, "unset DOCKER_HOST");
      const remedy = onMac(probe, "open -a Docker", "sudo systemctl start docker");
      return fault(`the Docker Engine does not run: ${reason}`, `${remedy}, ${localCloud}`);
    },
  },
  {
    id: "logins",
    title: "Docker's logins",
    run({ probe }) {
      const file = join(probe.env.DOCKER_CONFIG ?? join(probe.env.HOME ?? "", ".docker"), "config.json");
      const { credsStore } = JSON.parse(probe.read(file) || "{}");
      if (!credsStore) return ok();
      // The docker-build provider lists them all before it builds or refreshes, whatever registry is meant.
      const helper = `docker-credential-${credsStore}`;
      const answer = probe.exec(helper, "list");
      if (answer.status === 0) return ok(helper);
      const why = answer.status === null ? `there is no ${helper}` : `${helper} list fails: ${lastLine(answer)}`;
      const remedy = `start Docker Desktop, or take "credsStore" out of ${file}, then docker login`;
      return fault(`${why}, by which ${file} keeps logins`, remedy);
    },
  },
  dockerPlugin("Buildx"),
  dockerPlugin("Compose"),
  {
    id: "builder",
    title: "Buildx builder",
    run({ probe, config }) {
      const name = config[`${projectName}:builder`] ?? "";
      const create = `docker buildx create --name ${name} --driver docker-container --bootstrap`;
      const answer = probe.exec("docker", "buildx", "inspect", name);
      if (answer.status === null) return noDocker;
      if (/is not a docker command|unknown command|unknown flag/.test(answer.stderr))
        return skipped("there is no Buildx");
      if (answer.status !== 0) return fault(`there is no builder "${name}": ${lastLine(answer)}`, create);
      const { driver, nodes } = parseBuilder(answer.stdout);
      // "multiple platforms feature is currently not supported for docker driver", unless the engine keeps its images in containerd's store.
      const store = () => probe.exec("docker", "info", "--format", "{{.DriverStatus}}").stdout;
      if (driver === "docker" && !store().includes("io.containerd.snapshotter.v1")) {
        const what = `the builder "${name}" has the driver docker, which builds for one platform only`;
        return fault(what, `docker buildx rm ${name}; ${create}`);
      }
      const error = nodes.find((node) => node.error !== undefined)?.error;
      const again = `docker buildx rm --force ${name}; ${create}`;
      if (error !== undefined) return fault(`the builder "${name}" does not answer: ${error}`, again);
      const found = nodes.flatMap((node) => node.platforms);
      const missing = found.length === 0 ? [] : platforms.filter((platform) => !found.includes(platform));
      const seen = `${name}, driver ${driver}`;
      if (missing.length === 0) return ok(seen);
      // BuildKit builds for a platform that it cannot run, as long as no step has to run there.
      return ok(
        `${seen}; it runs nothing of ${missing.join(", ")}, and app/Dockerfile need not: a RUN there would end with "exec format error"`,
      );
    },
  },
  {
    id: "leftovers",
    title: "Local clouds whose folder was deleted",
    run({ probe }) {
      const owners = probe
        .list("/run")
        .filter((name) => /^hono-app-\d+$/.test(name))
        .flatMap((name) => probe.read(join("/run", name, "owner")) ?? [])
        .filter((owner) => !probe.exists(owner));
      if (owners.length === 0) return ok();
      return fault(
        `the folder of a local cloud was deleted, and its processes may still run: ${owners.join(", ")}`,
        owners.map((owner) => `LOCAL_CLOUD_DIR=${owner} npm run local -- down`).join("; "),
      );
    },
  },
];

/** What `pulumi up` of a stack on AWS needs besides. */
export const stackChecks: readonly Check[] = [
  {
    id: "pulumi",
    title: "Pulumi CLI",
    run({ probe }) {
      const least = /^pulumi (.*)$/m.exec(probe.read(join(root, ".tool-versions")) ?? "")?.[1] ?? "";
      const linux = `curl -fsSL https://get.pulumi.com | sh -s -- --version ${least}`;
      const install = onMac(probe, "brew install pulumi/tap/pulumi", linux);
      const answer = probe.exec("pulumi", "version");
      if (answer.status === null) return fault("there is no pulumi", install);
      if (answer.status !== 0) return fault(`pulumi version fails: ${lastLine(answer)}`, install);
      const version = answer.stdout.trim().replace(/^v/, "");
      if (!isOlder(version, least)) return ok(version);
      return fault(`Pulumi ${version}; the program was tested with ${least} and newer`, install);
    },
  },
  {
    id: "backend",
    title: "Pulumi's backend",
    run({ probe, stack = "" }) {
      const answer = probe.exec("pulumi", "whoami", "--json", "--non-interactive");
      if (answer.status === null) return skipped("there is no pulumi");
      if (answer.status !== 0) {
        const chosen = probe.env.PULUMI_BACKEND_URL;
        if (chosen !== undefined)
          return fault(`the backend ${chosen} cannot be used: ${lastLine(answer)}`, `pulumi login '${chosen}'`);
        const remedy = "pulumi login, or: pulumi login 's3://BUCKET?region=REGION'";
        return fault("not logged in to a backend, which keeps the stack's state", remedy);
      }
      const { url } = JSON.parse(answer.stdout);
      const [, path] = /^file:\/\/([^?]*)/.exec(url) ?? [];
      // Only a backend in a folder shows its locks.
      if (path === undefined) return ok(url);
      const name = `organization/${projectName}/${stack}`;
      const folder = join(path.replace(/^~/, probe.env.HOME ?? ""), ".pulumi", "locks", name);
      for (const file of probe.list(folder).filter((name) => name.endsWith(".json"))) {
        const { pid, hostname, timestamp } = JSON.parse(probe.read(join(folder, file)) || "{}");
        if (pid === undefined || hostname !== probe.hostname) continue;
        if (probe.isAlive(pid)) return ok(`${url}; the stack ${stack} is in use by process ${pid}`);
        return fault(
          `the stack ${stack} is locked since ${timestamp} by process ${pid}, which is gone`,
          `pulumi cancel --yes --stack ${name}`,
        );
      }
      return ok(url);
    },
  },
  {
    id: "aws-credentials",
    title: "AWS credentials",
    async run(environment) {
      const { stack = "", probe, config } = environment;
      const client = clientOf(environment);
      const found = await probe.identity(client).catch((error: Error) => error);
      if (found instanceof Error) return refusedCredentials(found, client.profile ?? probe.env.AWS_PROFILE);
      const { arn, account } = found;
      const another = (what: string) =>
        fault(
          `the credentials are of account ${account} (${arn}), but the stack ${stack} ${what}`,
          "export AWS_PROFILE=NAME, a profile of that account",
        );
      const allowed = [JSON.parse(config["aws:allowedAccountIds"] ?? "[]")].flat().map(String);
      if (allowed.includes(account)) return ok(`${arn}, an account that the stack ${stack} allows`);
      if (allowed.length > 0) return another(`allows only ${allowed.join(", ")} (aws:allowedAccountIds)`);
      // In another account a refresh would find nothing of the stack.
      const output = ["stack", "output", "repositoryUrl", "--non-interactive", "--stack", stack];
      const [deployed = account] = /^\d{12}(?=\.dkr\.)/.exec(probe.exec("pulumi", ...output).stdout) ?? [];
      if (deployed !== account) return another(`is deployed to ${deployed}`);
      const set = `pulumi config set --stack ${stack} --path --type string 'aws:allowedAccountIds[0]' ${account}`;
      return ok(`${arn}; the stack ${stack} takes any account; to allow this one only: ${set}`);
    },
  },
  {
    id: "aws-region",
    title: "AWS region",
    run(environment) {
      const { probe, stack } = environment;
      const wanted = clientOf(environment).region;
      const name = ["AWS_REGION", "AWS_DEFAULT_REGION"].find((each) => (probe.env[each] ?? wanted) !== wanted);
      if (name === undefined) return ok(wanted);
      return fault(
        `${name} is ${probe.env[name]}, but the stack ${stack} is in ${wanted}: aws and docker login would look in the wrong place`,
        `export ${name}=${wanted}`,
      );
    },
  },
  {
    id: "aws-quotas",
    title: "AWS quotas",
    async run(environment) {
      const client = clientOf(environment);
      const setting = (name: string) => environment.config[`${projectName}:${name}`] ?? "";
      const machines = Number(setting(setting("cpuTarget") === "0" ? "machinesMin" : "machinesMax"));
      const needs = {
        instanceTypes: machineNames.map((name) => setting(`${name}InstanceType`)),
        fleet: setting("fleet") === "true" ? { machines, egress: setting("egress") } : undefined,
        tags: { project: projectName, stack: environment.stack ?? "" },
      };
      const quotas = await environment.probe.quotas(client, needs).catch((error: Error) => error);
      if (quotas instanceof Error) return skipped(`not known: ${quotas}`);
      const text = ({ what, used, own, limit, problem, firstUp, release }: Quota) => {
        const unreadable = `${used} in use, of a quota that cannot be read (${problem})`;
        const inUse = limit === undefined ? unreadable : `${used} of ${limit} in use`;
        const more = release > 0 ? `, a release ${release} more until the old machines are gone` : "";
        return `${what}: ${inUse}, ${own} by this stack; a first up takes ${firstUp}${more}`;
      };
      const short = quotas.filter((quota) => quota.limit !== undefined && needed(quota) > quota.limit);
      if (short.length > 0) {
        const commands = short.map(
          (quota) =>
            `aws service-quotas request-service-quota-increase --service-code ${quota.service} --quota-code ${quota.code} --desired-value ${needed(quota)} --region ${client.region}`,
        );
        return fault(short.map(text).join("; "), `${commands.join("; ")}; or remove what is not needed there`);
      }
      const note = quotas.map(text).join("; ");
      return quotas.some(({ limit }) => limit === undefined) ? skipped(note) : ok(note);
    },
  },
  {
    id: "endpoint",
    title: "AWS's API and the clock",
    async run(environment) {
      const { probe } = environment;
      const { region } = clientOf(environment);
      const url = probe.env.AWS_ENDPOINT_URL ?? `https://sts.${region}.${domainOf(region)}/`;
      const seconds = await probe.clockSkew(url);
      if (seconds === undefined) {
        const remedy = "check the network; a proxy alone is not enough: docs/troubleshooting.md";
        return fault(`${url} cannot be reached`, remedy);
      }
      if (Math.abs(seconds) <= mostSkewSeconds) return ok(url);
      const linux = "sudo timedatectl set-ntp true (in WSL: sudo hwclock -s)";
      return fault(
        `this machine's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} ${url}; AWS refuses requests that are 300 s off`,
        onMac(probe, "sudo sntp -sS time.apple.com", linux),
      );
    },
  },
];

/** Runs a check. One that throws is a fault too. */
export async function inspect({ run }: Check, environment: Environment): Promise<Finding> {
  try {
    return await run(environment);
  } catch (error) {
    if (error instanceof NoAnswer) return fault(error.message, error.command);
    return fault(
      `the check itself failed: ${error instanceof Error ? error.message : error}`,
      "report it, with the output of: npm run doctor -- --json",
    );
  }
}

/** What the error means that AWS, or the SDK before it asked AWS, gave instead of whose the credentials are. */
function refusedCredentials({ name, message }: Error, profile?: string): Finding {
  const text = `${name} ${message}`;
  // An SSO session that has ended is reported by the provider of credentials, and not by AWS.
  if (/expired/i.test(text)) {
    const login = `aws sso login${profile ? ` --profile ${profile}` : ""}`;
    const remedy = `${login}, or get new ones where these came from`;
    return fault(`the AWS credentials have expired: ${message}`, remedy);
  }
  if (/CredentialsProviderError|TokenProviderError|Could not load credentials/.test(text)) {
    const remedy = "aws configure sso, then: aws sso login; export AWS_PROFILE=NAME";
    return fault("there are no AWS credentials", remedy);
  }
  if (/InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|AccessDenied|InvalidToken/.test(text))
    return fault(`AWS does not accept the credentials: ${message}`, "aws configure, with a key that exists");
  return skipped(`not known: ${message.split("\n")[0]}`);
}

function dockerPlugin(name: "Buildx" | "Compose"): Check {
  const id = name.toLowerCase();
  return {
    id,
    title: `Docker ${name}`,
    run({ probe }) {
      const answer = probe.exec("docker", id, "version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      if (answer.status === null) return noDocker;
      const linux = `sudo apt-get install -y docker-${id}-plugin (Docker's repository) or docker-${id} (Debian's)`;
      // Homebrew's Docker, as with Colima, finds no plugin by itself; Docker Desktop has both.
      const link = `ln -sfn "$(brew --prefix)/lib/docker/cli-plugins/docker-${id}" ~/.docker/cli-plugins/`;
      const mac = `brew install docker-${id}; mkdir -p ~/.docker/cli-plugins; ${link}`;
      return fault(`Docker has no ${name}`, `${onMac(probe, mac, linux)}, ${localCloud}`);
    },
  };
}

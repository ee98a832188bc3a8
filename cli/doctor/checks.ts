import { dirname, join } from "node:path";
import { parse } from "yaml";
import { type Architecture, architectures, machineNames, platforms } from "../../components/architecture.ts";
import { isOlder, neededNode } from "../../engines.js";
import { toolsFolder } from "../../tools/go.ts";
import { addressOf } from "../../tools/lock.ts";
import { root } from "../../tools/paths.ts";
import { projectName } from "../../tools/stack-config.ts";
import { parseBuilder } from "../image/builder.ts";
import { clientOf, configOf, type Environment, isRunning } from "./environment.ts";
import { has, NoAnswer, type Probe } from "./probe.ts";
import { needed, type Quota } from "./quotas.ts";

/** What a check found. `ok` may say what it saw; `skipped` says why it does not apply; `fault` says what is wrong and what fixes it. */
export type Finding =
  | { readonly state: "ok"; readonly note?: string }
  | { readonly state: "skipped"; readonly note: string }
  | { readonly state: "fault"; readonly fault: string; readonly remedy: string };

export interface Check {
  readonly id: string;
  readonly title: string;
  /** @default both clouds */
  readonly only?: Environment["name"];
  /** Whether it is skipped while the local cloud does not run. */
  readonly needsRunning?: true;
  readonly run: (environment: Environment) => Promise<Finding> | Finding;
}

const ok = (note?: string): Finding => ({ state: "ok", note });
const skipped = (note: string): Finding => ({ state: "skipped", note });
const fault = (what: string, remedy: string): Finding => ({ state: "fault", fault: what, remedy });

const gib = 2 ** 30;
/** In GiB. A first set-up of the local cloud takes 8 with its caches, engines and images, as README.md says; a build for AWS, its base images. */
const leastDisk = { local: 8, aws: 2 };
/** AWS refuses a request that is more than five minutes off; a clock that is a minute off gets there. */
const mostSkewSeconds = 60;

const start = "npm run local";
const noDocker = skipped("there is no docker");
const builderOf = (environment: Environment) => configOf(environment)[`${projectName}:builder`] ?? "";
const lastLine = ({ stdout, stderr }: ReturnType<Probe["exec"]>) =>
  (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";
const onMac = ({ platform }: Probe, mac: string, other: string) => (platform === "darwin" ? mac : other);

export const checks: readonly Check[] = [
  {
    id: "node",
    title: "Node",
    only: "aws",
    run({ probe }) {
      const version = probe.nodeVersion();
      const install = "install Node 24 (nodejs.org), or: mise use node@24";
      if (version === undefined) return fault("there is no node, with which pulumi runs the program", install);
      return isOlder(version, neededNode)
        ? fault(`Node ${version}; the program needs ${neededNode}, which runs TypeScript itself`, install)
        : ok(version);
    },
  },
  {
    id: "root",
    title: "Linux and root",
    only: "local",
    run({ probe: { platform, uid } }) {
      const what = "the local cloud runs Docker Engines and needs";
      if (platform !== "linux") {
        return fault(
          `${what} Linux; this is ${platform}`,
          "use the dev container: devcontainer up --workspace-folder .",
        );
      }
      return uid === 0 ? ok() : fault(`${what} root`, `sudo env "PATH=$PATH" ${start}`);
    },
  },
  {
    id: "docker-cli",
    title: "Docker CLI",
    run({ probe, local }) {
      const answer = probe.exec("docker", "--version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      return fault(
        "there is no docker",
        local && has(probe, "apt-get")
          ? `apt-get update && apt-get install -y docker.io (${start} does it too)`
          : onMac(probe, "brew install --cask docker", "curl -fsSL https://get.docker.com | sh"),
      );
    },
  },
  {
    id: "docker-engine",
    title: "Docker Engine",
    needsRunning: true,
    run({ probe, local }) {
      const answer = probe.exec("docker", "info", "--format", "{{.ServerVersion}} {{.OSType}}/{{.Architecture}}");
      // When no engine answers, the CLI prints what it knows of itself and ends with 0 or 1, depending on its version.
      if (answer.status === 0 && /^\d/.test(answer.stdout.trim())) return ok(answer.stdout.trim());
      if (answer.status === null) return noDocker;
      const reason = lastLine(answer);
      if (local) return fault(`the local cloud's engine does not answer: ${reason}`, start);
      if (/permission denied/i.test(answer.stderr)) {
        return fault("this user may not use the Docker Engine", "sudo usermod -aG docker $USER && newgrp docker");
      }
      const host = probe.env.DOCKER_HOST;
      if (host) return fault(`no engine answers at DOCKER_HOST=${host}: ${reason}`, "unset DOCKER_HOST");
      const remedy = onMac(probe, "open -a Docker", "sudo systemctl start docker");
      return fault(`the Docker Engine does not run: ${reason}`, remedy);
    },
  },
  dockerPlugin("Buildx"),
  dockerPlugin("Compose"),
  {
    id: "builder",
    title: "Buildx builder",
    needsRunning: true,
    run(environment) {
      const { probe, local } = environment;
      const name = builderOf(environment);
      const create = `docker buildx create --name ${name} --driver docker-container --bootstrap`;
      const answer = probe.exec("docker", "buildx", "inspect", name);
      if (answer.status === null) return noDocker;
      if (/is not a docker command|unknown command|unknown flag/.test(answer.stderr))
        return skipped("there is no Buildx");
      if (answer.status !== 0) {
        return fault(`there is no builder "${name}": ${lastLine(answer)}`, local ? start : create);
      }
      const { driver, nodes } = parseBuilder(answer.stdout);
      // Docker's own builder makes no image of several platforms: "multiple platforms feature is currently not supported for docker driver".
      if (driver === "docker") {
        const what = `the builder "${name}" has the driver docker, which builds for one platform only`;
        return fault(what, `docker buildx rm ${name}; ${create}`);
      }
      const error = nodes.find((node) => node.error !== undefined)?.error;
      if (error !== undefined) {
        const remedy = local ? start : `docker buildx rm --force ${name}; ${create}`;
        return fault(`the builder "${name}" does not answer: ${error}`, remedy);
      }
      const found = nodes.flatMap((node) => node.platforms);
      const missing = found.length === 0 ? [] : platforms.filter((platform) => !found.includes(platform));
      const stage = emulatedStage(probe);
      // BuildKit makes an image for a platform that it cannot run, as long as nothing has to be run on it.
      if (missing.length === 0 || stage === undefined) return ok(`${name}, driver ${driver}`);
      return fault(
        `the builder "${name}" cannot run ${missing.join(", ")}, and app/Dockerfile runs a command there: ${stage}`,
        "docker run --privileged --rm tonistiigi/binfmt --install all, or a node of that architecture: docker buildx create --append --name " +
          `${name} --platform ${missing.join(",")} ssh://HOST`,
      );
    },
  },
  {
    id: "emulation",
    title: "Emulation of the other architecture",
    run({ probe, local }) {
      const stage = emulatedStage(probe);
      if (!local && stage === undefined) return skipped("not needed: the build runs nothing on the other architecture");
      if (probe.platform !== "linux") return skipped("Docker Desktop brings it");
      const other = Object.values(architectures).find(({ process }) => process !== probe.architecture) as Architecture;
      const emulator = `qemu-${other.machine}`;
      if (probe.read(`/proc/sys/fs/binfmt_misc/${emulator}`)?.startsWith("enabled")) return ok(emulator);
      const what = `QEMU is not registered for ${other.image} programs;`;
      if (!local) {
        const remedy = `docker run --privileged --rm tonistiigi/binfmt --install ${other.image}`;
        return fault(`${what} app/Dockerfile needs it: ${stage}`, remedy);
      }
      return fault(
        `${what} the local cloud's ${other.image} machine needs it`,
        has(probe, `${emulator}-static`)
          ? `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; update-binfmts --enable ${emulator}`
          : `apt-get install -y qemu-user-static binfmt-support (${start} does it too)`,
      );
    },
  },
  {
    id: "pulumi",
    title: "Pulumi CLI",
    run({ probe, local }) {
      const least = /^pulumi (.*)$/m.exec(probe.read(join(root, ".tool-versions")) ?? "")?.[1] ?? "";
      const linux = `curl -fsSL https://get.pulumi.com | sh -s -- --version ${least}`;
      const install = onMac(probe, "brew install pulumi/tap/pulumi", linux);
      const answer = probe.exec("pulumi", "version");
      if (answer.status === null && local && !isSetUp(probe, "pulumi")) return notSetUp;
      if (answer.status === null) return fault("there is no pulumi", install);
      if (answer.status !== 0) return fault(`pulumi version fails: ${lastLine(answer)}`, install);
      const version = answer.stdout.trim().replace(/^v/, "");
      if (!isOlder(version, least)) return ok(version);
      return fault(`Pulumi ${version}; the program was tested with ${least} and newer`, install);
    },
  },
  {
    id: "pulumi-backend",
    title: "Pulumi backend",
    run({ probe, local }) {
      if (local && !probe.exists(join(local.cloud.dir, "state", ".pulumi"))) return notSetUp;
      const answer = probe.exec("pulumi", ...whoAmI);
      if (answer.status === null) return skipped("there is no pulumi");
      if (answer.status === 0) return ok(backendIn(answer.stdout) ?? "logged in");
      const url = probe.env.PULUMI_BACKEND_URL;
      if (url === undefined) {
        const remedy = "pulumi login, or with a bucket of your own: pulumi login s3://BUCKET";
        return fault("not logged in to a backend, which keeps the stack's state", remedy);
      }
      return fault(`the backend ${url} cannot be used: ${lastLine(answer)}`, local ? start : `pulumi login ${url}`);
    },
  },
  {
    id: "passphrase",
    title: "Passphrase of the stack's secrets",
    run({ probe, stack }) {
      const { secretsprovider, encryptionsalt } = parse(probe.read(join(root, `Pulumi.${stack}.yaml`)) ?? "") ?? {};
      const provider: string | undefined = secretsprovider ?? (encryptionsalt ? "passphrase" : undefined);
      // Pulumi Cloud keeps secrets with a key of its own, other providers with theirs.
      if (provider !== undefined && provider !== "passphrase")
        return skipped(`the stack's secrets are kept by ${provider.split(":")[0]}`);
      const backend = () => probe.env.PULUMI_BACKEND_URL ?? backendIn(probe.exec("pulumi", ...whoAmI).stdout);
      if (provider === undefined && /^https:/.test(backend() ?? "https:"))
        return skipped("the backend is Pulumi Cloud, which needs none");
      const { PULUMI_CONFIG_PASSPHRASE: phrase, PULUMI_CONFIG_PASSPHRASE_FILE: file } = probe.env;
      if (phrase !== undefined || (file !== undefined && probe.read(file) !== undefined)) return ok();
      return fault(
        file === undefined
          ? `the secrets of the stack ${stack} are encrypted with a passphrase, and none is set`
          : `PULUMI_CONFIG_PASSPHRASE_FILE names ${file}, which cannot be read`,
        "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE, a file that holds it and only you can read",
      );
    },
  },
  {
    id: "aws-credentials",
    title: "AWS credentials",
    only: "aws",
    async run(environment) {
      const { stack, probe } = environment;
      const client = clientOf(environment);
      const found = await probe.identity(client).catch((error: Error) => error);
      if (found instanceof Error) {
        const { message } = found;
        const text = `${found.name} ${message}`;
        const profile = client.profile ?? probe.env.AWS_PROFILE;
        // An SSO session that has ended is reported by the provider of credentials, and not by AWS.
        if (/expired/i.test(text)) {
          const login = `aws sso login${profile ? ` --profile ${profile}` : ""}`;
          return fault(
            `the AWS credentials have expired: ${message}`,
            `${login}, or get new ones where these came from`,
          );
        }
        if (/CredentialsProviderError|TokenProviderError|Could not load credentials/.test(text)) {
          const remedy = "aws configure sso, then: aws sso login; export AWS_PROFILE=NAME";
          return fault("there are no AWS credentials", remedy);
        }
        if (/InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|AccessDenied|InvalidToken/.test(text))
          return fault(`AWS does not accept the credentials: ${message}`, "aws configure, with a key that exists");
        return skipped(`not known: ${message.split("\n")[0]}`);
      }
      const { arn, account } = found;
      const allowed = [JSON.parse(configOf(environment)["aws:allowedAccountIds"] ?? "[]")].flat().map(String);
      if (allowed.includes(account)) return ok(`${arn}, an account that the stack ${stack} allows`);
      if (allowed.length === 0) {
        const set = `pulumi config set --stack ${stack} --path --type string 'aws:allowedAccountIds[0]' ${account}`;
        return ok(`${arn}; the stack ${stack} takes any account; to allow this one only: ${set}`);
      }
      return fault(
        `the credentials are of account ${account} (${arn}), but the stack ${stack} allows only ${allowed.join(", ")} (aws:allowedAccountIds)`,
        "export AWS_PROFILE=NAME, a profile of that account",
      );
    },
  },
  {
    id: "aws-region",
    title: "AWS region",
    only: "aws",
    run(environment) {
      const { probe, stack } = environment;
      const wanted = configOf(environment)["aws:region"];
      if (wanted === undefined)
        return fault(`the stack ${stack} has no region`, `pulumi config set aws:region REGION --stack ${stack}`);
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
    only: "aws",
    async run(environment) {
      const client = clientOf(environment);
      const setting = (name: string) => configOf(environment)[`${projectName}:${name}`] ?? "";
      const machines = Number(setting(setting("cpuTarget") === "0" ? "machinesMin" : "machinesMax"));
      const needs = {
        instanceTypes: machineNames.map((name) => setting(`${name}InstanceType`)),
        fleet: setting("fleet") === "true" ? { machines, egress: setting("egress") } : undefined,
        tags: { project: projectName, stack: environment.stack },
      };
      const quotas = await environment.probe.quotas(client, needs).catch((error: Error) => error);
      if (quotas instanceof Error) return skipped(`not known: ${quotas}`);
      const text = ({ what, used, own, limit, problem, firstUp, release }: Quota) => {
        const inUse =
          limit === undefined
            ? `${used} in use, of a quota that cannot be read (${problem})`
            : `${used} of ${limit} in use`;
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
    needsRunning: true,
    async run(environment) {
      const { probe, local } = environment;
      const url = probe.env.AWS_ENDPOINT_URL ?? `https://sts.${clientOf(environment).region}.amazonaws.com/`;
      const seconds = await probe.clockSkew(url);
      if (seconds === undefined) {
        return local
          ? fault(`the local cloud's API does not answer at ${url}`, start)
          : fault(
              `${url} cannot be reached`,
              "check the network; a proxy alone is not enough: docs/troubleshooting.md",
            );
      }
      if (Math.abs(seconds) <= mostSkewSeconds) return ok(url);
      const linux = "sudo timedatectl set-ntp true (in WSL: sudo hwclock -s)";
      return fault(
        `this machine's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} ${url}; AWS refuses requests that are 300 s off`,
        onMac(probe, "sudo sntp -sS time.apple.com", linux),
      );
    },
  },
  {
    id: "ports",
    title: "Ports",
    async run({ probe, local }) {
      const port = Number(probe.env.PORT ?? 3000);
      const isOwn = () =>
        probe.exec("docker", "ps", "--filter", `publish=${port}`, "--format", "{{.Names}}").stdout.includes("hono-app");
      if ((await probe.accepts(`127.0.0.1:${port}`)) && !isOwn()) {
        return fault(
          `port ${port}, on which docker compose up serves, is taken by another process`,
          `PORT=${port + 1} docker compose up, or end the one that ss -ltnp 'sport = :${port}' shows`,
        );
      }
      if (!local?.known || local.running) return ok();
      const { endpoint, registry, mirror, prefix, dir } = local.cloud;
      for (const address of [new URL(endpoint).host, registry, mirror]) {
        if (await probe.accepts(address)) {
          return fault(
            `${address}, which the local cloud needs, is taken by another process`,
            `ss -ltnp 'src ${prefix}.0.1' shows by which; end it, or give the local cloud other addresses: rm ${join(dir, "prefix")}`,
          );
        }
      }
      return ok();
    },
  },
  {
    id: "disk",
    title: "Disk space",
    run(environment) {
      const { probe, local } = environment;
      // Docker Desktop's folder is in a virtual machine of its own and not seen from here.
      const engine = local ? "" : probe.exec("docker", "info", "--format", "{{.DockerRootDir}}").stdout.trim();
      const least = leastDisk[local ? "local" : "aws"];
      for (const folder of [root, engine]) {
        const free = folder.startsWith("/") ? probe.freeBytes(folder) : undefined;
        if (free !== undefined && free < least * gib) {
          return fault(
            `${(free / gib).toFixed(1)} GiB are free where ${folder} is; a build with its caches needs up to ${least} GiB`,
            local
              ? "npm run local -- down && rm -rf .local/cloud .local/cache"
              : `docker buildx prune --builder ${builderOf(environment)}; docker system prune`,
          );
        }
      }
      return ok(`${((probe.freeBytes(root) ?? 0) / gib).toFixed(0)} GiB free`);
    },
  },
  {
    id: "lock",
    title: "Pulumi's lock",
    run({ probe, local }) {
      const path = /^file:\/\/([^?]*)/.exec(probe.env.PULUMI_BACKEND_URL ?? "")?.[1];
      if (path === undefined) return skipped("only a backend in a folder shows its locks");
      const folder = join(path.replace(/^~/, probe.home), ".pulumi", "locks");
      for (const file of probe.list(folder, true).filter((name) => name.endsWith(".json"))) {
        const { pid, hostname: host, timestamp } = JSON.parse(probe.read(join(folder, file)) || "{}");
        if (pid === undefined) continue;
        if (host !== undefined && host !== probe.read("/proc/sys/kernel/hostname")?.trim()) continue;
        if (probe.exists(`/proc/${pid}/stat`)) return ok(`in use by process ${pid}`);
        const stack = dirname(file);
        return fault(
          `the stack ${stack} is locked since ${timestamp ?? "some time"} by process ${pid}, which is gone`,
          local ? `${start} (its commands clear it)` : `pulumi cancel --yes --stack ${stack}`,
        );
      }
      return ok();
    },
  },
  {
    id: "leftovers",
    title: "Leftovers of earlier local clouds",
    run({ probe }) {
      const left = probe
        .list("/run")
        .filter((name) => /^hono-app-\d+$/.test(name))
        .flatMap((name) => leftover(probe, join("/run", name)) ?? []);
      if (left.length === 0) return ok();
      return fault(left.map(({ what }) => what).join("; "), left.map(({ remedy }) => remedy).join("; "));
    },
  },
];

/** Does a check, where it applies; one that fails itself is a fault too. */
export async function inspect({ only, needsRunning, run }: Check, environment: Environment): Promise<Finding> {
  const { name, local } = environment;
  if (only !== undefined && only !== name)
    return skipped(`only ${only === "aws" ? "AWS" : "the local cloud"} needs it`);
  if (needsRunning && local && !local.running) return skipped(`the local cloud does not run; ${start} starts it`);
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

/** The local cloud's first start brings its tools and engine, so that what is not there before it is no fault. */
const notSetUp = skipped(`installed by the first ${start}`);
const isSetUp = (probe: Probe, tool: string) => probe.exists(join(toolsFolder, tool));

function dockerPlugin(name: "Buildx" | "Compose"): Check {
  const id = name.toLowerCase();
  return {
    id,
    title: `Docker ${name}`,
    run({ probe, local }) {
      const answer = probe.exec("docker", id, "version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      if (answer.status === null) return noDocker;
      if (local) return isSetUp(probe, `docker-${id}`) ? fault(`Docker does not find ${name}`, start) : notSetUp;
      const linux = `sudo apt-get install -y docker-${id}-plugin (Docker's repository) or docker-${id} (Debian's)`;
      return fault(`Docker has no ${name}`, onMac(probe, `brew install docker-${id}`, linux));
    },
  };
}

/**
 * The first instruction of app/Dockerfile that runs a program of the target's architecture: a RUN in a stage that is not on $BUILDPLATFORM.
 * Only that needs emulation, or a builder's node of that architecture.
 */
export function emulatedStage(probe: Pick<Probe, "read">): string | undefined {
  const native = new Set<string>();
  let onBuilder = true;
  const dockerfile = probe.read(join(root, "app", "Dockerfile")) ?? "";
  for (const line of dockerfile.replace(/\\\r?\n/g, " ").split("\n")) {
    const from = /^\s*FROM\s+((?:--\S+\s+)*)(\S+)(?:\s+AS\s+(\S+))?/i.exec(line);
    if (from) {
      const [, flags = "", base = "", name] = from;
      onBuilder = /--platform=\$\{?BUILDPLATFORM\b/.test(flags) || native.has(base.toLowerCase());
      if (onBuilder && name) native.add(name.toLowerCase());
    } else if (/^\s*RUN\s/i.test(line) && !onBuilder) {
      return line.trim().replace(/\s+/g, " ").slice(0, 80);
    }
  }
  return undefined;
}

const whoAmI = ["whoami", "--verbose", "--non-interactive"] as const;
const backendIn = (text: string) => /Backend URL: *(\S+)/.exec(text)?.[1];

/** What is wrong with a local cloud's folder under /run, if anything. */
function leftover(probe: Probe, run: string): { what: string; remedy: string } | undefined {
  const owner = probe.read(join(run, "owner"));
  if (owner === undefined) return { what: `${run} is left of a start that was ended`, remedy: `rm -rf ${run}` };
  const down = `LOCAL_CLOUD_DIR=${owner} npm run local -- down`;
  // Its clone was deleted, perhaps while it ran.
  if (!probe.exists(owner)) return { what: `${run} is left of a local cloud whose folder is gone`, remedy: down };
  // A command that is about to start what belongs there holds a socket of that name.
  if (isRunning(probe, run) || probe.read("/proc/net/unix")?.includes(`@${addressOf(`hono-app:${owner}`)}`))
    return undefined;
  const clone = /^(.+)\/\.local\/cloud$/.exec(owner)?.[1];
  return {
    what: `${run} is left of the local cloud in ${owner}, of which nothing runs any more`,
    remedy: clone ? `(cd ${clone} && npm run local -- down)` : down,
  };
}

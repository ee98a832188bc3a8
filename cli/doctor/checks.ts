import { dirname, join } from "node:path";
import { parse } from "yaml";
import { type Architecture, architectures, machineNames, platforms } from "../../components/architecture.ts";
import { clientOf, configOf, type Environment, isAlive } from "./environment.ts";
import type { Answer } from "./probe.ts";
import { which } from "./probe.ts";
import { needed, type Quota } from "./quotas.ts";

/** What a check found. `ok` may say what it saw; `skipped` says why it does not apply; `fault` says what is wrong and what mends it. */
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

/** The oldest versions that the tests ran with; .tool-versions and tools/go name the same. */
const least = { node: "22.18.0", pulumi: "3.259.0" } as const;

const gib = 2 ** 30;
/** A first set-up with its caches, engines and images takes about 6 GiB. */
const leastDisk = 8 * gib;
/** AWS refuses a request that is more than five minutes off; a clock that is a minute off is on its way there. */
const mostSkewSeconds = 60;

const builderOf = (environment: Environment) => configOf(environment)["hono-app:builder"] ?? "multiplatform";
const createBuilder = (name: string) => `docker buildx create --name ${name} --driver docker-container --bootstrap`;

const started = ({ status }: Answer) => status !== undefined;
const lastLine = ({ stdout, stderr }: Answer) => (stderr.trim() || stdout.trim()).split("\n").at(-1) ?? "";

/** In the local cloud, tools and engine come with its first start: what is not there yet is no fault. */
const notSetUp = "comes with the first: npm run local";

export const checks: readonly Check[] = [
  {
    id: "node",
    title: "Node",
    run({ probe }) {
      if (isAtLeast(probe.nodeVersion, least.node)) return ok(probe.nodeVersion);
      return fault(
        `Node ${probe.nodeVersion}; the program needs ${least.node} or newer, which runs TypeScript itself`,
        "npm run doctor (npm's scripts here bring their own Node), or: mise install node@24",
      );
    },
  },
  {
    id: "packages",
    title: "npm packages",
    run({ probe, root }) {
      if (probe.exists(join(root, "node_modules", "@pulumi", "pulumi", "package.json"))) return ok();
      return fault("the packages of package-lock.json are not installed", "npm ci --ignore-scripts");
    },
  },
  {
    id: "root",
    title: "Linux and root",
    run({ probe, local }) {
      if (local === undefined) return skipped("only the local cloud needs it");
      if (probe.platform !== "linux") {
        return fault(
          `the local cloud runs Docker Engines and needs Linux; this is ${probe.platform}`,
          "use the dev container: devcontainer up --workspace-folder .",
        );
      }
      return probe.uid === 0 ? ok() : fault("the local cloud runs Docker Engines and needs root", "sudo npm run local");
    },
  },
  {
    id: "docker-cli",
    title: "Docker CLI",
    async run({ probe, local }) {
      const answer = await probe.exec("docker", "--version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      if (local && which(probe, "apt-get"))
        return fault(
          "there is no docker",
          "apt-get update && apt-get install -y docker.io (npm run local does it too)",
        );
      return fault(
        "there is no docker",
        probe.platform === "darwin" ? "brew install --cask docker" : "curl -fsSL https://get.docker.com | sh",
      );
    },
  },
  {
    id: "docker-engine",
    title: "Docker Engine",
    async run({ probe, local }) {
      if (local && !local.running) return skipped("the local cloud does not run; npm run local starts it");
      const answer = await probe.exec("docker", "info", "--format", "{{.ServerVersion}} {{.OSType}}/{{.Architecture}}");
      // The CLI prints what it knows of itself and ends with 0 or 1, depending on its version, when no engine answers.
      if (answer.status === 0 && /^\d/.test(answer.stdout.trim())) return ok(answer.stdout.trim());
      if (!started(answer)) return skipped("there is no docker");
      const said = lastLine(answer);
      if (local) return fault(`the local cloud's engine does not answer: ${said}`, "npm run local");
      if (/permission denied/i.test(answer.stderr)) {
        return fault("this user may not use the Docker Engine", "sudo usermod -aG docker $USER && newgrp docker");
      }
      if (probe.env.DOCKER_HOST)
        return fault(`no engine answers at DOCKER_HOST=${probe.env.DOCKER_HOST}: ${said}`, "unset DOCKER_HOST");
      return fault(
        `the Docker Engine does not run: ${said}`,
        probe.platform === "darwin" ? "open -a Docker" : "sudo systemctl start docker",
      );
    },
  },
  {
    id: "buildx",
    title: "Docker Buildx",
    async run({ probe, local, root }) {
      const answer = await probe.exec("docker", "buildx", "version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      if (!started(answer)) return skipped("there is no docker");
      if (local && !probe.exists(join(root, ".local", "bin", "docker-buildx"))) return skipped(notSetUp);
      if (local) return fault("Docker does not find Buildx", "npm run local");
      return fault(
        "Docker has no Buildx",
        probe.platform === "darwin"
          ? "brew install docker-buildx"
          : "sudo apt-get install -y docker-buildx-plugin (Docker's repository) or docker-buildx (Debian's)",
      );
    },
  },
  {
    id: "compose",
    title: "Docker Compose",
    async run({ probe, local, root }) {
      const answer = await probe.exec("docker", "compose", "version");
      if (answer.status === 0) return ok(answer.stdout.trim());
      if (!started(answer)) return skipped("there is no docker");
      if (local && !probe.exists(join(root, ".local", "bin", "docker-compose"))) return skipped(notSetUp);
      if (local) return fault("Docker does not find Compose", "npm run local");
      return fault(
        "Docker has no Compose",
        probe.platform === "darwin"
          ? "brew install docker-compose"
          : "sudo apt-get install -y docker-compose-plugin (Docker's repository) or docker-compose (Debian's)",
      );
    },
  },
  {
    id: "builder",
    title: "Buildx builder",
    async run(environment) {
      const builder = builderOf(environment);
      const found = await inspectBuilder(environment);
      if ("state" in found) return found;
      // Docker's own builder makes no image of several platforms: "multiple platforms feature is currently not supported for docker driver".
      if (found.driver === "docker") {
        return fault(
          `the builder "${builder}" has the driver docker, which builds for one platform only`,
          `docker buildx rm ${builder}; ${createBuilder(builder)}`,
        );
      }
      if (found.error !== undefined)
        return fault(`the builder "${builder}" does not answer: ${found.error}`, mendBuilder(environment));
      return ok(`${builder}, driver ${found.driver}`);
    },
  },
  {
    id: "builder-platforms",
    title: "The builder's platforms",
    async run(environment) {
      const found = await inspectBuilder(environment);
      if ("state" in found) return skipped("there is no builder to ask");
      if (found.error !== undefined || found.platforms.length === 0) return skipped("the builder does not say");
      const missing = platforms.filter((platform) => !found.platforms.includes(platform));
      if (missing.length === 0) return ok(platforms.join(", "));
      const stage = emulatedStage(environment.probe.read(join(environment.root, "app", "Dockerfile")) ?? "");
      // BuildKit makes an image for a platform that it cannot run, as long as nothing has to be run on it.
      if (stage === undefined)
        return ok(`${missing.join(", ")} not listed, and not needed: no stage of app/Dockerfile runs anything there`);
      const builder = builderOf(environment);
      return fault(
        `the builder "${builder}" cannot run ${missing.join(", ")}, and app/Dockerfile runs a command there: ${stage}`,
        "docker run --privileged --rm tonistiigi/binfmt --install all, or a node of that architecture: docker buildx create --append --name " +
          `${builder} --platform ${missing.join(",")} ssh://HOST`,
      );
    },
  },
  {
    id: "emulation",
    title: "Emulation of the other architecture",
    run({ probe, local, root }) {
      const other = Object.values(architectures).find(({ process }) => process !== probe.architecture) as Architecture;
      const stage = emulatedStage(probe.read(join(root, "app", "Dockerfile")) ?? "");
      if (!local && stage === undefined) return skipped("not needed: the build runs nothing on the other architecture");
      if (probe.platform !== "linux") return skipped("Docker Desktop brings it");
      const entry = `/proc/sys/fs/binfmt_misc/qemu-${other.machine}`;
      if (probe.read(entry)?.startsWith("enabled")) return ok(`qemu-${other.machine}`);
      const why = local ? "the local cloud's machine of that architecture" : `app/Dockerfile: ${stage}`;
      const installed = which(probe, `qemu-${other.machine}-static`) !== undefined;
      return fault(
        `this kernel hands no ${other.image} program to QEMU, which is needed for ${why}`,
        local
          ? installed
            ? `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc; update-binfmts --enable qemu-${other.machine}`
            : "apt-get install -y qemu-user-static binfmt-support (npm run local does it too)"
          : `docker run --privileged --rm tonistiigi/binfmt --install ${other.image}`,
      );
    },
  },
  {
    id: "pulumi",
    title: "Pulumi CLI",
    async run({ probe, local, root }) {
      const answer = await probe.exec("pulumi", "version");
      if (!started(answer)) {
        if (local && !probe.exists(join(root, ".local", "bin", "pulumi"))) return skipped(notSetUp);
        return fault("there is no pulumi", installPulumi(probe.platform));
      }
      const version = answer.stdout.trim().replace(/^v/, "");
      if (answer.status !== 0) return fault(`pulumi version fails: ${lastLine(answer)}`, installPulumi(probe.platform));
      if (isAtLeast(version, least.pulumi)) return ok(version);
      return fault(
        `Pulumi ${version}; the program was tested with ${least.pulumi} and newer`,
        installPulumi(probe.platform),
      );
    },
  },
  {
    id: "pulumi-backend",
    title: "Pulumi backend",
    async run({ probe, local }) {
      if (local && !probe.exists(join(local.dir, "state", ".pulumi"))) return skipped(notSetUp);
      const answer = await probe.exec("pulumi", "whoami", "--verbose", "--non-interactive");
      if (!started(answer)) return skipped("there is no pulumi");
      if (answer.status === 0) return ok(/Backend URL: *(\S+)/.exec(answer.stdout)?.[1] ?? "logged in");
      const url = probe.env.PULUMI_BACKEND_URL;
      return fault(
        url
          ? `the backend ${url} cannot be used: ${lastLine(answer)}`
          : "not logged in to a backend, which keeps the stack's state",
        url && !local
          ? `pulumi login ${url}`
          : local
            ? "npm run local"
            : "pulumi login, or with a bucket of your own: pulumi login s3://BUCKET",
      );
    },
  },
  {
    id: "passphrase",
    title: "Passphrase of the stack's secrets",
    async run({ probe, root, stack }) {
      const { PULUMI_CONFIG_PASSPHRASE: phrase, PULUMI_CONFIG_PASSPHRASE_FILE: file } = probe.env;
      const settings = parse(probe.read(join(root, `Pulumi.${stack}.yaml`)) ?? "") as {
        secretsprovider?: string;
        encryptionsalt?: string;
      } | null;
      const provider = settings?.secretsprovider ?? (settings?.encryptionsalt ? "passphrase" : undefined);
      // Pulumi Cloud keeps secrets with a key of its own, other providers with theirs.
      if (provider !== undefined && provider !== "passphrase")
        return skipped(`the stack's secrets are kept by ${provider.split(":")[0]}`);
      if (provider === undefined && !(await isOwnBackend(probe)))
        return skipped("the backend is Pulumi Cloud, which needs none");
      if (phrase !== undefined) return ok("PULUMI_CONFIG_PASSPHRASE");
      if (file !== undefined) {
        return probe.read(file) === undefined
          ? fault(
              `PULUMI_CONFIG_PASSPHRASE_FILE names ${file}, which cannot be read`,
              "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE, a file of yours that holds the passphrase",
            )
          : ok("PULUMI_CONFIG_PASSPHRASE_FILE");
      }
      return fault(
        `the secrets of the stack ${stack} are encrypted with a passphrase, and none is set`,
        "export PULUMI_CONFIG_PASSPHRASE_FILE=FILE, a file that holds it and only you can read",
      );
    },
  },
  {
    id: "aws-credentials",
    title: "AWS credentials",
    async run(environment) {
      const { local, probe, stack } = environment;
      if (local) return skipped("the local cloud has its own");
      const found = await whoAmI(environment);
      if (found.problem === "none")
        return fault("there are no AWS credentials", "aws configure sso, then: aws sso login; export AWS_PROFILE=NAME");
      if (found.problem === "wrong")
        return fault(`AWS does not accept the credentials: ${found.message}`, "aws configure, with a key that exists");
      if (found.problem === "expired") {
        const profile = clientOf(environment).profile ?? probe.env.AWS_PROFILE;
        return fault(
          `the AWS credentials have expired: ${found.message}`,
          `aws sso login${profile ? ` --profile ${profile}` : ""}, or get new ones where these came from`,
        );
      }
      if (found.problem !== undefined) return skipped(`not known: ${found.message}`);
      const { arn, account } = found;
      const allowed = [JSON.parse(configOf(environment)["aws:allowedAccountIds"] ?? "[]")].flat().map(String);
      if (allowed.length === 0) {
        const set = `pulumi config set --stack ${stack} --path 'aws:allowedAccountIds[0]' ${account}`;
        return ok(`${arn}; the stack ${stack} takes any account; to allow this one only: ${set}`);
      }
      if (allowed.includes(account)) return ok(`${arn}, an account that the stack ${stack} allows`);
      return fault(
        `the credentials are of account ${account} (${arn}), but the stack ${stack} allows only ${allowed.join(", ")} (aws:allowedAccountIds)`,
        "export AWS_PROFILE=NAME, a profile of that account",
      );
    },
  },
  {
    id: "aws-region",
    title: "AWS region",
    run(environment) {
      const { probe, stack, local } = environment;
      if (local) return skipped("the local cloud sets it");
      const wanted = configOf(environment)["aws:region"];
      if (wanted === undefined)
        return fault(`the stack ${stack} has no region`, `pulumi config set aws:region REGION --stack ${stack}`);
      const { env } = probe;
      const name = ["AWS_REGION", "AWS_DEFAULT_REGION"].find((each) => env[each] && env[each] !== wanted);
      if (name === undefined) return ok(wanted);
      return fault(
        `${name} is ${env[name]}, but the stack ${stack} is in ${wanted}: aws and docker login would look in the wrong place`,
        `export ${name}=${wanted}`,
      );
    },
  },
  {
    id: "aws-quotas",
    title: "AWS quotas",
    async run(environment) {
      const { probe, local, stack } = environment;
      if (local) return skipped("the local cloud's are in local/README.md");
      const client = clientOf(environment);
      const config = configOf(environment);
      const instanceTypes = machineNames.map((name) => config[`hono-app:${name}InstanceType`] ?? "");
      const tags = { project: "hono-app", stack };
      let quotas: readonly Quota[];
      try {
        quotas = await probe.quotas(client, { instanceTypes, tags });
      } catch (error) {
        return skipped(`not known: ${error}`);
      }
      const text = (list: readonly Quota[]) =>
        list.map(({ what, used, own, limit, problem, firstUp, release }) => {
          const inUse =
            limit === undefined
              ? `${used} in use, of a quota that cannot be read (${problem})`
              : `${used} of ${limit} in use`;
          const more = release > 0 ? `, a release ${release} more until the old machines are gone` : "";
          return `${what}: ${inUse}, ${own} by this stack; a first up takes ${firstUp}${more}`;
        });
      const short = quotas.filter((quota) => quota.limit !== undefined && needed(quota) > quota.limit);
      if (short.length > 0) {
        const commands = short.map(
          (quota) =>
            `aws service-quotas request-service-quota-increase --service-code ${quota.service} --quota-code ${quota.code} --desired-value ${needed(quota)} --region ${client.region}`,
        );
        return fault(text(short).join("; "), `${commands.join("; ")}; or remove what is not needed there`);
      }
      const note = [...text(quotas), "no Elastic IPs are needed"].join("; ");
      return quotas.some(({ limit }) => limit === undefined) ? skipped(note) : ok(note);
    },
  },
  {
    id: "endpoint",
    title: "AWS's API answers",
    async run(environment) {
      const url = endpointOf(environment);
      if (url === undefined) return skipped("the local cloud does not run; npm run local starts it");
      if ((await environment.probe.dateOf(url)) !== undefined) return ok(url);
      return environment.local
        ? fault(`the local cloud's API does not answer at ${url}`, "npm run local")
        : fault(`${url} cannot be reached`, "check the network; behind a proxy: export HTTPS_PROXY=http://HOST:PORT");
    },
  },
  {
    id: "clock",
    title: "Clock",
    async run(environment) {
      const url = endpointOf(environment);
      const theirs = url === undefined ? undefined : await environment.probe.dateOf(url);
      if (theirs === undefined) return skipped("nobody to compare it with");
      const seconds = Math.round((environment.probe.now() - theirs) / 1000);
      if (Math.abs(seconds) <= mostSkewSeconds) return ok();
      return fault(
        `this machine's clock is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead of" : "behind"} ${url}; AWS refuses requests that are 300 s off`,
        environment.probe.platform === "darwin"
          ? "sudo sntp -sS time.apple.com"
          : "sudo timedatectl set-ntp true (in WSL: sudo hwclock -s)",
      );
    },
  },
  {
    id: "ports",
    title: "Ports",
    async run({ probe, local }) {
      const port = Number(probe.env.PORT ?? 3000);
      if ((await probe.listens("127.0.0.1", port)) && !(await isOwnContainer(probe, port))) {
        return fault(
          `port ${port}, on which docker compose up serves, is taken by another process`,
          `PORT=${port + 1} docker compose up, or end the one that ss -ltnp 'sport = :${port}' shows`,
        );
      }
      if (local?.prefix && !local.running) {
        for (const service of [5000, 5443, 5001]) {
          if (await probe.listens(`${local.prefix}.0.1`, service)) {
            return fault(
              `${local.prefix}.0.1:${service}, which the local cloud needs, is taken by another process`,
              `ss -ltnp 'src ${local.prefix}.0.1' shows by which; end it, or give the local cloud other addresses: rm ${join(local.dir, "prefix")}`,
            );
          }
        }
      }
      return ok();
    },
  },
  {
    id: "disk",
    title: "Disk space",
    async run(environment) {
      const { probe, root, local } = environment;
      const engine = await probe.exec("docker", "info", "--format", "{{.DockerRootDir}}");
      const folders = [root, ...(local ? [] : [engine.stdout.trim()])].filter((folder) => folder.startsWith("/"));
      for (const folder of folders) {
        // Docker Desktop's folder is in its own machine and not to be seen from here.
        const free = probe.freeBytes(folder);
        if (free !== undefined && free < leastDisk) {
          return fault(
            `${(free / gib).toFixed(1)} GiB are free where ${folder} is; a build with its caches needs up to ${leastDisk / gib} GiB`,
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
    async run({ probe, local, stack }) {
      const url = probe.env.PULUMI_BACKEND_URL ?? "";
      if (!url.startsWith("file://")) return skipped("only a backend in a folder shows its locks");
      const folder = join(url.slice("file://".length).replace(/^~/, probe.home), ".pulumi", "locks");
      for (const file of probe.list(folder, { recursive: true }).filter((name) => name.endsWith(".json"))) {
        const lock = JSON.parse(probe.read(join(folder, file)) || "{}") as {
          pid?: number;
          hostname?: string;
          timestamp?: string;
        };
        if (lock.pid === undefined) continue;
        if (lock.hostname !== undefined && lock.hostname !== probe.read("/proc/sys/kernel/hostname")?.trim()) continue;
        if (probe.exists(`/proc/${lock.pid}/stat`)) return ok(`in use by process ${lock.pid}`);
        return fault(
          `the stack ${dirname(file).split("/").at(-1)} is locked since ${lock.timestamp ?? "some time"} by process ${lock.pid}, which is gone`,
          local ? "npm run local (its commands clear it)" : `pulumi cancel --yes --stack ${stack}`,
        );
      }
      return ok();
    },
  },
  {
    id: "leftovers",
    title: "Leftovers of earlier local clouds",
    run(environment) {
      const { probe } = environment;
      const left = probe
        .list("/run")
        .filter((name) => /^hono-app-\d+$/.test(name))
        .flatMap((name) => leftover(environment, join("/run", name)) ?? []);
      if (left.length === 0) return ok();
      return fault(left.map(({ what }) => what).join("; "), left.map(({ remedy }) => remedy).join("; "));
    },
  },
  {
    id: "docker-leftovers",
    title: "Leftovers in Docker",
    async run({ probe, local }) {
      if (local && !local.running) return skipped("the local cloud does not run");
      const answer = await probe.exec(
        "docker",
        "ps",
        "--all",
        "--filter",
        "status=exited",
        "--filter",
        "status=dead",
        "--filter",
        "name=hono-app",
        "--format",
        "{{.Names}}",
      );
      if (answer.status !== 0) return skipped("no engine answers");
      const names = answer.stdout.trim().split("\n").filter(Boolean);
      if (names.length === 0) return ok();
      return fault(`ended containers of earlier runs: ${names.join(", ")}`, `docker rm ${names.join(" ")}`);
    },
  },
];

/** Whether a version is at least another, both as `1.2.3`. */
export function isAtLeast(version: string, wanted: string): boolean {
  const parts = (text: string) =>
    (/(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? []).slice(1).map((part) => Number(part ?? 0));
  const [found, needed] = [parts(version), parts(wanted)];
  if (found.length === 0) return false;
  for (let index = 0; index < 3; index++) {
    const difference = (found[index] as number) - (needed[index] as number);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * The first instruction of a Dockerfile that runs a program of the target's architecture: a RUN in a stage that is not on $BUILDPLATFORM.
 * Only such a one needs emulation, or a builder's node of that architecture.
 */
export function emulatedStage(dockerfile: string): string | undefined {
  const native = new Set<string>();
  let onBuilder = true;
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

const installPulumi = (platform: string) =>
  platform === "darwin"
    ? "brew install pulumi/tap/pulumi"
    : `curl -fsSL https://get.pulumi.com | sh -s -- --version ${least.pulumi}`;

const mendBuilder = (environment: Environment) =>
  environment.local
    ? "npm run local"
    : `docker buildx rm --force ${builderOf(environment)}; ${createBuilder(builderOf(environment))}`;

async function inspectBuilder(
  environment: Environment,
): Promise<Finding | { driver: string; platforms: string[]; error: string | undefined }> {
  const { probe, local } = environment;
  if (local && !local.running) return skipped("the local cloud does not run; npm run local starts it");
  const builder = builderOf(environment);
  const answer = await probe.exec("docker", "buildx", "inspect", builder);
  if (!started(answer)) return skipped("there is no docker");
  if (answer.status !== 0) {
    if (/is not a docker command|unknown command|unknown flag/.test(answer.stderr))
      return skipped("there is no Buildx");
    return fault(
      `there is no builder "${builder}": ${lastLine(answer)}`,
      local ? "npm run local" : createBuilder(builder),
    );
  }
  const field = (name: string) =>
    [...answer.stdout.matchAll(new RegExp(`^${name}: *(.*)$`, "gm"))].map(([, value = ""]) => value);
  return {
    driver: field("Driver")[0] ?? "",
    // A `*` marks a platform that a node was given by hand.
    platforms: field("Platforms")
      .flatMap((list) => list.split(",").map((platform) => platform.trim().replace("*", "")))
      .filter(Boolean),
    // A container of Buildx' own is started when it is needed; somebody else's BuildKit is not.
    error:
      field("Error")[0] ??
      (field("Driver")[0] === "remote" && field("Status")[0] === "inactive"
        ? `${field("Endpoint")[0]} is inactive`
        : undefined),
  };
}

/** What is wrong with a local cloud's folder under /run, if anything. */
function leftover({ probe }: Environment, run: string): { what: string; remedy: string } | undefined {
  const owner = probe.read(join(run, "owner"));
  const pids = probe
    .list(run, { recursive: true })
    .filter((file) => file.endsWith(".pid") && isAlive(probe, join(run, file)))
    .map((file) => probe.read(join(run, file))?.trim().split(" ")[0]);
  // Its clone was deleted while it ran: nobody will ever end it but by hand.
  if (owner === undefined || !probe.exists(owner)) {
    const end = pids.length > 0 ? `kill ${pids.join(" ")}; sleep 20; ` : "";
    return { what: `${run} is left of a local cloud whose folder is gone`, remedy: `${end}rm -rf ${run}` };
  }
  if (pids.length > 0) return undefined;
  // A command has just claimed it and is about to start what belongs there: it holds a socket of that name.
  if (probe.read("/proc/net/unix")?.includes(`@hono-app:${owner}`)) return undefined;
  const clone = /^(.+)\/\.local\/cloud$/.exec(owner)?.[1];
  const down = clone ? `(cd ${clone} && npm run local -- down)` : `LOCAL_CLOUD_DIR=${owner} npm run local -- down`;
  return { what: `${run} is left of the local cloud in ${owner}, of which nothing runs any more`, remedy: down };
}

/** Whether the state is kept in a place of one's own, and not in Pulumi Cloud. */
async function isOwnBackend(probe: Environment["probe"]): Promise<boolean> {
  const url =
    probe.env.PULUMI_BACKEND_URL ??
    /Backend URL: *(\S+)/.exec((await probe.exec("pulumi", "whoami", "--verbose", "--non-interactive")).stdout)?.[1];
  return url !== undefined && !/^https:/.test(url);
}

async function isOwnContainer(probe: Environment["probe"], port: number): Promise<boolean> {
  const { stdout } = await probe.exec("docker", "ps", "--filter", `publish=${port}`, "--format", "{{.Names}}");
  return stdout.split("\n").some((name) => name.includes("hono-app"));
}

type Identity =
  | { arn: string; account: string; problem?: undefined }
  | { problem: "none" | "wrong" | "expired" | "unknown"; message: string };

async function whoAmI(environment: Environment): Promise<Identity> {
  try {
    return await environment.probe.identity(clientOf(environment));
  } catch (error) {
    const { name = "", message = "" } = error as Error;
    const text = `${name} ${message}`;
    // An SSO session that has ended is told by the provider of credentials, and not by AWS.
    if (/expired/i.test(text)) return { problem: "expired", message };
    if (/CredentialsProviderError|TokenProviderError|Could not load credentials/.test(text))
      return { problem: "none", message };
    if (/InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|AccessDenied|InvalidToken/.test(text))
      return { problem: "wrong", message };
    return { problem: "unknown", message: message.split("\n")[0] ?? name };
  }
}

function endpointOf(environment: Environment): string | undefined {
  const { probe, local } = environment;
  if (local && !local.running) return undefined;
  return probe.env.AWS_ENDPOINT_URL ?? `https://sts.${clientOf(environment).region}.amazonaws.com/`;
}

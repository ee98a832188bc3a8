import { mkdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join, relative } from "node:path";
import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { describe, expect, test, vi } from "vitest";
import { checks, emulatedStage, type Finding, inspect } from "../../../cli/doctor/checks.ts";
import { type Environment, findEnvironment } from "../../../cli/doctor/environment.ts";
import { type Probe, realProbe } from "../../../cli/doctor/probe.ts";
import type { Quota } from "../../../cli/doctor/quotas.ts";
import { diagnose, toText } from "../../../cli/doctor.ts";
import { isOlder } from "../../../engines.js";
import { addressOf } from "../../../tools/lock.ts";
import { root } from "../../../tools/paths.ts";
import { listening, serving, temporaryFolder } from "../../support/process.ts";
import { answering, awsError } from "../../support/sdk.ts";

type Answer = ReturnType<Probe["exec"]>;
const said = (stdout: string): Answer => ({ status: 0, stdout, stderr: "" });
const failed = (stderr: string): Answer => ({ status: 1, stdout: "", stderr });

/** A machine as a test describes it: files, `$VARIABLES`, what programs answer by the beginning of their command lines, and the rest. */
interface World extends Pick<Probe, "platform" | "nodeVersion" | "uid" | "identity" | "quotas"> {
  readonly freeGib: number;
  /** `host:port` of what accepts connections. */
  readonly listening: readonly string[];
  /** How many seconds the clock is ahead of the endpoint's; undefined: it cannot be reached. */
  readonly ahead: number | undefined;
  readonly [fileVariableOrProgram: string]: unknown;
}

const envOf = (world: World) =>
  Object.fromEntries(
    Object.entries(world).flatMap(([name, value]) => (name.startsWith("$") ? [[name.slice(1), value as string]] : [])),
  );

function probeOf(world: World, env: Probe["env"]): Probe {
  const nameOf = (path: string) => (path.startsWith(`${root}/`) ? `.${path.slice(root.length)}` : path);
  const read = (path: string) => world[nameOf(path)] as string | undefined;
  const below = (folder: string) =>
    Object.keys(world).filter((name) => name.startsWith(`${nameOf(folder)}/`) && world[name] !== undefined);
  return {
    ...world,
    env,
    architecture: "x64",
    home: "/home/me",
    exec(...words) {
      const beginnings = words.map((_, index) => words.slice(0, index + 1).join(" ")).reverse();
      const answer = beginnings.map((beginning) => world[beginning] as Answer | undefined).find(Boolean);
      return answer ?? { status: null, stdout: "", stderr: "" };
    },
    exists: (path) => read(path) !== undefined || below(path).length > 0,
    read,
    list(folder, recursive) {
      const names = below(folder).map((name) => relative(nameOf(folder), name));
      return recursive ? names : [...new Set(names.map((name) => name.split("/")[0] as string))];
    },
    freeBytes: () => world.freeGib * 2 ** 30,
    accepts: async (address) => world.listening.includes(address),
    clockSkew: async () => world.ahead,
  };
}

const builder = (platforms: string, driver = "docker-container", status = "running") =>
  said(
    `Name:   multiplatform\nDriver: ${driver}\n\nNodes:\nName:   multiplatform0\nEndpoint: unix:///x.sock\nStatus: ${status}\n` +
      `Platforms: ${platforms}\n`,
  );
const amd64 = { "docker buildx inspect": builder("linux/amd64, linux/amd64/v2") };
const runsThere = { "./app/Dockerfile": "FROM oven/bun\nRUN bun install sharp\n" };
const stat = `7 (node) S ${"0 ".repeat(18)}123 0`;
const quota = { limit: 8, used: 4, own: 4, firstUp: 4, release: 4 };
const vcpus: Quota = { what: "vCPUs", service: "ec2", code: "L-1216C47A", ...quota };
const vpcQuota = { limit: 2, used: 2, own: 1, firstUp: 1, release: 0 };
const vpcs: Quota = { what: "VPCs", service: "vpc", code: "L-F678F1CE", ...vpcQuota };

/** A machine without a fault, used with AWS. */
const healthy: World = {
  $PATH: "/usr/bin",
  $AWS_PROFILE: "work",
  $AWS_REGION: "ap-northeast-2",
  $PULUMI_CONFIG_PASSPHRASE_FILE: "/home/me/phrase",
  "/home/me/phrase": "secret",
  "./.tool-versions": "nodejs 24.21.0\npulumi 3.259.0\n",
  "./Pulumi.yaml":
    "name: hono-app\nconfig:\n  aws:region:\n    value: ap-northeast-2\n  builder:\n    default: multiplatform\n",
  "./Pulumi.dev.yaml": "encryptionsalt: v1:x\n",
  "./app/Dockerfile": "FROM --platform=$BUILDPLATFORM bun AS build\nRUN bun build\nFROM bun\nCOPY --from=build / /\n",
  "/proc/sys/kernel/hostname": "here\n",
  "docker --version": said("Docker version 28.2.2"),
  "docker info": said("28.2.2 linux/x86_64"),
  "docker info --format {{.DockerRootDir}}": said("/var/lib/docker"),
  "docker info --format {{.Architecture}}": said("x86_64"),
  "docker buildx version": said("github.com/docker/buildx v0.35.0"),
  "docker compose version": said("Docker Compose version v5.2.0"),
  "docker buildx inspect": builder("linux/amd64, linux/amd64/v2, linux/arm64*, linux/386"),
  "docker ps": said(""),
  "pulumi version": said("v3.259.0"),
  "pulumi whoami": said("User: me\nBackend URL: s3://state\n"),
  "uname -m": said("x86_64\n"),
  platform: "linux",
  uid: 1000,
  nodeVersion: () => "24.21.0",
  freeGib: 100,
  listening: [],
  ahead: 0,
  identity: async () => ({ account: "1", arn: "arn:aws:iam::1:user/me" }),
  quotas: async () => [vcpus, vpcs],
};

/** The same machine, used by root with a local cloud that runs, and nothing of AWS. */
const healthyLocal: World = {
  ...healthy,
  $AWS_PROFILE: undefined,
  $AWS_REGION: undefined,
  $PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
  uid: 0,
  "./Pulumi.local.yaml": "encryptionsalt: v1:x\n",
  "./.local/bin/docker-buildx": "",
  "./.local/bin/docker-compose": "",
  "./.local/bin/pulumi": "",
  "./.local/cloud/prefix": "18",
  "./.local/cloud/state/.pulumi/meta.yaml": "",
  "/run/hono-app-18/owner": join(root, ".local/cloud"),
  "/run/hono-app-18/moto.pid": "7 123",
  "/proc/7/stat": stat,
  "/proc/sys/fs/binfmt_misc/qemu-aarch64": "enabled\n",
};
const aws = (change: Partial<World> = {}): World => ({ ...healthy, ...change });
const local = (change: Partial<World> = {}): World => ({ ...healthyLocal, ...change });
const lockFile = ".pulumi/locks/organization/hono-app";
const stopped = { "/run/hono-app-18/moto.pid": undefined, "/run/hono-app-18/owner": undefined };
const another = (owner: string) => ({ "/run/hono-app-30/owner": owner, "/run/hono-app-30/moto.pid": "7 123" });
const fails = (name: string, message?: string) => () => Promise.reject(awsError(name, message));
/** Used with AWS, whose answer is this error. */
const refused = (name: string, message: string) => aws({ identity: fails(name, message) });
/** In an account with these quotas. */
const limited = (...quotas: Quota[]) => aws({ quotas: async () => quotas });
/** With the stack dev configured so. */
const configured = (dev: string) => aws({ "./Pulumi.dev.yaml": dev });
/** A lock of the local cloud's stack. */
const locked = (lock: string) => local({ [`./.local/cloud/state/${lockFile}/local/x.json`]: lock });

const environmentOf = (world: World, wanted?: "local" | "aws") =>
  findEnvironment((env) => probeOf(world, env), envOf(world), wanted);

async function find(id: string, environment: Environment): Promise<Finding> {
  const check = checks.find((each) => each.id === id);
  if (check === undefined) throw new Error(`no check ${id}`);
  return inspect(check, environment);
}

test.each([
  ["AWS", healthy, "aws"],
  ["the local cloud", healthyLocal, "local"],
] as const)("a machine without a fault, used with %s, is healthy", async (_, world, name) => {
  const report = await diagnose(environmentOf(world));
  expect(report.checks.filter(({ state }) => state === "fault")).toEqual([]);
  expect(report).toMatchObject({ healthy: true, environment: name });
  const platform = { "uname -m": "x86_64", "docker info, Architecture": "x86_64", "process.arch": "x64" };
  expect(report.platform).toEqual(platform);
  expect(toText(report)).toContain("no fault found");
});

test("a clone that was never used with anything is healthy: the local cloud brings what it needs", async () => {
  const made = Object.keys(healthyLocal).filter((name) => /^\.\/\.local|^\/run|^docker|^pulumi/.test(name));
  const world = local({
    ...Object.fromEntries(made.map((name) => [name, undefined])),
    "docker --version": said("Docker version 28.2.2"),
    "docker buildx version": failed("docker: 'buildx' is not a docker command"),
  });
  const report = await diagnose(environmentOf(world));
  expect(report.checks.filter(({ state }) => state === "fault")).toEqual([]);
});

const notFound = failed("not a docker command");
const noEngine = { "docker info": failed("Cannot connect to the Docker daemon") };
const other = { ...another("/other/.local/cloud"), "/other/.local/cloud/prefix": "30" };
const noDocker = { "docker --version": undefined };

// Each fault on a machine that has it and no other: what is wrong → what fixes it.
const faults: Readonly<Record<string, readonly [report: RegExp, world: World][]>> = {
  node: [
    [
      /^Node 20\.20\.2; .*22\.18.* → install Node 24 \(nodejs\.org\), or: mise use node@24/,
      aws({ nodeVersion: () => "20.20.2" }),
    ],
    [/^there is no node/, aws({ nodeVersion: () => undefined })],
  ],
  root: [
    [/needs root → sudo env "PATH=\$PATH" npm run local/, local({ uid: 1000 })],
    [/needs Linux; this is darwin → .*devcontainer up/, local({ platform: "darwin" })],
  ],
  "docker-cli": [
    [/no docker → .*get\.docker\.com/, aws(noDocker)],
    [/no docker → .*apt-get install -y docker\.io/, local({ ...noDocker, "/usr/bin/apt-get": "" })],
  ],
  "docker-engine": [
    [/does not run: Cannot connect.* → .*systemctl start docker/, aws(noEngine)],
    [/does not run.* → open -a Docker/, aws({ ...noEngine, platform: "darwin" })],
    [/may not use.* → .*usermod -aG docker/, aws({ "docker info": failed("permission denied while trying") })],
    [/DOCKER_HOST=unix:\/\/\/gone\.sock.* → unset/, aws({ ...noEngine, $DOCKER_HOST: "unix:///gone.sock" })],
    [/the local cloud's engine.* → npm run local/, local(noEngine)],
  ],
  buildx: [
    [/no Buildx → .*docker-buildx/, aws({ "docker buildx version": notFound })],
    [/does not find Buildx → npm run local/, local({ "docker buildx version": notFound })],
  ],
  compose: [[/no Compose → .*docker-compose/, aws({ "docker compose version": notFound })]],
  builder: [
    [
      /no builder "multiplatform": .* → docker buildx create --name multiplatform --driver docker-container --bootstrap/,
      aws({ "docker buildx inspect": failed('ERROR: no builder "multiplatform" found') }),
    ],
    [
      /no builder "mine": .* → docker buildx create --name mine /,
      aws({ "./Pulumi.dev.yaml": "config:\n  hono-app:builder: mine\n", "docker buildx inspect mine": failed("none") }),
    ],
    [
      /driver docker, which builds for one platform.* → .*buildx rm multiplatform; docker buildx create/,
      aws({ "docker buildx inspect": builder("linux/amd64", "docker") }),
    ],
    [
      /does not answer: unix:\/\/\/x\.sock is inactive → npm run local/,
      local({ "docker buildx inspect": builder("", "remote", "inactive") }),
    ],
    [
      /does not answer: connection refused → docker buildx rm --force/,
      aws({ "docker buildx inspect": said("Driver: remote\n\nNodes:\nName: x\nError: connection refused\n") }),
    ],
    [
      /cannot run linux\/arm64, .*RUN bun install sharp → .*binfmt --install all.*buildx create --append/,
      aws({ ...runsThere, ...amd64 }),
    ],
  ],
  emulation: [
    [
      /QEMU is not registered for arm64 programs; the local cloud's arm64 machine needs it → apt-get install -y qemu-user-static binfmt-support/,
      local({ "/proc/sys/fs/binfmt_misc/qemu-aarch64": undefined }),
    ],
    [
      /not registered for arm64.* → .*update-binfmts --enable qemu-aarch64/,
      local({ "/proc/sys/fs/binfmt_misc/qemu-aarch64": "disabled\n", "/usr/bin/qemu-aarch64-static": "" }),
    ],
    [/RUN bun install sharp → .*binfmt --install arm64/, aws(runsThere)],
  ],
  pulumi: [
    [/no pulumi → .*get\.pulumi\.com.*3\.259\.0/, aws({ "pulumi version": undefined })],
    [/fails: boom → .*get\.pulumi\.com/, aws({ "pulumi version": failed("boom") })],
    [/Pulumi 3\.100\.0; .*3\.259\.0.* → .*get\.pulumi\.com/, aws({ "pulumi version": said("v3.100.0") })],
  ],
  "pulumi-backend": [
    [/not logged in.* → pulumi login/, aws({ "pulumi whoami": failed("error: PULUMI_ACCESS_TOKEN must be set") })],
    [
      /s3:\/\/gone cannot be used: error: NoSuchBucket → pulumi login s3:\/\/gone/,
      aws({ $PULUMI_BACKEND_URL: "s3://gone", "pulumi whoami": failed("error: NoSuchBucket") }),
    ],
  ],
  passphrase: [
    [
      /encrypted with a passphrase, and none is set → .*PULUMI_CONFIG_PASSPHRASE_FILE/,
      aws({ $PULUMI_CONFIG_PASSPHRASE_FILE: undefined }),
    ],
    [/names \/home\/me\/phrase, which cannot be read → /, aws({ "/home/me/phrase": undefined })],
  ],
  "aws-credentials": [
    [
      /no AWS credentials → .*aws sso login/,
      refused("CredentialsProviderError", "Could not load credentials from any providers"),
    ],
    [/does not accept.* → aws configure/, refused("InvalidClientTokenId", "The security token is invalid.")],
    [
      /have expired.* → aws sso login --profile work/,
      refused("ExpiredTokenException", "The security token is expired"),
    ],
    [/have expired.* → aws sso login/, refused("CredentialsProviderError", "The SSO session has expired.")],
    [
      /of account 1 \(arn:aws:iam::1:user\/me\), but the stack dev allows only 2, 3 .* → export AWS_PROFILE=NAME/,
      configured('config:\n  aws:allowedAccountIds:\n    - "2"\n    - "3"\n'),
    ],
  ],
  "aws-quotas": [
    [
      /^vCPUs: 4 of 7 in use, 4 by this stack; a first up takes 4, a release 4 more until the old machines are gone → .*--service-code ec2 --quota-code L-1216C47A --desired-value 8 --region ap-northeast-2; or/,
      limited({ ...vcpus, limit: 7 }, vpcs),
    ],
    [
      /^vCPUs: 1 of 8 .*; VPCs: 2 of 2 in use, 0 by this stack; a first up takes 1 → .*L-1216C47A --desired-value 9 .*; aws .*--service-code vpc --quota-code L-F678F1CE --desired-value 3 /,
      limited({ ...vcpus, used: 1, own: 0 }, { ...vpcs, own: 0 }),
    ],
  ],
  "aws-region": [
    [
      /AWS_REGION is us-east-1, but the stack dev is in ap-northeast-2.* → export AWS_REGION=ap-northeast-2/,
      aws({ $AWS_REGION: "us-east-1" }),
    ],
    [/AWS_DEFAULT_REGION is us-east-1, but.* → export AWS_DEFAULT_REGION=/, aws({ $AWS_DEFAULT_REGION: "us-east-1" })],
    [/no region → pulumi config set aws:region/, aws({ "./Pulumi.yaml": "name: hono-app\n" })],
  ],
  endpoint: [
    [
      /sts\.ap-northeast-2\.amazonaws\.com.* cannot be reached → check the network; a proxy alone is not enough/,
      aws({ ahead: undefined }),
    ],
    [/http:\/\/127\.18\.0\.1:5000 → npm run local/, local({ ahead: undefined })],
    [/400 s ahead of.* → .*timedatectl set-ntp true/, aws({ ahead: 400 })],
    [/90 s behind.* → .*timedatectl/, aws({ ahead: -90 })],
  ],
  ports: [
    [/port 3000.* → PORT=3001 docker compose up, .*ss -ltnp 'sport = :3000'/, aws({ listening: ["127.0.0.1:3000"] })],
    [/127\.18\.0\.1:5443.* → .*rm .*\/\.local\/cloud\/prefix/, local({ ...stopped, listening: ["127.18.0.1:5443"] })],
  ],
  disk: [
    [/1\.0 GiB are free.* → docker buildx prune --builder multiplatform/, aws({ freeGib: 1 })],
    [/1\.0 GiB are free.* → .*rm -rf \.local\/cloud/, local({ freeGib: 1 })],
  ],
  lock: [
    [
      /stack organization\/hono-app\/local is locked since 2026-11-24 by process 99, .* → npm run local/,
      locked('{"pid":99,"hostname":"here","timestamp":"2026-11-24"}'),
    ],
    [
      /stack organization\/hono-app\/prod is locked.* → pulumi cancel --yes --stack organization\/hono-app\/prod/,
      aws({ $PULUMI_BACKEND_URL: "file://~", [`/home/me/${lockFile}/prod/x.json`]: '{"pid":99,"hostname":"here"}' }),
    ],
  ],
  leftovers: [
    [
      /\/run\/hono-app-30 is left .* folder is gone → LOCAL_CLOUD_DIR=\/gone\/\.local\/cloud npm run local -- down/,
      aws({ ...another("/gone/.local/cloud"), "/proc/7/stat": stat }),
    ],
    [/nothing runs any more → \(cd \/other && npm run local -- down\)/, aws({ ...other })],
    [/a start that was ended → rm -rf \/run\/hono-app-30/, aws({ "/run/hono-app-30/owner.new": "" })],
  ],
};

test("every check has a fault that is provoked here", () => {
  expect(Object.keys(faults).sort()).toEqual(checks.map(({ id }) => id).sort());
});

describe.each(Object.entries(faults))("%s names a fault, and what fixes it", (id, list) => {
  test.each(list)("%s", async (report, world) => {
    const finding = await find(id, environmentOf(world));
    if (finding.state !== "fault") throw new Error(`${finding.state}: ${finding.note}`);
    expect(`${finding.fault} → ${finding.remedy}`).toMatch(report);
  });
});

test.each<[id: string, what: string, state: Finding["state"], world: World]>([
  ["builder", "of one platform, and a Dockerfile that runs nothing on the other", "ok", aws({ ...amd64 })],
  [
    "ports",
    "3000, served by our own container",
    "ok",
    aws({ listening: ["127.0.0.1:3000"], "docker ps --filter publish=3000": said("hono-app-web-1\n") }),
  ],
  [
    "passphrase",
    "that is empty",
    "ok",
    aws({ $PULUMI_CONFIG_PASSPHRASE: "", $PULUMI_CONFIG_PASSPHRASE_FILE: undefined }),
  ],
  [
    "passphrase",
    "where Pulumi Cloud keeps the state",
    "skipped",
    aws({
      $PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
      "./Pulumi.dev.yaml": undefined,
      "pulumi whoami": said("Backend URL: https://app.pulumi.com/me"),
    }),
  ],
  [
    "passphrase",
    "where KMS keeps the secrets",
    "skipped",
    aws({ $PULUMI_CONFIG_PASSPHRASE_FILE: undefined, "./Pulumi.dev.yaml": "secretsprovider: awskms://alias/x\n" }),
  ],
  ["lock", "whose process runs", "ok", locked('{"pid":7,"hostname":"here"}')],
  [
    "lock",
    "of another machine",
    "ok",
    aws({ $PULUMI_BACKEND_URL: "file:///nfs", [`/nfs/${lockFile}/dev/x.json`]: '{"pid":99,"hostname":"there"}' }),
  ],
  ["leftovers", "of a local cloud that runs", "ok", aws({ ...other, "/proc/7/stat": stat })],
  [
    "leftovers",
    "of a local cloud that a command is just starting",
    "ok",
    aws({ ...other, "/proc/net/unix": `0001 01 1234 @${addressOf("hono-app:/other/.local/cloud")}\n` }),
  ],
  ["endpoint", "whose clock is a few seconds off", "ok", aws({ ahead: 5 })],
  [
    "aws-quotas",
    "that just suffice for a first up and a release",
    "ok",
    limited({ ...vcpus, used: 0, own: 0 }, { ...vpcs, used: 1, own: 0 }),
  ],
  ["aws-quotas", "that may not be asked for", "skipped", aws({ quotas: fails("AccessDenied") })],
  [
    "aws-credentials",
    "where only the local cloud is used",
    "skipped",
    local({ identity: fails("CredentialsProviderError") }),
  ],
])("no false alarm: %s %s", async (id, _, state, world) => {
  expect((await find(id, environmentOf(world))).state).toBe(state);
});

describe("the environment that is looked at", () => {
  test.each<[name: string, because: RegExp, change: Record<string, string>]>([
    ["local", /nothing of AWS/, {}],
    ["local", /LOCAL_CLOUD_PREFIX/, { $LOCAL_CLOUD_PREFIX: "127.18", $AWS_ACCESS_KEY_ID: "local" }],
    ["local", /AWS_ENDPOINT_URL/, { $AWS_ENDPOINT_URL: "http://127.18.0.1:5000", $AWS_ACCESS_KEY_ID: "local" }],
    ["aws", /AWS_ACCESS_KEY_ID/, { $AWS_ACCESS_KEY_ID: "AKIA" }],
    ["aws", /AWS_WEB_IDENTITY_TOKEN_FILE/, { $AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }],
    ["aws", /\.aws\/config is there/, { "/home/me/.aws/config": "" }],
    ["aws", /\/my\/config is there/, { $AWS_CONFIG_FILE: "/my/config", "/my/config": "" }],
  ])("%s: %s", (name, because, change) => {
    expect(environmentOf(local(change))).toMatchObject({ name, because: expect.stringMatching(because) });
  });

  test("is for the local cloud that of its commands, without somebody's own AWS, Docker and Pulumi settings", () => {
    const own = { $AWS_PROFILE: "work", $PULUMI_ACCESS_TOKEN: "t", $DOCKER_CONTEXT: "c" };
    const { env } = environmentOf(local(own), "local").probe;
    for (const name of Object.keys(own)) expect(env).not.toHaveProperty(name.slice(1));
    expect(env.DOCKER_HOST).toBe("unix:///run/hono-app-18/docker.sock");
    expect(env.PATH).toBe(`${join(root, ".local/bin")}:/usr/bin`);
  });

  test("is the local cloud in LOCAL_CLOUD_DIR, as its commands take it: from where one is", () => {
    const given = relative("", join(root, ".local/cloud"));
    expect(environmentOf(local({ $LOCAL_CLOUD_DIR: given })).local).toMatchObject({ known: true, running: true });
  });
});

describe("the account", () => {
  test("is asked for what the stack's configuration says", async () => {
    const quotas = vi.fn(healthy.quotas);
    const dev = "config:\n  aws:region: us-east-1\n  aws:profile: other\n  hono-app:intelInstanceType: t3.xlarge\n";
    const project = `${healthy["./Pulumi.yaml"]}  gravitonInstanceType:\n    default: t4g.small\n`;
    await find("aws-quotas", environmentOf(aws({ "./Pulumi.yaml": project, "./Pulumi.dev.yaml": dev, quotas })));
    expect(quotas).toHaveBeenCalledWith(
      { region: "us-east-1", profile: "other" },
      { instanceTypes: ["t4g.small", "t3.xlarge"], tags: { project: "hono-app", stack: "dev" } },
    );
  });

  test.each([
    ["its least number of machines", "", { machines: 2, egress: "nat" }],
    ["its greatest, where it scales", "  hono-app:cpuTarget: 60\n", { machines: 5, egress: "nat" }],
    ["endpoints for a way out", "  hono-app:egress: endpoints\n", { machines: 2, egress: "endpoints" }],
  ])("is asked for a fleet with %s", async (_, own, fleet) => {
    const quotas = vi.fn(healthy.quotas);
    const defaults = "  cpuTarget:\n    default: 0\n  egress:\n    default: nat\n";
    const dev = `config:\n  hono-app:fleet: true\n  hono-app:machinesMin: 2\n  hono-app:machinesMax: 5\n${own}`;
    const project = `${healthy["./Pulumi.yaml"]}${defaults}`;
    await find("aws-quotas", environmentOf(aws({ "./Pulumi.yaml": project, "./Pulumi.dev.yaml": dev, quotas })));
    expect(quotas).toHaveBeenCalledWith(expect.anything(), expect.objectContaining({ fleet }));
  });

  test("may have a quota that cannot be read: the rest is said all the same", async () => {
    const unreadable = { ...vcpus, limit: undefined, problem: "AccessDeniedException" };
    const finding = await find("aws-quotas", environmentOf(limited(unreadable, vpcs)));
    const note =
      /^vCPUs: 4 in use, of a quota that cannot be read \(AccessDeniedException\), 4 by this .*VPCs: 2 of 2 in use/;
    expect(finding).toMatchObject({ state: "skipped", note: expect.stringMatching(note) });
  });

  test.each([
    ["", /the stack dev takes any account; .*--stack dev --path --type string 'aws:allowedAccountIds\[0\]' 1$/],
    ['config:\n  aws:allowedAccountIds: ["2", "1"]\n', /an account that the stack dev allows/],
  ])("that the credentials are of is named, with %j", async (own, note) => {
    const finding = await find("aws-credentials", environmentOf(configured(own)));
    expect(finding).toMatchObject({ state: "ok", note: expect.stringMatching(note) });
  });
});

test("a check that fails itself is a fault, and the others still run", async () => {
  const broken = { id: "broken", title: "Broken", run: () => Promise.reject(new Error("boom")) };
  const report = await diagnose(environmentOf(healthy), [broken, ...checks]);
  expect(report.checks[0]).toMatchObject({ state: "fault", fault: "the check itself failed: boom" });
  expect(report.checks.length).toBe(checks.length + 1);
  expect(report.healthy).toBe(false);
  expect(toText(report)).toContain("1 fault found");
});

test.each([
  ["FROM a\nRUN x", "RUN x"],
  ["FROM --platform=$BUILDPLATFORM a\nRUN x", undefined],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a Dockerfile's variable
  ["FROM --platform=${BUILDPLATFORM} a AS b\nRUN x\nFROM b\nRUN y", undefined],
  ["FROM --platform=$BUILDPLATFORM a AS b\nFROM c\nCOPY --from=b / /", undefined],
  ["FROM --platform=$BUILDPLATFORM a AS b\nRUN x\nFROM c\nRUN --mount=from=b \\\n  y", "RUN --mount=from=b y"],
  ["FROM --platform=$TARGETPLATFORM a\nRUN x", "RUN x"],
])("what a Dockerfile runs on the target's architecture: %j", (dockerfile, stage) => {
  expect(emulatedStage({ read: () => dockerfile })).toBe(stage);
});

test.each([
  ["24.21.0", ">=22.18", false],
  ["22.18.0", "22.18.0", false],
  ["22.9.0", ">=22.18", true],
  ["3.300.0-alpha.1", "3.259.0", false],
])("%s is older than %s: %s", (version, wanted, expected) => {
  expect(isOlder(version, wanted)).toBe(expected);
});

// The real probe, with real faults.
describe("on this machine", () => {
  const folder = temporaryFolder();
  const real = (env: NodeJS.ProcessEnv) => findEnvironment(realProbe, { HOME: folder, PATH: "", ...env }, "aws");

  test("no program on PATH", async () => {
    expect(await find("docker-cli", real({}))).toMatchObject({ fault: "there is no docker" });
    expect(await find("pulumi", real({}))).toMatchObject({ fault: "there is no pulumi" });
  });

  test("programs that fail", async () => {
    const docker = '#!/bin/sh\necho "permission denied while trying to connect" >&2\nexit 1\n';
    writeFileSync(join(folder, "docker"), docker, { mode: 0o755 });
    const finding = await find("docker-engine", real({ PATH: folder }));
    expect(finding).toMatchObject({ fault: "this user may not use the Docker Engine" });
  });

  test("programs that do not answer are not taken for absent", async () => {
    writeFileSync(join(folder, "pulumi"), "#!/bin/sh\nexec /bin/sleep 60\n", { mode: 0o755 });
    const impatient = (env: NodeJS.ProcessEnv) => realProbe(env, 0.2);
    const finding = await find("pulumi", findEnvironment(impatient, { HOME: folder, PATH: folder }, "aws"));
    expect(finding).toMatchObject({
      fault: "pulumi version has not answered for 0.2 seconds",
      remedy: "pulumi version",
    });
  });

  test("a port that is taken", async () => {
    const environment = await serving(
      () => {},
      async (host) => {
        const [, PORT] = host.split(":");
        const fault = expect.stringContaining(`port ${PORT}`);
        expect(await find("ports", real({ PORT }))).toMatchObject({ state: "fault", fault });
        return real({ PORT });
      },
    );
    expect(await find("ports", environment)).toMatchObject({ state: "ok" });
  });

  test("expired credentials and a clock that is off, as an endpoint of AWS tells them", async () => {
    const error = "<Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message>";
    const host = await listening((_, response) => {
      const date = new Date(Date.now() - 600_000).toUTCString();
      response.writeHead(403, { "content-type": "text/xml", date });
      response.end(`<ErrorResponse><Error>${error}</Error></ErrorResponse>`);
    });
    vi.stubEnv("AWS_ACCESS_KEY_ID", "x");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "x");
    const environment = real({ AWS_ENDPOINT_URL: `http://${host}` });
    const credentials = { state: "fault", remedy: expect.stringContaining("aws sso login") };
    expect(await find("aws-credentials", environment)).toMatchObject(credentials);
    const clock = { state: "fault", fault: expect.stringMatching(/(599|6\d\d) s ahead/) };
    expect(await find("endpoint", environment)).toMatchObject(clock);
  });

  test("what is in use is read to the last page, and only what counts is counted", async () => {
    const Tags = Object.entries({ project: "p", stack: "s" }).map(([Key, Value]) => ({ Key, Value }));
    const instance = (InstanceType: string, more = {}) => ({ Instances: [{ InstanceType, ...more }] });
    const type = (InstanceType: string, DefaultVCpus: number) => ({ InstanceType, VCpuInfo: { DefaultVCpus } });
    const subnet = (SubnetId: string, AvailabilityZone: string) => ({ SubnetId, AvailabilityZone });
    const balancer = (LoadBalancerArn: string, Type: string) => ({ LoadBalancerArn, Type });
    const spot = instance("c5.large", { InstanceLifecycle: "spot" });
    const lists: Record<string, [name: string, first: object[], last: object[]]> = {
      DescribeInstances: [
        "Reservations",
        [instance("t3.small", { Tags })],
        [instance("m5.xlarge"), spot, instance("p3.2xlarge")],
      ],
      DescribeVpcs: ["Vpcs", [{ IsDefault: true }], [{ Tags }]],
      DescribeInstanceTypes: ["InstanceTypes", [type("t3.small", 2)], [type("t4g.small", 2), type("m5.xlarge", 4)]],
      DescribeLaunchTemplates: ["LaunchTemplates", [{ Tags }], []],
      DescribeAddresses: ["Addresses", [{ Tags }, {}], []],
      // The zone a has two, b one.
      DescribeNatGateways: ["NatGateways", [{ SubnetId: "s-1", Tags }], [{ SubnetId: "s-2" }, { SubnetId: "s-3" }]],
      DescribeSubnets: ["Subnets", [subnet("s-1", "a")], [subnet("s-2", "b"), subnet("s-3", "a")]],
      DescribeVpcEndpoints: ["VpcEndpoints", [{}], [{ Tags }]],
      DescribeLoadBalancers: ["LoadBalancers", [balancer("own", "application")], [balancer("other", "network")]],
      DescribeTargetGroups: ["TargetGroups", [{ TargetGroupArn: "own" }], [{ TargetGroupArn: "other" }]],
      DescribeAutoScalingGroups: ["AutoScalingGroups", [{ Tags }], [{}]],
    };
    const clients = [EC2Client, ElasticLoadBalancingV2Client, AutoScalingClient, ServiceQuotasClient];
    answering(clients, (action, { QuotaCode, ResourceArns, Marker, NextToken = Marker }) => {
      if (QuotaCode === "L-1216C47A") return { Quota: { Value: 5 } };
      if (QuotaCode) throw awsError("AccessDeniedException");
      const tagsOf = (ResourceArn: string) => ({ ResourceArn, Tags: ResourceArn === "own" ? Tags : [] });
      if (action === "DescribeTags") return { TagDescriptions: ResourceArns.map(tagsOf) };
      const [name = "", first, last] = lists[action] ?? [];
      return NextToken ? { [name]: last } : { [name]: first, NextMarker: "more", NextToken: "more" };
    });
    const needs = { instanceTypes: ["t4g.small", "t3.small"], tags: { project: "p", stack: "s" } };
    const quotas = (more: object = {}) =>
      real({}).probe.quotas({ region: "us-east-1", profile: undefined }, { ...needs, ...more });
    expect(await quotas()).toMatchObject([
      { code: "L-1216C47A", limit: 5, used: 6, own: 2, firstUp: 4, release: 4 },
      { code: "L-F678F1CE", problem: "AccessDeniedException", used: 2, own: 1, firstUp: 1, release: 0 },
    ]);
    const [vcpus, , ...others] = await quotas({ fleet: { machines: 3, egress: "nat" } });
    expect(vcpus).toMatchObject({ used: 6, own: 2, firstUp: 12, release: 12 });
    expect(others).toMatchObject([
      { code: "L-53DA6B97", used: 1, own: 1, firstUp: 1, release: 0 },
      { code: "L-B22855CB", used: 2, own: 1, firstUp: 1 },
      { code: "L-CDE20ADC", used: 2, own: 1, firstUp: 2 },
      { code: "L-FB451C26", used: 1, own: 1, firstUp: 2 },
      { code: "L-0263D0A3", used: 2, own: 1, firstUp: 1 },
      { code: "L-FE5A380F", used: 2, own: 1, firstUp: 1 },
    ]);
    const [, , , , , , ...endpoints] = await quotas({ fleet: { machines: 3, egress: "endpoints" } });
    expect(endpoints).toMatchObject([
      { code: "L-29B6F2EB", used: 0, own: 0, firstUp: 3 },
      { code: "L-1B52E74A", used: 2, own: 1, firstUp: 1 },
    ]);
  });

  test("a lock whose process is gone", async () => {
    const locks = join(folder, lockFile, "dev");
    mkdirSync(locks, { recursive: true });
    // No process has a number beyond the kernel's largest.
    writeFileSync(join(locks, "x.json"), JSON.stringify({ pid: 2 ** 22 + 1, hostname: hostname() }));
    expect(await find("lock", real({ PULUMI_BACKEND_URL: `file://${folder}` }))).toMatchObject({ state: "fault" });
  });
});

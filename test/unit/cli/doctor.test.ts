import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, test, vi } from "vitest";
import { checks, emulatedStage, isAtLeast } from "../../../cli/doctor/checks.ts";
import { type Environment, findEnvironment } from "../../../cli/doctor/environment.ts";
import { type Answer, type Probe, realProbe } from "../../../cli/doctor/probe.ts";
import type { Quota } from "../../../cli/doctor/quotas.ts";
import { diagnose, toText } from "../../../cli/doctor.ts";

const root = "/clone";
const start = Date.parse("2026-11-24T08:00:00Z");
const said = (stdout: string): Answer => ({ status: 0, stdout, stderr: "" });
const failed = (stderr: string, status = 1): Answer => ({ status, stdout: "", stderr });
const notFound: Answer = { status: undefined, stdout: "", stderr: "" };

/** A world that a test describes: files by their paths, and programs' answers by the beginning of their command lines. */
interface World {
  readonly env: Record<string, string | undefined>;
  readonly files: Record<string, string>;
  readonly programs: Record<string, Answer>;
  readonly platform: string;
  readonly uid: number;
  readonly nodeVersion: string;
  readonly freeBytes: number;
  /** `host:port` of what accepts connections. */
  readonly listening: readonly string[];
  /** How far the endpoint's clock is behind ours, in seconds; undefined: it cannot be reached. */
  readonly behind: number | undefined;
  readonly identity: () => Promise<{ account: string; arn: string }>;
  readonly quotas: Probe["quotas"];
}

function fakeProbe(world: World): Probe {
  return {
    env: world.env,
    platform: world.platform,
    architecture: "x64",
    nodeVersion: world.nodeVersion,
    uid: world.uid,
    home: "/home/me",
    now: () => start,
    async exec(...words) {
      const line = words.join(" ");
      // The most particular answer wins.
      const known = Object.keys(world.programs).filter((beginning) => line.startsWith(beginning));
      const best = known.sort((a, b) => b.length - a.length)[0];
      return best === undefined ? notFound : (world.programs[best] as Answer);
    },
    exists: (path) => Object.keys(world.files).some((file) => file === path || file.startsWith(`${path}/`)),
    read: (path) => world.files[path],
    list(path, options) {
      const below = Object.keys(world.files)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => file.slice(path.length + 1));
      return options?.recursive ? below : [...new Set(below.map((file) => file.split("/")[0] as string))];
    },
    freeBytes: () => world.freeBytes,
    listens: async (host, port) => world.listening.includes(`${host}:${port}`),
    dateOf: async () => (world.behind === undefined ? undefined : start - world.behind * 1000),
    identity: world.identity,
    quotas: world.quotas,
    in: (env) => fakeProbe({ ...world, env }),
  };
}

const stat = (started: string) => `7 (node) S ${"0 ".repeat(18)}${started} 0`;
const buildxInspect =
  "Name:   multiplatform\nDriver: docker-container\n\nNodes:\nName:   multiplatform0\nStatus: running\nPlatforms: linux/amd64, linux/amd64/v2, linux/arm64, linux/386\n";

const vcpus: Quota = {
  what: "vCPUs",
  service: "ec2",
  code: "L-1216C47A",
  limit: 8,
  used: 4,
  own: 4,
  firstUp: 4,
  release: 4,
};
const vpcs: Quota = {
  what: "VPCs",
  service: "vpc",
  code: "L-F678F1CE",
  limit: 2,
  used: 2,
  own: 1,
  firstUp: 1,
  release: 0,
};

/** A machine on which nothing is wrong, used with AWS. */
const aws: World = {
  env: {
    PATH: "/usr/bin",
    AWS_PROFILE: "work",
    AWS_REGION: "ap-northeast-2",
    PULUMI_CONFIG_PASSPHRASE_FILE: "/home/me/phrase",
  },
  files: {
    "/home/me/phrase": "secret",
    "/clone/node_modules/@pulumi/pulumi/package.json": "{}",
    "/clone/Pulumi.yaml": "name: hono-app\nconfig:\n  aws:region:\n    value: ap-northeast-2\n",
    "/clone/Pulumi.dev.yaml": "encryptionsalt: v1:x\n",
    "/clone/app/Dockerfile":
      "FROM --platform=$BUILDPLATFORM oven/bun AS build\nRUN bun build\nFROM oven/bun\nCOPY --from=build / /\n",
    "/proc/sys/kernel/hostname": "here\n",
  },
  programs: {
    "docker --version": said("Docker version 28.2.2"),
    "docker info": said("28.2.2 linux/x86_64"),
    "docker info --format {{.DockerRootDir}}": said("/var/lib/docker"),
    "docker info --format {{.Architecture}}": said("x86_64"),
    "docker buildx version": said("github.com/docker/buildx v0.35.0"),
    "docker compose version": said("Docker Compose version v5.2.0"),
    "docker buildx inspect": said(buildxInspect),
    "docker ps": said(""),
    "pulumi version": said("v3.259.0"),
    "pulumi whoami": said("User: me\nBackend URL: s3://state\n"),
    "uname -m": said("x86_64\n"),
  },
  platform: "linux",
  uid: 1000,
  nodeVersion: "24.21.0",
  freeBytes: 100 * 2 ** 30,
  listening: [],
  behind: 0,
  identity: async () => ({ account: "1", arn: "arn:aws:iam::1:user/me" }),
  quotas: async () => [vcpus, vpcs],
};

/** The same machine with a local cloud that runs, used by root, and nothing of AWS. */
const local: World = {
  ...aws,
  env: { PATH: "/usr/bin" },
  uid: 0,
  files: {
    ...aws.files,
    "/clone/Pulumi.local.yaml": "encryptionsalt: v1:x\n",
    "/clone/.local/bin/docker-buildx": "",
    "/clone/.local/bin/pulumi": "",
    "/clone/.local/cloud/prefix": "18",
    "/clone/.local/cloud/state/.pulumi/meta.yaml": "",
    "/run/hono-app-18/owner": "/clone/.local/cloud",
    "/run/hono-app-18/moto.pid": "7 123",
    "/proc/7/stat": stat("123"),
    "/proc/sys/fs/binfmt_misc/qemu-aarch64": "enabled\n",
  },
};

const without = (files: Record<string, string>, ...names: string[]) =>
  Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)));
const stopped = { ...local, files: without(local.files, "/run/hono-app-18/moto.pid", "/run/hono-app-18/owner") };
const sdkError = (name: string, message: string) => async () => {
  throw Object.assign(new Error(message), { name });
};
const environmentOf = (world: World, wanted?: "local" | "aws") => findEnvironment(fakeProbe(world), root, wanted);

async function find(id: string, environment: Environment) {
  const check = checks.find((each) => each.id === id);
  if (check === undefined) throw new Error(`no check ${id}`);
  return check.run(environment);
}

test.each([
  ["AWS", aws, "aws"],
  ["the local cloud", local, "local"],
] as const)("a machine without a fault, used with %s, is healthy", async (_, world, name) => {
  const report = await diagnose(environmentOf(world));
  expect(report.checks.filter(({ state }) => state === "fault")).toEqual([]);
  expect(report).toMatchObject({ healthy: true, environment: name });
  expect(report.platform).toEqual({
    "uname -m": "x86_64",
    "docker info, Architecture": "x86_64",
    "process.arch": "x64",
  });
  expect(toText(report)).toContain("no fault found");
});

test("a clone that was never used with anything is healthy: the local cloud brings what it needs", async () => {
  const world = {
    ...stopped,
    files: without(stopped.files, ...Object.keys(stopped.files).filter((file) => file.includes("/.local/"))),
  };
  const { programs: _, ...fresh } = world;
  const report = await diagnose(
    environmentOf({
      ...fresh,
      programs: {
        "docker --version": said("Docker version 28.2.2"),
        "docker buildx version": failed("docker: 'buildx' is not a docker command"),
        "uname -m": said("x86_64"),
      },
    }),
  );
  expect(report.checks.filter(({ state }) => state === "fault")).toEqual([]);
});

// Each fault in a world that has it and nothing else: what is said, and the command that mends it.
const faults: readonly [name: string, id: string, world: World, fault: RegExp, remedy: RegExp][] = [
  ["Node too old", "node", { ...aws, nodeVersion: "20.20.2" }, /Node 20\.20\.2; .*22\.18\.0/, /npm run doctor/],
  [
    "packages not installed",
    "packages",
    { ...aws, files: without(aws.files, "/clone/node_modules/@pulumi/pulumi/package.json") },
    /not installed/,
    /npm ci --ignore-scripts/,
  ],
  ["not root", "root", { ...local, uid: 1000 }, /needs root/, /sudo npm run local/],
  ["not Linux", "root", { ...local, platform: "darwin" }, /needs Linux; this is darwin/, /devcontainer up/],
  ["no Docker CLI", "docker-cli", { ...aws, programs: {} }, /no docker/, /get\.docker\.com/],
  [
    "no Docker CLI on Debian",
    "docker-cli",
    { ...local, programs: {}, files: { ...local.files, "/usr/bin/apt-get": "" } },
    /no docker/,
    /apt-get install -y docker\.io/,
  ],
  [
    "engine not running",
    "docker-engine",
    { ...aws, programs: { ...aws.programs, "docker info": failed("Cannot connect to the Docker daemon") } },
    /does not run: Cannot connect/,
    /systemctl start docker/,
  ],
  [
    "engine not running on a Mac",
    "docker-engine",
    {
      ...aws,
      platform: "darwin",
      programs: { ...aws.programs, "docker info": failed("Cannot connect to the Docker daemon") },
    },
    /does not run/,
    /open -a Docker/,
  ],
  [
    "engine not allowed",
    "docker-engine",
    { ...aws, programs: { ...aws.programs, "docker info": failed("permission denied while trying to connect") } },
    /may not use/,
    /usermod -aG docker/,
  ],
  [
    "DOCKER_HOST that is gone",
    "docker-engine",
    {
      ...aws,
      env: { ...aws.env, DOCKER_HOST: "unix:///gone.sock" },
      programs: { ...aws.programs, "docker info": failed("Cannot connect") },
    },
    /DOCKER_HOST=unix:\/\/\/gone\.sock/,
    /unset DOCKER_HOST/,
  ],
  [
    "local cloud's engine dead",
    "docker-engine",
    { ...local, programs: { ...local.programs, "docker info": failed("Cannot connect") } },
    /local cloud's engine/,
    /npm run local/,
  ],
  [
    "no Buildx",
    "buildx",
    {
      ...aws,
      programs: { ...aws.programs, "docker buildx version": failed("docker: 'buildx' is not a docker command") },
    },
    /no Buildx/,
    /docker-buildx/,
  ],
  [
    "no Compose",
    "compose",
    {
      ...aws,
      programs: { ...aws.programs, "docker compose version": failed("docker: 'compose' is not a docker command") },
    },
    /no Compose/,
    /docker-compose/,
  ],
  [
    "builder missing",
    "builder",
    {
      ...aws,
      programs: { ...aws.programs, "docker buildx inspect": failed('ERROR: no builder "multiplatform" found') },
    },
    /no builder "multiplatform"/,
    /docker buildx create --name multiplatform --driver docker-container --bootstrap/,
  ],
  [
    "another builder, which the stack names, missing",
    "builder",
    {
      ...aws,
      files: { ...aws.files, "/clone/Pulumi.dev.yaml": "config:\n  hono-app:builder: mine\n" },
      programs: { ...aws.programs, "docker buildx inspect mine": failed('ERROR: no builder "mine" found') },
    },
    /no builder "mine"/,
    /docker buildx create --name mine /,
  ],
  [
    "builder of one platform",
    "builder",
    {
      ...aws,
      programs: { ...aws.programs, "docker buildx inspect": said(buildxInspect.replace("docker-container", "docker")) },
    },
    /driver docker, which builds for one platform/,
    /buildx rm multiplatform; docker buildx create/,
  ],
  [
    "remote builder that is gone",
    "builder",
    {
      ...local,
      programs: {
        ...local.programs,
        "docker buildx inspect": said(
          "Driver: remote\nNodes:\nName: x\nEndpoint: unix:///gone.sock\nStatus: inactive\n",
        ),
      },
    },
    /does not answer: unix:\/\/\/gone\.sock is inactive/,
    /npm run local/,
  ],
  [
    "builder does not answer",
    "builder",
    {
      ...local,
      programs: {
        ...local.programs,
        "docker buildx inspect": said(
          "Name: multiplatform\nDriver: remote\n\nNodes:\nName: multiplatform0\nError: connection refused\n",
        ),
      },
    },
    /does not answer: connection refused/,
    /npm run local/,
  ],
  [
    "builder without a platform",
    "builder-platforms",
    {
      ...aws,
      files: { ...aws.files, "/clone/app/Dockerfile": "FROM oven/bun\nRUN bun install sharp\n" },
      programs: { ...aws.programs, "docker buildx inspect": said(buildxInspect.replace(", linux/arm64", "")) },
    },
    /cannot run linux\/arm64, .*RUN bun install sharp/,
    /tonistiigi\/binfmt --install all.*buildx create --append/,
  ],
  [
    "no emulation for the local cloud",
    "emulation",
    { ...local, files: without(local.files, "/proc/sys/fs/binfmt_misc/qemu-aarch64") },
    /hands no arm64 program to QEMU/,
    /apt-get install -y qemu-user-static binfmt-support/,
  ],
  [
    "emulation installed and off",
    "emulation",
    {
      ...local,
      files: {
        ...local.files,
        "/proc/sys/fs/binfmt_misc/qemu-aarch64": "disabled\n",
        "/usr/bin/qemu-aarch64-static": "",
      },
    },
    /hands no arm64/,
    /update-binfmts --enable qemu-aarch64/,
  ],
  [
    "no emulation for the Dockerfile",
    "emulation",
    { ...aws, files: { ...aws.files, "/clone/app/Dockerfile": "FROM oven/bun\nRUN bun install\n" } },
    /RUN bun install/,
    /binfmt --install arm64/,
  ],
  [
    "no Pulumi",
    "pulumi",
    { ...aws, programs: without2(aws.programs, "pulumi version") },
    /no pulumi/,
    /get\.pulumi\.com.*3\.259\.0/,
  ],
  [
    "Pulumi too old",
    "pulumi",
    { ...aws, programs: { ...aws.programs, "pulumi version": said("v3.100.0") } },
    /Pulumi 3\.100\.0; .*3\.259\.0/,
    /get\.pulumi\.com/,
  ],
  [
    "not logged in",
    "pulumi-backend",
    {
      ...aws,
      programs: {
        ...aws.programs,
        "pulumi whoami": failed("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"),
      },
    },
    /not logged in/,
    /pulumi login/,
  ],
  [
    "backend not usable",
    "pulumi-backend",
    {
      ...aws,
      env: { ...aws.env, PULUMI_BACKEND_URL: "s3://gone" },
      programs: { ...aws.programs, "pulumi whoami": failed("error: NoSuchBucket") },
    },
    /s3:\/\/gone cannot be used: error: NoSuchBucket/,
    /pulumi login s3:\/\/gone/,
  ],
  [
    "no passphrase",
    "passphrase",
    { ...aws, env: { PATH: "", AWS_PROFILE: "work" } },
    /encrypted with a passphrase, and none is set/,
    /PULUMI_CONFIG_PASSPHRASE_FILE/,
  ],
  [
    "passphrase file missing",
    "passphrase",
    { ...aws, files: without(aws.files, "/home/me/phrase") },
    /names \/home\/me\/phrase, which cannot be read/,
    /PULUMI_CONFIG_PASSPHRASE_FILE/,
  ],
  [
    "no AWS credentials",
    "aws-credentials",
    { ...aws, identity: sdkError("CredentialsProviderError", "Could not load credentials from any providers") },
    /no AWS credentials/,
    /aws sso login/,
  ],
  [
    "wrong AWS credentials",
    "aws-credentials",
    { ...aws, identity: sdkError("InvalidClientTokenId", "The security token included in the request is invalid.") },
    /does not accept/,
    /aws configure/,
  ],
  [
    "expired AWS credentials",
    "aws-credentials",
    { ...aws, identity: sdkError("ExpiredTokenException", "The security token included in the request is expired") },
    /have expired/,
    /aws sso login --profile work/,
  ],
  [
    "ended SSO session",
    "aws-credentials",
    {
      ...aws,
      identity: sdkError("CredentialsProviderError", "The SSO session associated with this profile has expired."),
    },
    /have expired/,
    /aws sso login/,
  ],
  [
    "credentials of an account that the stack does not allow",
    "aws-credentials",
    {
      ...aws,
      files: { ...aws.files, "/clone/Pulumi.dev.yaml": 'config:\n  aws:allowedAccountIds:\n    - "2"\n    - "3"\n' },
    },
    /of account 1 \(arn:aws:iam::1:user\/me\), but the stack dev allows only 2, 3/,
    /export AWS_PROFILE=NAME/,
  ],
  [
    "too few vCPUs for a release",
    "aws-quotas",
    { ...aws, quotas: async () => [{ ...vcpus, limit: 7 }, vpcs] },
    /^vCPUs: 4 of 7 in use, 4 by this stack; a first up takes 4, a release 4 more until the old machines are gone$/,
    /--service-code ec2 --quota-code L-1216C47A --desired-value 8 --region ap-northeast-2; or/,
  ],
  [
    "too few vCPUs for a first up and a release, and too few VPCs",
    "aws-quotas",
    {
      ...aws,
      quotas: async () => [
        { ...vcpus, used: 1, own: 0 },
        { ...vpcs, own: 0 },
      ],
    },
    /^vCPUs: 1 of 8 .*; VPCs: 2 of 2 in use, 0 by this stack; a first up takes 1$/,
    /L-1216C47A --desired-value 9 .*; aws .*--service-code vpc --quota-code L-F678F1CE --desired-value 3 /,
  ],
  [
    "wrong region",
    "aws-region",
    { ...aws, env: { ...aws.env, AWS_REGION: "us-east-1" } },
    /AWS_REGION is us-east-1, but the stack dev is in ap-northeast-2/,
    /export AWS_REGION=ap-northeast-2/,
  ],
  [
    "wrong region for boto3 and version 1 of the AWS CLI",
    "aws-region",
    { ...aws, env: { ...aws.env, AWS_DEFAULT_REGION: "us-east-1" } },
    /AWS_DEFAULT_REGION is us-east-1, but/,
    /export AWS_DEFAULT_REGION=ap-northeast-2/,
  ],
  [
    "no region",
    "aws-region",
    { ...aws, files: { ...aws.files, "/clone/Pulumi.yaml": "name: hono-app\n" } },
    /no region/,
    /pulumi config set aws:region/,
  ],
  [
    "no network",
    "endpoint",
    { ...aws, behind: undefined },
    /sts\.ap-northeast-2\.amazonaws\.com.* cannot be reached/,
    /HTTPS_PROXY/,
  ],
  [
    "local cloud's API dead",
    "endpoint",
    { ...local, behind: undefined },
    /http:\/\/127\.18\.0\.1:5000/,
    /npm run local/,
  ],
  ["clock ahead", "clock", { ...aws, behind: 400 }, /400 s ahead of/, /timedatectl set-ntp true/],
  ["clock behind", "clock", { ...aws, behind: -90 }, /90 s behind/, /timedatectl/],
  [
    "compose's port taken",
    "ports",
    { ...aws, listening: ["127.0.0.1:3000"] },
    /port 3000/,
    /PORT=3001 docker compose up, .*ss -ltnp 'sport = :3000'/,
  ],
  [
    "local cloud's port taken",
    "ports",
    { ...stopped, listening: ["127.18.0.1:5443"] },
    /127\.18\.0\.1:5443/,
    /rm \/clone\/\.local\/cloud\/prefix/,
  ],
  ["disk full", "disk", { ...aws, freeBytes: 2 ** 30 }, /1\.0 GiB are free/, /docker buildx prune/],
  ["disk full, local cloud", "disk", { ...local, freeBytes: 2 ** 30 }, /1\.0 GiB are free/, /rm -rf \.local\/cloud/],
  [
    "stale lock",
    "lock",
    {
      ...local,
      files: {
        ...local.files,
        "/clone/.local/cloud/state/.pulumi/locks/organization/hono-app/local/x.json":
          '{"pid":99,"hostname":"here","timestamp":"2026-11-24T07:00:00Z"}',
      },
    },
    /stack local is locked since 2026-11-24T07:00:00Z by process 99/,
    /npm run local/,
  ],
  [
    "stale lock with AWS",
    "lock",
    {
      ...aws,
      env: { ...aws.env, PULUMI_BACKEND_URL: "file://~" },
      files: {
        ...aws.files,
        "/home/me/.pulumi/locks/organization/hono-app/dev/x.json": '{"pid":99,"hostname":"here"}',
      },
    },
    /stack dev is locked/,
    /pulumi cancel --yes --stack dev/,
  ],
  [
    "leftovers of a deleted clone",
    "leftovers",
    {
      ...aws,
      files: {
        ...aws.files,
        "/run/hono-app-30/owner": "/gone/.local/cloud",
        "/run/hono-app-30/moto.pid": "7 123",
        "/proc/7/stat": stat("123"),
      },
    },
    /\/run\/hono-app-30 is left .* folder is gone/,
    /kill 7; sleep 20; rm -rf \/run\/hono-app-30/,
  ],
  [
    "leftovers of a crash",
    "leftovers",
    {
      ...aws,
      files: {
        ...aws.files,
        "/run/hono-app-30/owner": "/other/.local/cloud",
        "/run/hono-app-30/moto.pid": "7 123",
        "/other/.local/cloud/prefix": "30",
      },
    },
    /nothing runs any more/,
    /cd \/other && npm run local -- down/,
  ],
  [
    "leftovers in Docker",
    "docker-leftovers",
    { ...aws, programs: { ...aws.programs, "docker ps --all": said("hono-app\nhono-app-old\n") } },
    /hono-app, hono-app-old/,
    /docker rm hono-app hono-app-old/,
  ],
];

function without2(programs: Record<string, Answer>, name: string): Record<string, Answer> {
  return Object.fromEntries(Object.entries(programs).filter(([key]) => key !== name));
}

describe("each fault is named, with what mends it", () => {
  test.each(faults)("%s", async (_, id, world, fault, remedy) => {
    expect(await find(id, environmentOf(world))).toEqual({
      state: "fault",
      fault: expect.stringMatching(fault),
      remedy: expect.stringMatching(remedy),
    });
  });

  test("every check has a fault that is provoked here", () => {
    expect(new Set(faults.map(([, id]) => id))).toEqual(new Set(checks.map(({ id }) => id)));
  });
});

describe("no false alarm", () => {
  test.each<[name: string, id: string, world: World, state: "ok" | "skipped"]>([
    [
      "a builder that lists one platform, and a Dockerfile that runs nothing on the other",
      "builder-platforms",
      {
        ...aws,
        programs: { ...aws.programs, "docker buildx inspect": said(buildxInspect.replace(", linux/arm64", "")) },
      },
      "ok",
    ],
    [
      "port 3000 served by our own container",
      "ports",
      {
        ...aws,
        listening: ["127.0.0.1:3000"],
        programs: { ...aws.programs, "docker ps --filter publish=3000": said("hono-app-web-1\n") },
      },
      "ok",
    ],
    ["an empty passphrase, which is one", "passphrase", { ...aws, env: { PULUMI_CONFIG_PASSPHRASE: "" } }, "ok"],
    [
      "Pulumi Cloud",
      "passphrase",
      {
        ...aws,
        env: { AWS_PROFILE: "work" },
        files: without(aws.files, "/clone/Pulumi.dev.yaml"),
        programs: { ...aws.programs, "pulumi whoami": said("Backend URL: https://app.pulumi.com/me") },
      },
      "skipped",
    ],
    [
      "secrets kept by KMS",
      "passphrase",
      {
        ...aws,
        env: { AWS_PROFILE: "work" },
        files: { ...aws.files, "/clone/Pulumi.dev.yaml": "secretsprovider: awskms://alias/x\n" },
      },
      "skipped",
    ],
    [
      "a lock whose process runs",
      "lock",
      {
        ...local,
        files: {
          ...local.files,
          "/clone/.local/cloud/state/.pulumi/locks/organization/hono-app/local/x.json": '{"pid":7,"hostname":"here"}',
        },
      },
      "ok",
    ],
    [
      "a lock of another machine",
      "lock",
      {
        ...aws,
        env: { ...aws.env, PULUMI_BACKEND_URL: "file:///nfs" },
        files: { ...aws.files, "/nfs/.pulumi/locks/o/hono-app/dev/x.json": '{"pid":99,"hostname":"there"}' },
      },
      "ok",
    ],
    [
      "a local cloud that a command is just starting",
      "leftovers",
      {
        ...aws,
        files: {
          ...aws.files,
          "/run/hono-app-30/owner": "/other/.local/cloud",
          "/other/.local/cloud/prefix": "30",
          "/proc/net/unix": "0000: 00000002 00000000 00010000 0001 01 1234 @hono-app:/other/.local/cloud\n",
          "/proc/7/stat": stat("123"),
        },
      },
      "ok",
    ],
    ["a clock that is a few seconds off", "clock", { ...aws, behind: 5 }, "ok"],
    [
      "quotas that just suffice for a first up and a release",
      "aws-quotas",
      {
        ...aws,
        quotas: async () => [
          { ...vcpus, used: 0, own: 0 },
          { ...vpcs, used: 1, own: 0 },
        ],
      },
      "ok",
    ],
    ["quotas that may not be asked for", "aws-quotas", { ...aws, quotas: sdkError("AccessDenied", "no") }, "skipped"],
    [
      "credentials when only the local cloud is used",
      "aws-credentials",
      { ...local, identity: sdkError("CredentialsProviderError", "none") },
      "skipped",
    ],
  ])("%s", async (_, id, world, state) => {
    expect((await find(id, environmentOf(world))).state).toBe(state);
  });
});

describe("the environment that is looked at", () => {
  test.each<[env: Record<string, string>, files: string[], name: string, because: RegExp]>([
    [{}, [], "local", /nothing of AWS/],
    [{ LOCAL_CLOUD_PREFIX: "127.18", AWS_ACCESS_KEY_ID: "local" }, [], "local", /LOCAL_CLOUD_PREFIX/],
    [{ AWS_ENDPOINT_URL: "http://127.18.0.1:5000", AWS_ACCESS_KEY_ID: "local" }, [], "local", /AWS_ENDPOINT_URL/],
    [{ AWS_ACCESS_KEY_ID: "AKIA" }, [], "aws", /AWS_ACCESS_KEY_ID/],
    [{ AWS_WEB_IDENTITY_TOKEN_FILE: "/token" }, [], "aws", /AWS_WEB_IDENTITY_TOKEN_FILE/],
    [{}, ["/home/me/.aws/config"], "aws", /\.aws\/config is there/],
    [{ AWS_CONFIG_FILE: "/my/config" }, ["/my/config"], "aws", /\/my\/config is there/],
  ])("%j %j: %s", (env, files, name, because) => {
    const world = { ...local, env, files: { ...local.files, ...Object.fromEntries(files.map((file) => [file, ""])) } };
    expect(environmentOf(world)).toMatchObject({ name, because: expect.stringMatching(because) });
  });

  test("somebody's own AWS, Docker and Pulumi settings do not reach the local cloud's checks", () => {
    const { env } = environmentOf(
      { ...local, env: { AWS_PROFILE: "work", PULUMI_ACCESS_TOKEN: "t", DOCKER_CONTEXT: "c" } },
      "local",
    ).probe;
    expect(env).not.toHaveProperty("AWS_PROFILE");
    expect(env).not.toHaveProperty("PULUMI_ACCESS_TOKEN");
    expect(env).not.toHaveProperty("DOCKER_CONTEXT");
    expect(env.DOCKER_HOST).toBe("unix:///run/hono-app-18/docker.sock");
  });
});

describe("the account", () => {
  const stackFile = "config:\n  aws:region: us-east-1\n  aws:profile: other\n  hono-app:intelInstanceType: t3.xlarge\n";
  const projectFile = `${aws.files["/clone/Pulumi.yaml"]}  gravitonInstanceType:\n    default: t4g.small\n`;
  const files = { ...aws.files, "/clone/Pulumi.yaml": projectFile, "/clone/Pulumi.dev.yaml": stackFile };

  test("is asked for what the stack's configuration says", async () => {
    const asked: unknown[] = [];
    const quotas: Probe["quotas"] = async (...question) => {
      asked.push(...question);
      return [vcpus, vpcs];
    };
    await find("aws-quotas", environmentOf({ ...aws, files, quotas }));
    expect(asked).toEqual([
      { region: "us-east-1", profile: "other" },
      { instanceTypes: ["t4g.small", "t3.xlarge"], tags: { project: "hono-app", stack: "dev" } },
    ]);
  });

  test("may have a quota that cannot be read: the rest is said all the same", async () => {
    const unreadable = { ...vcpus, limit: undefined, problem: "AccessDeniedException" };
    const finding = await find("aws-quotas", environmentOf({ ...aws, quotas: async () => [unreadable, vpcs] }));
    expect(finding).toMatchObject({
      state: "skipped",
      note: expect.stringMatching(
        /^vCPUs: 4 in use, of a quota that cannot be read \(AccessDeniedException\), 4 by this .*VPCs: 2 of 2 in use/,
      ),
    });
  });

  test.each([
    ["", /the stack dev takes any account; .*--stack dev --path 'aws:allowedAccountIds\[0\]' 1$/],
    ['config:\n  aws:allowedAccountIds: ["2", "1"]\n', /an account that the stack dev allows/],
  ])("that the credentials are of is named, with %j", async (own, note) => {
    const world = { ...aws, files: { ...aws.files, "/clone/Pulumi.dev.yaml": own } };
    expect(await find("aws-credentials", environmentOf(world))).toMatchObject({
      state: "ok",
      note: expect.stringMatching(note),
    });
  });
});

test("a check that fails itself is a fault, and the others still run", async () => {
  const broken = { id: "broken", title: "Broken", run: () => Promise.reject(new Error("boom")) };
  const report = await diagnose(environmentOf(aws), [broken, ...checks]);
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
  expect(emulatedStage(dockerfile)).toBe(stage);
});

test.each([
  ["24.21.0", "22.18.0", true],
  ["22.18.0", "22.18.0", true],
  ["22.9.0", "22.18.0", false],
  ["3.300.0-alpha.1", "3.259.0", true],
  ["nonsense", "1.0.0", false],
])("%s is at least %s: %s", (version, wanted, expected) => {
  expect(isAtLeast(version, wanted)).toBe(expected);
});

// The real probe, with real faults.
describe("on this machine", () => {
  const folder = mkdtempSync(join(tmpdir(), "doctor-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const real = (env: Record<string, string>) =>
    findEnvironment(realProbe({ HOME: folder, PATH: "", ...env }), folder, "aws");

  test("no program on PATH", async () => {
    expect(await find("docker-cli", real({}))).toMatchObject({ fault: "there is no docker" });
    expect(await find("pulumi", real({}))).toMatchObject({ fault: "there is no pulumi" });
  });

  test("programs that fail", async () => {
    writeFileSync(join(folder, "docker"), '#!/bin/sh\necho "permission denied while trying to connect" >&2\nexit 1\n', {
      mode: 0o755,
    });
    expect(await find("docker-engine", real({ PATH: folder }))).toMatchObject({
      fault: "this user may not use the Docker Engine",
    });
  });

  test("a port that is taken", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    expect(await find("ports", real({ PORT: String(port) }))).toMatchObject({
      state: "fault",
      fault: expect.stringContaining(`port ${port}`),
    });
    await new Promise((resolve) => server.close(resolve));
    expect(await find("ports", real({ PORT: String(port) }))).toMatchObject({ state: "ok" });
  });

  /** Asks an API on loopback, with credentials in the environment of the process, where the SDK takes them from. */
  async function asking<T>(api: RequestListener, work: (environment: Environment) => Promise<T>): Promise<T> {
    const server = createServer(api).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    vi.stubEnv("AWS_ACCESS_KEY_ID", "x");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "x");
    try {
      return await work(real({ AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
    } finally {
      vi.unstubAllEnvs();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  test("expired credentials and a clock that is off, as an endpoint of AWS tells them", async () => {
    const api: RequestListener = (_, response) => {
      const body =
        "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>";
      response
        .writeHead(403, { "content-type": "text/xml", date: new Date(Date.now() - 600_000).toUTCString() })
        .end(body);
    };
    await asking(api, async (environment) => {
      expect(await find("aws-credentials", environment)).toMatchObject({
        state: "fault",
        remedy: expect.stringContaining("aws sso login"),
      });
      expect(await find("clock", environment)).toMatchObject({
        state: "fault",
        fault: expect.stringMatching(/(599|600|601) s ahead/),
      });
    });
  });

  test("what is in use is read to the last page, and only what counts is counted", async () => {
    const own =
      "<tagSet><item><key>project</key><value>p</value></item><item><key>stack</key><value>s</value></item></tagSet>";
    const instance = (type: string, rest = "") =>
      `<item><instancesSet><item><instanceType>${type}</instanceType>${rest}</item></instancesSet></item>`;
    const type = (name: string, count: number) =>
      `<item><instanceType>${name}</instanceType><vCpuInfo><defaultVCpus>${count}</defaultVCpus></vCpuInfo></item>`;
    const pages: Record<string, [element: string, first: string, second: string]> = {
      DescribeInstances: [
        "reservationSet",
        instance("t3.small", own),
        `${instance("m5.xlarge")}${instance("c5.large", "<instanceLifecycle>spot</instanceLifecycle>")}${instance("p3.2xlarge")}`,
      ],
      DescribeVpcs: ["vpcSet", "<item><isDefault>true</isDefault></item>", `<item>${own}</item>`],
      DescribeInstanceTypes: ["instanceTypeSet", type("t3.small", 2), type("t4g.small", 2) + type("m5.xlarge", 4)],
    };
    const api: RequestListener = async (request, response) => {
      const body = await text(request);
      if (request.headers["x-amz-target"]) {
        const { QuotaCode } = JSON.parse(body);
        if (QuotaCode === "L-1216C47A") return void response.end('{"Quota":{"Value":5}}');
        return void response.writeHead(400).end('{"__type":"AccessDeniedException"}');
      }
      const query = new URLSearchParams(body);
      const [element = "", first, second] = pages[query.get("Action") ?? ""] ?? [];
      const isLast = query.get("NextToken") === "more";
      const token = isLast ? "" : "<nextToken>more</nextToken>";
      response.end(`<Response><${element}>${isLast ? second : first}</${element}>${token}</Response>`);
    };
    const quotas = await asking(api, ({ probe }) =>
      probe.quotas(
        { region: "us-east-1", profile: undefined },
        { instanceTypes: ["t4g.small", "t3.small"], tags: { project: "p", stack: "s" } },
      ),
    );
    expect(quotas).toMatchObject([
      { code: "L-1216C47A", limit: 5, used: 6, own: 2, firstUp: 4, release: 4 },
      { code: "L-F678F1CE", problem: "AccessDeniedException", used: 2, own: 1, firstUp: 1, release: 0 },
    ]);
  });

  test("a lock whose process is gone", async () => {
    const locks = join(folder, ".pulumi", "locks", "organization", "hono-app", "dev");
    mkdirSync(locks, { recursive: true });
    // No process has a number beyond the kernel's largest.
    writeFileSync(join(locks, "x.json"), JSON.stringify({ pid: 2 ** 22 + 1, hostname: hostname() }));
    expect(await find("lock", real({ PULUMI_BACKEND_URL: `file://${folder}` }))).toMatchObject({ state: "fault" });
  });
});

import { hostname } from "node:os";
import { join } from "node:path";
import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import { describe, expect, test, vi } from "vitest";
import { type Environment, type Finding, inspect, machineChecks, stackChecks } from "../../../cli/doctor/checks.ts";
import { type Probe, realProbe } from "../../../cli/doctor/probe.ts";
import type { Quota } from "../../../cli/doctor/quotas.ts";
import { diagnose, toText } from "../../../cli/doctor.ts";
import { isOlder } from "../../../engines.js";
import { root } from "../../../tools/paths.ts";
import { projectName } from "../../../tools/project.ts";
import { readConfig } from "../../../tools/stack-config.ts";
import { freePort, listening, temporaryFolder, write, writeProgram } from "../../support/process.ts";
import { answering, awsError } from "../../support/sdk.ts";

const checks = [...machineChecks, ...stackChecks];
type Answer = ReturnType<Probe["exec"]>;
const said = (stdout: string): Answer => ({ status: 0, stdout, stderr: "" });
const failed = (stderr: string): Answer => ({ status: 1, stdout: "", stderr });

/** A machine as a test describes it: files, `$VARIABLES`, what programs answer by the beginning of their command lines, and the rest. */
interface World extends Pick<Probe, "platform" | "isAlive" | "identity" | "quotas"> {
  /** The configuration of the stack. */
  readonly config: string;
  /** How many seconds the clock is ahead of the endpoint's; undefined: it cannot be reached. */
  readonly ahead: number | undefined;
  readonly [fileVariableOrProgram: string]: unknown;
}

function probeOf(world: World): Probe {
  const nameOf = (path: string) => (path.startsWith(`${root}/`) ? `.${path.slice(root.length)}` : path);
  const read = (path: string) => world[nameOf(path)] as string | undefined;
  const variables = Object.entries(world).filter(([name]) => name.startsWith("$"));
  const below = (folder: string) =>
    Object.keys(world).filter((name) => name.startsWith(`${nameOf(folder)}/`) && world[name] !== undefined);
  return {
    ...world,
    env: Object.fromEntries(variables.map(([name, value]) => [name.slice(1), value as string])),
    architecture: "x64",
    hostname: "here",
    exec(...words) {
      const beginnings = words.map((_, index) => words.slice(0, index + 1).join(" ")).reverse();
      const answer = beginnings.map((beginning) => world[beginning] as Answer | undefined).find(Boolean);
      return answer ?? { status: null, stdout: "", stderr: "" };
    },
    exists: (path) => read(path) !== undefined || below(path).length > 0,
    read,
    list: (folder) => [...new Set(below(folder).map((name) => name.slice(folder.length + 1).split("/")[0] as string))],
    clockSkew: async () => world.ahead,
  };
}

const builder = (platforms: string, driver = "docker-container", status = "running") =>
  said(
    `Name:   multiplatform\nDriver: ${driver}\n\nNodes:\nName:   multiplatform0\nEndpoint: unix:///x.sock\nStatus: ${status}\n` +
      `Platforms: ${platforms}\n`,
  );
const quota = { limit: 8, used: 4, own: 4, firstUp: 4, release: 4 };
const vcpus: Quota = { what: "vCPUs", service: "ec2", code: "L-1216C47A", ...quota };
const vpcQuota = { limit: 2, used: 2, own: 1, firstUp: 1, release: 0 };
const vpcs: Quota = { what: "VPCs", service: "vpc", code: "L-F678F1CE", ...vpcQuota };

/** A machine without a fault. */
const healthy: World = {
  $HOME: "/home/me",
  $AWS_PROFILE: "work",
  $AWS_REGION: "ap-northeast-2",
  "./.tool-versions": "nodejs 24.21.0\npulumi 3.259.0\n",
  config: "",
  "docker info": said("28.2.2 linux/x86_64"),
  "docker info --format {{.DriverStatus}}": said("[[Backing Filesystem extfs]]"),
  "docker info --format {{.Architecture}}": said("x86_64"),
  "docker buildx version": said("github.com/docker/buildx v0.35.0"),
  "docker compose version": said("Docker Compose version v5.2.0"),
  "docker buildx inspect": builder("linux/amd64, linux/amd64/v2, linux/arm64*, linux/386"),
  "pulumi version": said("v3.259.0"),
  "pulumi whoami": said('{ "user": "me", "url": "s3://state" }'),
  "uname -m": said("x86_64\n"),
  platform: "linux",
  isAlive: (pid) => pid === 7,
  ahead: 0,
  identity: async () => ({ account: "1", arn: "arn:aws:iam::1:user/me" }),
  quotas: async () => [vcpus, vpcs],
};
const aws = (change: Partial<World> = {}): World => ({ ...healthy, ...change });
const fails = (name: string, message?: string) => () => Promise.reject(awsError(name, message));
/** AWS's answer is this error. */
const refused = (name: string, message: string) => ({ identity: fails(name, message) });
/** The account has these quotas. */
const limited = (...quotas: Quota[]) => ({ quotas: async () => quotas });
/** With a lock of a stack in the folder that `pulumi login --local` uses. */
const locked = (lock: string, stack = "dev") => ({
  "pulumi whoami": said('{ "url": "file://~?metadata=skip" }'),
  [`/home/me/.pulumi/locks/organization/${projectName}/${stack}/x.json`]: lock,
});

const environmentOf = (world: World): Environment => ({
  probe: probeOf(world),
  stack: "dev",
  config: readConfig(world.config),
});

async function find(id: string, environment: Environment): Promise<Finding> {
  const check = checks.find((each) => each.id === id);
  if (check === undefined) throw new Error(`no check ${id}`);
  return inspect(check, environment);
}

test("a machine without a fault is healthy", async () => {
  const report = await diagnose(environmentOf(healthy));
  expect(report.checks.filter(({ state }) => state !== "ok")).toEqual([]);
  const platform = { "uname -m": "x86_64", "docker info, Architecture": "x86_64", "process.arch": "x64" };
  expect(report).toMatchObject({ healthy: true, stack: "dev", platform });
  const text = toText(report);
  expect(text).toMatch(/^looked at: this machine, and AWS for the stack dev\n.*no fault found\n$/s);
  expect(text).toContain("\nok     Docker Engine: 28.2.2 linux/x86_64\n");
});

test("without a stack the machine alone is looked at", async () => {
  const report = await diagnose({ probe: probeOf(aws({ "pulumi version": undefined })), config: {} });
  expect(report.checks.map(({ id }) => id)).toEqual(machineChecks.map(({ id }) => id));
  expect(toText(report)).toMatch(/^looked at: this machine; AWS too with: npm run doctor -- --stack NAME\n/);
});

const notFound = failed("docker: 'buildx' is not a docker command");
// As newer CLIs print it.
const noEngine = { "docker info": { status: 0, stdout: " /\n", stderr: "Cannot connect to the Docker daemon" } };
/** Where Docker keeps its logins by a helper, which answers this. */
const keepingLogins = (answer: Answer) => ({
  $DOCKER_CONFIG: "/d",
  "/d/config.json": '{ "credsStore": "x" }',
  "docker-credential-x list": answer,
});
const onMac = (change: Partial<World>): Partial<World> => ({ ...change, platform: "darwin" });

// Each fault on a machine that has it and no other: what is wrong → what fixes it. Then what is no fault.
const findings: Readonly<Record<string, readonly [report: RegExp, change: Partial<World>][]>> = {
  docker: [
    [/no docker → .*get\.docker\.com.*, or the local cloud's: eval/, { "docker info": undefined }],
    [/does not run: Cannot connect.* → .*systemctl start docker, or the local cloud's: eval/, noEngine],
    [/does not run.* → open -a Docker/, onMac(noEngine)],
    [/no docker → brew install --cask docker/, onMac({ "docker info": undefined })],
    [/may not use.* → .*usermod -aG docker/, { "docker info": failed("permission denied while trying") }],
    [/DOCKER_HOST=unix:\/\/\/gone\.sock.* → unset/, { ...noEngine, $DOCKER_HOST: "unix:///gone.sock" }],
  ],
  logins: [
    [/no docker-credential-d, .* → .* out of \/home\/me/, { "/home/me/.docker/config.json": '{"credsStore":"d"}' }],
    [/docker-credential-x list fails: boom, by which \/d\/config\.json/, keepingLogins(failed("boom"))],
    [/^ok: docker-credential-x$/, keepingLogins(said("{}"))],
  ],
  buildx: [[/no Buildx → .*docker-buildx/, { "docker buildx version": notFound }]],
  compose: [
    [/no Compose → sudo apt-get .*docker-compose/, { "docker compose version": notFound }],
    [/no Compose → brew install docker-compose; .*; ln /, onMac({ "docker compose version": notFound })],
    [/^skipped: there is no docker$/, { "docker compose version": undefined }],
  ],
  builder: [
    [
      /no builder "multiplatform": .* → docker buildx create --name multiplatform --driver docker-container --bootstrap/,
      { "docker buildx inspect": failed('ERROR: no builder "multiplatform" found') },
    ],
    [
      /no builder "mine": .* → docker buildx create --name mine /,
      { config: "config:\n  builder: mine\n", "docker buildx inspect mine": failed("none") },
    ],
    [
      /driver docker, which builds for one platform.* → .*buildx rm multiplatform; docker buildx create/,
      { "docker buildx inspect": builder("linux/amd64", "docker") },
    ],
    [
      /does not answer: unix:\/\/\/x\.sock is inactive → docker buildx rm --force/,
      { "docker buildx inspect": builder("", "remote", "inactive") },
    ],
    [
      /does not answer: connection refused → docker buildx rm --force/,
      { "docker buildx inspect": said("Driver: remote\n\nNodes:\nName: x\nError: connection refused\n") },
    ],
    [
      /^ok: .*it runs nothing of linux\/arm64, and app\/Dockerfile need not/,
      { "docker buildx inspect": builder("linux/amd64") },
    ],
    [/^skipped: there is no docker$/, { "docker buildx inspect": undefined }],
    [/^skipped: there is no Buildx$/, { "docker buildx inspect": notFound }],
    [
      /^ok: multiplatform, driver docker$/,
      {
        "docker buildx inspect": builder("linux/amd64, linux/arm64", "docker"),
        "docker info --format {{.DriverStatus}}": said("[[driver-type io.containerd.snapshotter.v1]]"),
      },
    ],
  ],
  leftovers: [
    [
      /deleted, and .*: \/gone\/\.local\/cloud → LOCAL_CLOUD_DIR=\/gone\/\.local\/cloud npm run local -- down/,
      { "/run/hono-app-30/owner": "/gone/.local/cloud" },
    ],
    [/^ok/, { "/run/hono-app-30/owner": "/c", "/c/prefix": "30" }],
  ],
  pulumi: [
    [/no pulumi → .*get\.pulumi\.com.*3\.259\.0/, { "pulumi version": undefined }],
    [/fails: boom → .*get\.pulumi\.com/, { "pulumi version": failed("boom") }],
    [/no pulumi → brew install pulumi/, onMac({ "pulumi version": undefined })],
    [/Pulumi 3\.100\.0; .*3\.259\.0.* → .*get\.pulumi\.com/, { "pulumi version": said("v3.100.0") }],
  ],
  backend: [
    [/not logged in.* → pulumi login/, { "pulumi whoami": failed("error: PULUMI_ACCESS_TOKEN must be set") }],
    [
      /s3:\/\/gone\?region=x cannot be used: error: NoSuchBucket → pulumi login 's3:\/\/gone\?region=x'$/,
      { $PULUMI_BACKEND_URL: "s3://gone?region=x", "pulumi whoami": failed("error: NoSuchBucket") },
    ],
    [
      /stack dev is locked since 2026-11-24 by process 99, .* → pulumi cancel --yes --stack organization\/[\w-]+\/dev$/,
      locked('{"pid":99,"hostname":"here","timestamp":"2026-11-24"}'),
    ],
    [/^skipped: there is no pulumi$/, { "pulumi whoami": undefined }],
    [/^ok: .*in use by process 7$/, locked('{"pid":7,"hostname":"here"}')],
    // Of another machine, and of another stack.
    [/^ok/, locked('{"pid":99,"hostname":"there"}')],
    [/^ok/, locked('{"pid":99,"hostname":"here"}', "prod")],
  ],
  "aws-credentials": [
    [/no AWS credentials → .*aws sso login/, refused("CredentialsProviderError", "none")],
    [/no AWS credentials → /, refused("TokenProviderError", "no token")],
    [/no AWS credentials → /, refused("Error", "Could not load credentials from any providers")],
    ..."InvalidClientTokenId SignatureDoesNotMatch UnrecognizedClientException AccessDenied InvalidToken"
      .split(" ")
      .map((name): [RegExp, Partial<World>] => [/does not accept.*: no → aws configure/, refused(name, "no")]),
    [/have expired.* → aws sso login --profile work/, refused("ExpiredTokenException", "no longer valid")],
    [
      /have expired.* → aws sso login --profile own/,
      { config: "config:\n  aws:profile: own\n", identity: fails("CredentialsProviderError", "SSO has expired") },
    ],
    [
      /of account 1 \(arn:aws:iam::1:user\/me\), but the stack dev allows only 2, 3 .* → export AWS_PROFILE=NAME/,
      { config: 'config:\n  aws:allowedAccountIds:\n    - "2"\n    - "3"\n' },
    ],
    [
      /of account 1 \(arn:aws:iam::1:user\/me\), but the stack dev is deployed to 123456789012 → export AWS_PROFILE=NAME/,
      { "pulumi stack output repositoryUrl": said("123456789012.dkr.ecr.us-east-1.amazonaws.com/hono-app-dev\n") },
    ],
    [/^skipped: not known: connect ETIMEDOUT$/, refused("TimeoutError", "connect ETIMEDOUT\n  at x")],
    [/^ok: .*the stack dev takes any account; .*--stack dev --path --type string 'aws:allowedAccountIds\[0\]' 1$/, {}],
    [/^ok: .*an account that the stack dev allows/, { config: 'config:\n  aws:allowedAccountIds: ["2", "1"]\n' }],
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
    // They just suffice for a first up and a release.
    [/^ok/, limited({ ...vcpus, used: 0, own: 0 }, { ...vpcs, used: 1, own: 0 })],
    [/^skipped: not known/, { quotas: fails("AccessDenied") }],
    [
      /^skipped: vCPUs: 4 in use, of a quota that cannot be read \(AccessDeniedException\), 4 by this .*VPCs: 2 of 2 in use/,
      limited({ ...vcpus, limit: undefined, problem: "AccessDeniedException" }, vpcs),
    ],
  ],
  "aws-region": [
    [
      /AWS_REGION is us-east-1, but the stack dev is in ap-northeast-2.* → export AWS_REGION=ap-northeast-2/,
      { $AWS_REGION: "us-east-1" },
    ],
    [/AWS_DEFAULT_REGION is us-east-1, but.* → export AWS_DEFAULT_REGION=/, { $AWS_DEFAULT_REGION: "us-east-1" }],
  ],
  endpoint: [
    [
      /sts\.ap-northeast-2\.amazonaws\.com.* cannot be reached → check the network; a proxy alone is not enough/,
      { ahead: undefined },
    ],
    [/400 s ahead of.* → .*timedatectl set-ntp true/, { ahead: 400 }],
    [/90 s behind.* → .*timedatectl/, { ahead: -90 }],
    [/90 s behind.* → sudo sntp/, onMac({ ahead: -90 })],
    [
      /https:\/\/sts\.cn-north-1\.amazonaws\.com\.cn\/ cannot/,
      { config: "config:\n  aws:region: cn-north-1\n", ahead: undefined },
    ],
    [/^ok/, { ahead: 5 }],
  ],
};

test("every check has a fault that is provoked here", () => {
  const provoked = Object.entries(findings).filter(([, list]) =>
    list.some(([report]) => report.source.includes(" → ")),
  );
  expect(provoked.map(([id]) => id).sort()).toEqual(checks.map(({ id }) => id).sort());
});

describe.each(Object.entries(findings))("%s says what is wrong and what fixes it, or why nothing is", (id, list) => {
  test.each(list)("%s", async (report, change) => {
    const finding = await find(id, environmentOf(aws(change)));
    const { fault, remedy, state, note } = { fault: "", remedy: "", note: "", ...finding };
    expect(state === "fault" ? `${fault} → ${remedy}` : `${state}: ${note}`).toMatch(report);
  });
});

const fleet = "  fleet: true\n  machinesMin: 2\n  machinesMax: 5\n";

test.each<[what: string, config: string, needs: object, client?: object]>([
  [
    "the stack's configuration",
    "  aws:region: us-east-1\n  aws:profile: other\n  intelInstanceType: t3.xlarge\n",
    { instanceTypes: ["t4g.small", "t3.xlarge"], tags: { project: projectName, stack: "dev" } },
    { region: "us-east-1", profile: "other" },
  ],
  ["a fleet's least number of machines", fleet, { fleet: { machines: 2, egress: "nat" } }],
  ["its greatest, where it scales", `${fleet}  cpuTarget: 60\n`, { fleet: { machines: 5, egress: "nat" } }],
  ["endpoints for a way out", `${fleet}  egress: endpoints\n`, { fleet: { machines: 2, egress: "endpoints" } }],
])("the account is asked for what is needed by %s", async (_, own, needs, client = {}) => {
  const quotas = vi.fn(healthy.quotas);
  await find("aws-quotas", environmentOf(aws({ config: `config:\n${own}`, quotas })));
  expect(quotas.mock.lastCall).toMatchObject([client, needs]);
});

test("a check that fails itself is a fault, and the others still run", async () => {
  const broken = { id: "broken", title: "Broken", run: () => Promise.reject(new Error("boom")) };
  const report = await diagnose(environmentOf(healthy), [broken, ...checks]);
  expect(report.checks[0]).toMatchObject({ state: "fault", fault: "the check itself failed: boom" });
  expect(report.checks.length).toBe(checks.length + 1);
  expect(report.healthy).toBe(false);
  expect(toText(report)).toMatch(
    /\nFAULT {2}Broken\n[\s\S]*\n\nBroken: the check itself failed: boom\n .*\n1 fault found\n$/,
  );
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
  const real = (env: NodeJS.ProcessEnv, seconds?: number): Environment => ({
    ...environmentOf(healthy),
    probe: realProbe({ HOME: folder, PATH: "", ...env }, seconds),
  });

  test.each([
    ["docker", "", { fault: "there is no docker" }],
    ["pulumi", "", { fault: "there is no pulumi" }],
    ["docker", 'echo "permission denied" >&2; exit 1', { fault: "this user may not use the Docker Engine" }],
    // It is not taken for absent.
    [
      "pulumi",
      "exec /bin/sleep 60",
      { fault: "pulumi version has not answered for 0.05 seconds", remedy: "pulumi version" },
      0.05,
    ],
  ])("a program %s that does: %s", async (program, does, finding, seconds?: number) => {
    if (does) writeProgram(join(folder, program), does);
    expect(await find(program, real({ PATH: does && folder }, seconds))).toMatchObject(finding);
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
    const url = `http://127.0.0.1:${await freePort()}`;
    expect(await find("endpoint", real({ AWS_ENDPOINT_URL: url }))).toMatchObject({
      fault: `${url} cannot be reached`,
    });
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
      DescribeInstanceTypes: [
        "InstanceTypes",
        [type("t3.small", 2), type("c5.large", 2)],
        [type("t4g.small", 2), type("m5.xlarge", 4), type("p3.2xlarge", 8)],
      ],
      DescribeLaunchTemplates: ["LaunchTemplates", [{ Tags }], []],
      DescribeAddresses: ["Addresses", [{ Tags }, {}], []],
      // The zone a has two, b one.
      DescribeNatGateways: ["NatGateways", [{ SubnetId: "s-1", Tags }], [{ SubnetId: "s-2" }, { SubnetId: "s-3" }]],
      DescribeSubnets: ["Subnets", [subnet("s-1", "a")], [subnet("s-2", "b"), subnet("s-3", "a")]],
      DescribeVpcEndpoints: ["VpcEndpoints", [{}], [{ Tags }]],
      DescribeLoadBalancers: ["LoadBalancers", [balancer("own", "application")], [balancer("other", "network")]],
      DescribeTargetGroups: ["TargetGroups", [{ TargetGroupArn: "own" }], Array(20).fill({ TargetGroupArn: "other" })],
      DescribeAutoScalingGroups: ["AutoScalingGroups", [{ Tags }], [{}]],
    };
    const clients = [EC2Client, ElasticLoadBalancingV2Client, AutoScalingClient, ServiceQuotasClient];
    const asked = answering(clients, (action, { QuotaCode, ResourceArns, Marker, NextToken = Marker }) => {
      if (QuotaCode === "L-1216C47A") return { Quota: { Value: 5 } };
      if (QuotaCode) throw awsError("AccessDeniedException");
      const tagsOf = (ResourceArn: string) => ({ ResourceArn, Tags: ResourceArn === "own" ? Tags : [] });
      // AWS takes no more.
      if (ResourceArns?.length > 20) throw awsError("ValidationError");
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
      { code: "L-B22855CB", used: 21, own: 1, firstUp: 1 },
      { code: "L-CDE20ADC", used: 2, own: 1, firstUp: 2 },
      { code: "L-FB451C26", used: 1, own: 1, firstUp: 2 },
      { code: "L-0263D0A3", used: 2, own: 1, firstUp: 1 },
      { code: "L-FE5A380F", used: 2, own: 1, firstUp: 1 },
    ]);
    const [, , , , , , ...endpoints] = await quotas({ fleet: { machines: 3, egress: "endpoints" } });
    expect(endpoints).toMatchObject([{ code: "L-1B52E74A", used: 2, own: 1, firstUp: 1 }]);
    const filters = asked.flatMap(({ Filters, Filter = Filters ?? [] }) => Filter);
    expect(Object.fromEntries(filters.map(({ Name, Values }) => [Name, Values]))).toEqual({
      "instance-state-name": ["pending", "running"],
      state: ["pending", "available"],
      "vpc-endpoint-type": ["Gateway"],
    });
  });

  test("a lock whose process is gone, and one whose process runs", async () => {
    const locks = join(folder, ".pulumi", "locks", "organization", projectName, "dev");
    writeProgram(join(folder, "pulumi"), `echo '{ "url": "file://${folder}" }'`);
    const lockedBy = (pid: number) => {
      write(join(locks, "x.json"), JSON.stringify({ pid, hostname: hostname() }));
      return find("backend", real({ PATH: folder }));
    };
    // No process has a number beyond the kernel's largest.
    expect(await lockedBy(2 ** 22 + 1)).toMatchObject({ state: "fault" });
    expect(await lockedBy(process.pid)).toMatchObject({ state: "ok" });
  });
});

import { execFileSync } from "node:child_process";
import { env } from "node:process";
import { log } from "@pulumi/pulumi";
import { beforeEach, expect, test, vi } from "vitest";
import { userData } from "../../components/user-data.ts";
import { ConfigError, loadConfig } from "../../config.ts";
import { retentions } from "../../config-rules.ts";
import { propertySchema } from "../../local/providers/aws/schemas.ts";
import { launchArgs } from "../support/machine.ts";
import { configOf, configure, mock } from "../support/mocks.ts";

beforeEach(() => mock());

/** The lines of the refusal, one for each wrong key; none where the configuration is accepted. */
function problems(values: Record<string, string>): string[] {
  configure(values);
  try {
    loadConfig();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n  - ").slice(1);
  }
}

/** So many networks, as the configuration has them. */
const networks = (count: number) => JSON.stringify(Array.from({ length: count }, (_, i) => `10.${i}.0.0/16`));

test("the days for which a log can be kept are those that AWS's own schema has", () => {
  expect(retentions).toEqual(propertySchema("AWS::Logs::LogGroup", ["RetentionInDays"])?.enum);
});

// Where each of the others leads, and the defaults, test/unit/resources.test.ts shows.
test("what a stack sets instead", () => {
  const release = `sha256:${"0".repeat(64)}`;
  const permissionsBoundary = "arn:aws-cn:iam::123456789012:policy/boundary";
  const cidrBlock = "10.0.0.0/20";
  configure({ "aws:profile": "work", vpcCidr: cidrBlock, permissionsBoundary, registryLogin: "docker", release });
  expect(loadConfig()).toMatchObject({
    aws: { profile: "work" },
    network: { cidrBlock, permissionsBoundary },
    role: { permissionsBoundary },
    registryLogin: "docker",
    release,
  });
});

test("the repository is named by the stack, in lowercase, where ECR takes its name", async () => {
  await mock({}, "Prod.eu_1");
  configure();
  expect(loadConfig().image.repositoryName).toBe("hono-app-prod.eu_1");
  for (const stack of ["a..b", "a-", "-a"]) {
    await mock({}, stack);
    expect(problems({})).toEqual([
      `the stack's name is "${stack}"; allowed: letters, digits and single . _ - (it names the ECR repository)`,
    ]);
  }
});

test.each([
  [
    { AWS_REGION: "us-east-1" },
    [
      "AWS_REGION is us-east-1, but the stack dev is deployed to ap-northeast-2, as aws:region says; before its first up that can be changed: pulumi config set aws:region us-east-1",
    ],
  ],
  [{ AWS_REGION: "ap-northeast-2", AWS_DEFAULT_REGION: "eu-west-1" }, ["AWS_DEFAULT_REGION is eu-west-1, but"]],
  [{ AWS_REGION: "ap-northeast-2", AWS_DEFAULT_REGION: "" }, []],
] as [{ AWS_REGION?: string; AWS_DEFAULT_REGION?: string }, string[]][])(
  "a shell with %j is warned of the region that holds",
  (shell, warnings) => {
    for (const key of ["AWS_REGION", "AWS_DEFAULT_REGION"] as const) vi.stubEnv(key, shell[key] ?? "");
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    configure();
    expect(loadConfig().aws.region).toBe("ap-northeast-2");
    expect(warn.mock.calls.flat()).toEqual(warnings.map((warning) => expect.stringContaining(warning)));
  },
);

const publish = {
  publishTo: "ghcr.io/owner/hono-app",
  publishVersion: "1.0.0",
  publishUsername: "owner",
  publishToken: "canary",
};
const withFleet = {
  fleet: "true",
  machinesMax: "200",
  domain: "app.example.com",
  certificateDomain: "*.example.com",
};
const keysOfFleet = ["egress", "machinesMin", "machinesMax", "cpuTarget", "domain", "certificateDomain", "alarmTopic"];

const topic = "arn:aws:sns:ap-northeast-2:123456789012:alarms";
const policy = "arn:aws:iam::123456789012:policy/";
/** Up to the bounds; the last is not the default. */
const allowed: Record<string, string[]> = {
  name: ["ab", "a1-b2", "sgx", "x".repeat(32)],
  port: ["1", "21", "444", "65535"],
  allowedCidrs: ['["10.0.0.0/8"]', networks(30)],
  fleet: ["false", "true"],
  egress: ["nat", "endpoints", "public"],
  machinesMin: ["1", "100"],
  machinesMax: ["2", "200"],
  cpuTarget: ["0", "10", "90"],
  domain: ["a.bc", "a-1.example.com", `${"a".repeat(63)}.com`],
  certificateDomain: ["", "example.com", "*.example.com"],
  alarmTopic: ["", topic, topic.replace("aws", "aws-cn")],
  latestTag: ["true", "false"],
  logRetentionDays: ["1", "3653"],
  permissionsBoundary: ["", "arn:aws:iam::aws:policy/PowerUserAccess", `${policy}a/b`],
  keepReleases: ["2", "1000"],
  forceDelete: ["false", "true"],
  vpcCidr: ["10.0.0.0/16", "10.255.240.0/20", "172.16.0.0/16", "172.31.0.0/16", "192.168.0.0/16"],
  availabilityZones: ['["ap-northeast-2b","ap-northeast-2a"]', '["us-gov-west-1a","us-gov-west-1b"]'],
  gravitonInstanceType: ["t4g.micro", "t4g.2xlarge"],
  intelInstanceType: ["t3.micro", "t3.2xlarge"],
  volumeSizeGiB: ["8", "1024"],
  amiUpdate: ["keep", "latest"],
  verificationTimeoutSeconds: ["30", "3600"],
  builder: ["b", "a.b_c-D9"],
  registryLogin: ["program", "docker"],
  appEnvironment: ["[]", '["LOG_LEVEL=a=b \\"c\\"","_x1="]'],
  appSecrets: ["[]", '["API_KEY","B_2"]', '["PATHS","MY_UID","LD","DOCKER"]'],
  appSecretsPath: ["", "/hono-app/a_b-c.d/E", `/hono-app${"/a".repeat(13)}`],
  release: ["", "content-0123456789abcdef", `sha256:${"0".repeat(64)}`],
  publishTo: ["localhost/app", "localhost:5000/app", "registry:5000/a/b", "a.b.example.com/c", "docker.io/me/a__b.c-d"],
  publishVersion: ["1.0.0", "latest-1", "a".repeat(128)],
  publishUsername: ["me"],
  protect: ["false", "true"],
};
/** From the bounds on. */
const refused: Record<string, string[]> = {
  name: ["Hono", "sg", "sg-a", "a--b", "-a", "a-", "1a", "a", "a_b", "x".repeat(33)],
  port: ["22", "443", "0", "65536", "http"],
  allowedCidrs: [
    ...["[]", "0.0.0.0/0", '["10.0.0.0"]', '["10.0.0.1/8"]', '["10.0.0/24"]', '["10.0.0.0/8/8"]', '["::/0"]', "[8]"],
    ...['["10.0.0.0/33"]', '["10.0.0.0/8","10.0.0.0/8"]', '["10.0.0.0/8","10.0.0.0"]', "8", networks(61)],
  ],
  fleet: ["yes"],
  egress: ["toString"],
  machinesMin: ["0", "101"],
  machinesMax: ["1", "201"],
  cpuTarget: ["9", "91", "00"],
  domain: [
    ...["localhost", "App.example.com", "*.example.com", "https://app.example.com", "a.b", "a.1b", "-a.com", "a-.com"],
    ...[`${"a".repeat(64)}.com`, `${"a.".repeat(126)}com`],
  ],
  certificateDomain: ["*.", "*.*.example.com", "x*.example.com"],
  alarmTopic: [
    ...["alarms", `${topic}/b`, `x${topic}`, topic.replace("sns", "sqs"), topic.replace("ap-northeast-2", "us-east-1")],
  ],
  latestTag: ["no"],
  logRetentionDays: ["31", "0"],
  permissionsBoundary: ["a", policy, `${policy}a b`, ` ${policy}a`, "arn:aws:iam::123456789012:role/a"],
  keepReleases: ["1", "1001", "+9", "9e1"],
  forceDelete: ["yes", "toString"],
  vpcCidr: [
    ...["10.0.0.1/16", "10.0.0.0/016", "10.0.0.0/15", "10.0.0.0/21", "9.0.0.0/16", "8.16.0.0/16", "11.168.0.0/16"],
    ...["172.15.0.0/16", "172.32.0.0/16", "192.167.0.0/16", "192.169.0.0/16"],
  ],
  availabilityZones: [
    '["ap-northeast-2a"]',
    '["ap-northeast-2a","ap-northeast-2a"]',
    '["a","b"]',
    '["ap-northeast-2a","ap-northeast-2cc"]',
    '["ap-northeast-2a","xap-northeast-2c"]',
    "a,b",
  ],
  gravitonInstanceType: ["t3.small", "t4g", "t4g.nano", "t4g_small", "xt4g.small"],
  intelInstanceType: ["t4g.small", "t3a.small", "t3.nano"],
  volumeSizeGiB: ["7", "8.5", "010", "1025"],
  amiUpdate: ["newest"],
  verificationTimeoutSeconds: ["29", "3601"],
  builder: ["a b", ".a", ""],
  registryLogin: ["none"],
  appEnvironment: [...['["A"]', '["A=b","A=c"]', '["PORT=1"]', '["1A=b"]', '["=b"]', '["A=b\\nc"]', "A=b"]],
  appSecrets: [
    ...['["PORT"]', '["A-B"]', '["a"]', '["PATH"]', '["DOCKER_HOST"]', '["LC_ALL"]', '["UID"]', '["A","A"]', '["A=b"]'],
    "A",
  ],
  appSecretsPath: [
    "/hono-app",
    "/hono-app/",
    "/hono-app/a/",
    "/hono-app//a",
    "/other/a",
    "hono-app/a",
    "/hono-app/a b",
    `/hono-app${"/a".repeat(14)}`,
  ],
  release: ["latest", "content-123", "xcontent-0123456789abcdef", "content-0123456789abcdef0", "sha256:0"],
  publishTo: [
    "a",
    "owner/a",
    "ghcr.io/Owner/a",
    "ghcr.io",
    "ghcr.io/",
    "ghcr.io/a/",
    "ghcr.io/-a",
    "a b.io/c",
    "registry:5000:1/a",
  ],
  publishVersion: ["", "latest", "a b", "-a", ".a", "a".repeat(129)],
  publishUsername: [""],
  protect: ["1"],
};

test("of every setting it is tested what is allowed and what is refused", () => {
  const names = Object.keys(configOf()).flatMap((key) => /^hono-app:(.*)$/.exec(key)?.[1] ?? []);
  // A secret, of which nothing is known.
  const settings = names.filter((name) => name !== "publishToken").sort();
  for (const tested of [allowed, refused]) expect(Object.keys(tested).sort()).toEqual(settings);
});

test.each(Object.entries(allowed))("%s: what is allowed", (key, values) => {
  // Another port than 80 is for narrower networks, and protect for a stack without a tag that moves.
  const others = keysOfFleet.includes(key) ? withFleet : { allowedCidrs: networks(1), latestTag: "false" };
  const publishing = key.startsWith("publish") ? publish : {};
  for (const value of values) expect(problems({ ...others, ...publishing, [key]: value }), value).toEqual([]);
});

test.each(Object.entries(refused))(
  "%s: what is refused, in a line of its own, with and without fleet",
  (key, values) => {
    for (const others of keysOfFleet.includes(key) ? [withFleet] : [{}, withFleet]) {
      for (const value of values) {
        expect(problems({ ...publish, ...others, [key]: value }), value).toEqual([
          expect.stringContaining(`hono-app:${key} is ${JSON.stringify(value)}; allowed: `),
        ]);
      }
    }
  },
);

test.each(keysOfFleet)("%s is refused without fleet", (key) => {
  const value = allowed[key]?.at(-1) as string;
  const fallback = JSON.stringify(configOf()[`hono-app:${key}`]);
  expect(problems({ [key]: value })).toEqual([
    expect.stringContaining(
      `hono-app:${key} is ${JSON.stringify(value)}; allowed: ${fallback}, its default; with hono-app:fleet true, `,
    ),
  ]);
});

test("every wrong key is reported at once, a misspelt one too", () => {
  configure({
    ...Object.fromEntries(Object.entries(refused).map(([key, [value = ""]]) => [key, value])),
    alowedCidrs: "[]",
  });
  expect(loadConfig).toThrowErrorMatchingInlineSnapshot(`
    [ConfigError: the stack's configuration cannot be used:
      - hono-app:fleet is "yes"; allowed: true or false
      - hono-app:name is "Hono"; allowed: 2 to 32 lowercase letters, digits and single hyphens, first a letter, but not sg or sg-…
      - hono-app:port is "22"; allowed: a whole number from 1 to 65535, but not 22 (no SSH here) or 443 (the app speaks plain HTTP, so https:// would fail)
      - hono-app:allowedCidrs is "[]"; allowed: a list of 1 to 30 IPv4 networks without host bits, each once, such as 203.0.113.0/24, or 203.0.113.5/32 for one address
      - hono-app:egress is "toString"; allowed: nat, endpoints or public
      - hono-app:machinesMin is "0"; allowed: a whole number from 1 to 100
      - hono-app:machinesMax is "1"; allowed: a whole number from 2 to 200
      - hono-app:cpuTarget is "9"; allowed: 0 for no scaling, or a percentage from 10 to 90
      - hono-app:domain is "localhost"; allowed: a domain name in lowercase, such as app.example.com
      - hono-app:certificateDomain is "*."; allowed: the primary domain name of a certificate in ACM, such as *.example.com
      - hono-app:alarmTopic is "alarms"; allowed: the ARN of an SNS topic in ap-northeast-2
      - hono-app:latestTag is "no"; allowed: true or false
      - hono-app:logRetentionDays is "31"; allowed: one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
      - hono-app:permissionsBoundary is "a"; allowed: the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/hono-app-boundary
      - hono-app:release is "latest"; allowed: a release's tag (content-…) or digest (sha256:…)
      - hono-app:publishTo is "a"; allowed: registry/repository, such as docker.io/yourusername/hono-app or ghcr.io/owner/hono-app
      - hono-app:publishVersion is ""; allowed: with publishTo, a tag such as 1.0.0
      - hono-app:publishUsername is ""; allowed: with publishTo, the registry's user
      - hono-app:appEnvironment is "[\\"A\\"]"; allowed: a list of NAME=value, each name once, of letters, digits and _, and none of PORT, APP_NAME, APP_VERSION, INSTANCE_ID, INSTANCE_TYPE, MACHINE_ARCHITECTURE, IMAGE_ARCHITECTURE, IMAGE_REF, IMAGE_ID, IMAGE_DIGEST
      - hono-app:appSecretsPath is "/hono-app"; allowed: empty for /<name>/dev, or a path in Parameter Store of at most 14 parts that begins with /<name>/, without a slash at its end
      - hono-app:appSecrets is "[\\"PORT\\"]"; allowed: a list of names of environment variables, each of capital letters, digits and _, and none of PATH, DOCKER_…, LC_…, LD_…, Bash's own (such as UID), PORT, APP_NAME, APP_VERSION, INSTANCE_ID, INSTANCE_TYPE, MACHINE_ARCHITECTURE, IMAGE_ARCHITECTURE, IMAGE_REF, IMAGE_ID, IMAGE_DIGEST or of appEnvironment
      - hono-app:keepReleases is "1"; allowed: a whole number from 2 to 1000
      - hono-app:forceDelete is "yes"; allowed: true or false
      - hono-app:vpcCidr is "10.0.0.1/16"; allowed: a private IPv4 network from /16 to /20 without host bits, such as 10.0.0.0/16
      - hono-app:availabilityZones is "[\\"ap-northeast-2a\\"]"; allowed: two zones, such as ["ap-northeast-2a","ap-northeast-2c"], or [] for the first two that offer every instance type
      - hono-app:gravitonInstanceType is "t3.small"; allowed: a type of the t4g family (arm64), such as t4g.small, but not t4g.nano (its 512 MiB are too few to install Docker); another family: CONTRIBUTING.md
      - hono-app:intelInstanceType is "t4g.small"; allowed: a type of the t3 family (x86_64), such as t3.small, but not t3.nano (its 512 MiB are too few to install Docker); another family: CONTRIBUTING.md
      - hono-app:volumeSizeGiB is "7"; allowed: a whole number from 8 to 1024
      - hono-app:amiUpdate is "newest"; allowed: keep or latest
      - hono-app:verificationTimeoutSeconds is "29"; allowed: a whole number from 30 to 3600
      - hono-app:builder is "a b"; allowed: the name of a Buildx builder: letters, digits, . _ -
      - hono-app:registryLogin is "none"; allowed: program or docker
      - hono-app:protect is "1"; allowed: true or false
      - hono-app:alowedCidrs is not a key of this project; allowed: hono-app:fleet, hono-app:name, hono-app:port, hono-app:allowedCidrs, hono-app:egress, hono-app:machinesMin, hono-app:machinesMax, hono-app:cpuTarget, hono-app:domain, hono-app:certificateDomain, hono-app:alarmTopic, hono-app:latestTag, hono-app:logRetentionDays, hono-app:permissionsBoundary, hono-app:release, hono-app:publishTo, hono-app:publishVersion, hono-app:publishUsername, hono-app:publishToken, hono-app:appEnvironment, hono-app:appSecretsPath, hono-app:appSecrets, hono-app:keepReleases, hono-app:forceDelete, hono-app:vpcCidr, hono-app:availabilityZones, hono-app:gravitonInstanceType, hono-app:intelInstanceType, hono-app:volumeSizeGiB, hono-app:amiUpdate, hono-app:verificationTimeoutSeconds, hono-app:builder, hono-app:registryLogin, hono-app:protect]
  `);
});

test("a secret in appEnvironment is refused, and a token that is none", () => {
  vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", '["hono-app:publishToken","hono-app:appEnvironment"]');
  expect(problems({ appEnvironment: '["A=b"]' })).toEqual([
    expect.stringMatching(/^hono-app:appEnvironment is a secret, .*; name the others in appSecrets$/),
  ]);
  vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", '["hono-app:publishToken"]');
  expect(problems(publish)).toEqual([]);
  vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", "[]");
  expect(problems(publish)).toEqual([
    "hono-app:publishToken stands in the stack's file as text; allowed: another token, as a secret (pulumi config set --secret publishToken)",
  ]);
});

test("what does not go together, or leads elsewhere, is refused", () => {
  const refusals = [
    { "aws:region": "" },
    ...["[]", "[123456789012]", '["12345"]', '["1234567890123"]'].map((ids) => ({ "aws:allowedAccountIds": ids })),
    ...["accessKey", "assumeRoles", "endpoints"].map((key) => ({ [`aws:${key}`]: "[]" })),
    { protect: "true", latestTag: "false", forceDelete: "true" },
    { protect: "true" },
    { port: "8080" },
    { ...publish, publishToken: "" },
    { appEnvironment: '["A=b"]', appSecrets: '["A"]' },
    { fleet: "true", egress: "endpoints", appSecrets: '["A"]' },
    { name: "ssm-app", appSecrets: '["A"]' },
    { name: "hono_app", appSecretsPath: "/hono_app/a" },
    { fleet: "true", machinesMin: "2" },
    { fleet: "true", certificateDomain: "*.example.com" },
    { fleet: "true", name: "internal-app" },
    { fleet: "true", name: "a".repeat(25) },
    { fleet: "true", port: "8080" },
    { fleet: "true", domain: "app.example.com", allowedCidrs: networks(16) },
  ].map((values) => problems(values).join("\n"));
  expect(refusals.join("\n")).toMatchInlineSnapshot(`
    "aws:region is not set; allowed: an AWS region, such as ap-northeast-2
    aws:allowedAccountIds is []; allowed: a list of account ids, each of 12 digits in quotes
    aws:allowedAccountIds is [123456789012]; allowed: a list of account ids, each of 12 digits in quotes
    aws:allowedAccountIds is ["12345"]; allowed: a list of account ids, each of 12 digits in quotes
    aws:allowedAccountIds is ["1234567890123"]; allowed: a list of account ids, each of 12 digits in quotes
    aws:accessKey is set; allowed: aws:region, aws:profile, aws:allowedAccountIds, aws:forbiddenAccountIds, aws:ignoreTags, aws:maxRetries; credentials and endpoints come from the environment or aws:profile, where every part of the program finds them
    aws:assumeRoles is set; allowed: aws:region, aws:profile, aws:allowedAccountIds, aws:forbiddenAccountIds, aws:ignoreTags, aws:maxRetries; credentials and endpoints come from the environment or aws:profile, where every part of the program finds them
    aws:endpoints is set; allowed: aws:region, aws:profile, aws:allowedAccountIds, aws:forbiddenAccountIds, aws:ignoreTags, aws:maxRetries; credentials and endpoints come from the environment or aws:profile, where every part of the program finds them
    hono-app:forceDelete is true and hono-app:protect too; allowed: at most one of them
    hono-app:latestTag is true and hono-app:protect too; allowed: at most one of them, since a protected stack has no mutable tag
    hono-app:port is 8080 and hono-app:allowedCidrs holds 0.0.0.0/0; allowed: port 80 for 0.0.0.0/0; another port only for narrower networks
    hono-app:publishToken is not set; allowed: with publishTo, a token (pulumi config set --secret publishToken)
    hono-app:appSecrets is "[\\"A\\"]"; allowed: a list of names of environment variables, each of capital letters, digits and _, and none of PATH, DOCKER_…, LC_…, LD_…, Bash's own (such as UID), PORT, APP_NAME, APP_VERSION, INSTANCE_ID, INSTANCE_TYPE, MACHINE_ARCHITECTURE, IMAGE_ARCHITECTURE, IMAGE_REF, IMAGE_ID, IMAGE_DIGEST or of appEnvironment
    hono-app:appSecrets is set and hono-app:egress is endpoints; allowed: nat or public, since no endpoint leads to Systems Manager
    hono-app:appSecrets is set and hono-app:name is ssm-app; allowed: a name that begins neither with aws nor with ssm, which Parameter Store reserves
    hono-app:name is "hono_app"; allowed: 2 to 32 lowercase letters, digits and single hyphens, first a letter, but not sg or sg-…
    hono-app:machinesMax is 2 and hono-app:machinesMin is 2; allowed: a larger maximum, since a release starts a new machine before it ends an old one
    hono-app:certificateDomain is set and hono-app:domain is not; allowed: both, or domain alone
    hono-app:name is internal-app; allowed: with fleet, one of at most 24 characters that does not begin with internal-
    hono-app:name is aaaaaaaaaaaaaaaaaaaaaaaaa; allowed: with fleet, one of at most 24 characters that does not begin with internal-
    hono-app:port is 8080; allowed: with fleet, 80, which only the load balancer reaches; people reach its ports 80 and 443
    hono-app:allowedCidrs has 16 networks; allowed: 15 with hono-app:domain, for each needs a rule for port 80 and one for 443"
  `);
});

test.each<Record<string, string>>([
  { "other:key": "another program's" },
  {
    "aws:allowedAccountIds": '["012345678901"]',
    "aws:forbiddenAccountIds": '["012345678901"]',
    "aws:ignoreTags": '{"keys":[]}',
    "aws:maxRetries": "3",
  },
  { fleet: "true", name: "a".repeat(24), allowedCidrs: networks(30) },
  { fleet: "true", domain: "app.example.com", allowedCidrs: networks(15), appSecrets: '["A"]' },
  { name: "my-aws", appSecrets: '["A"]' },
  { name: "awsome" },
])("%j is allowed", (values) => expect(problems(values)).toEqual([]));

// An apostrophe takes four bytes of the script, and each variable a line of its own.
test.each([
  ["apostrophes", 2600, (count: number) => [[`A=${"'".repeat(count)}`], []]],
  ["variables", 580, (count: number) => [numbered(count).map((name) => `${name}=`), []]],
  ["secrets", 1800, (count: number) => [[], numbered(count)]],
] as const)("what EC2 takes as user data is allowed, and no more: %s", (_, count, make) => {
  const judged = (count: number) => {
    const [environment, names] = make(count).map((list) => [...list]) as [string[], string[]];
    const secrets = { path: "/hono-app/dev", names };
    const longest = { instanceType: "t4g.2xlarge", logGroup: "hono-app-machines-dev-0123456" };
    const { length } = Buffer.from(userData({ ...launchArgs, ...longest, environment, secrets }));
    return {
      length,
      found: problems({ appEnvironment: JSON.stringify(environment), appSecrets: JSON.stringify(names) }),
    };
  };
  const taken = judged(count);
  expect(taken.found).toEqual([]);
  expect(taken.length).toBeLessThan(16_384);
  const { length, found } = judged(count * 1.1);
  expect(found).toHaveLength(1);
  const reason = /^hono-app:appEnvironment and hono-app:appSecrets make user data of (\d+) bytes; allowed: 16384,/;
  expect(Number(reason.exec(String(found))?.[1])).toBeGreaterThanOrEqual(length);
});

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `V${index}`);

test("a secret that is named as a variable of Bash reaches the app, or is refused", () => {
  const bash = (script: string, ...names: string[]) =>
    execFileSync("bash", ["--norc", "-c", script, "bash", ...names], { env: { PATH: env.PATH } }).toString();
  const isTaken = (name: string) => problems({ appSecrets: JSON.stringify([name]) }).length === 0;
  const taken = bash("compgen -v").split("\n").filter(isTaken);
  expect(taken).toContain("HOSTNAME");
  const reached = bash(
    'for name; do (export "$name=it is"; [ "$(printenv "$name")" != "it is" ] || echo "$name"); done',
    ...taken,
  );
  expect(reached).toBe(`${taken.join("\n")}\n`);
});

test("a rollback publishes nothing, and says so", () => {
  const warn = vi.spyOn(log, "warn").mockResolvedValue();
  configure({ ...publish, release: "content-0123456789abcdef" });
  expect(loadConfig()).toMatchObject({ release: "content-0123456789abcdef", publish: undefined });
  expect(warn.mock.lastCall?.[0]).toBe(
    "hono-app:release is set: this is a rollback, and nothing is published to hono-app:publishTo",
  );
  // What is wrong with the rest is said all the same.
  expect(problems({ ...publish, publishVersion: "latest", release: "content-0123456789abcdef" })).toHaveLength(1);
});

test("a key that is another one but for its capitals says which", () => {
  expect(problems({ gravitonInstancetype: "t4g.small" })).toEqual([
    "hono-app:gravitonInstancetype is not a key of this project; did you mean hono-app:gravitonInstanceType?",
  ]);
});

test("no refusal shows a token", () => {
  expect(problems({ ...publish, port: "22" }).join()).not.toContain("canary");
});

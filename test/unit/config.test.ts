import { isSecret } from "@pulumi/pulumi";
import { beforeEach, expect, test, vi } from "vitest";
import { ConfigError, loadConfig, parseCidr, retentions } from "../../config.ts";
import { propertySchema } from "../../local/providers/aws/schemas.ts";
import { configure, mock } from "../support/mocks.ts";

beforeEach(() => mock());

test("the defaults of Pulumi.yaml are the settings", () => {
  configure();
  expect(loadConfig()).toEqual({
    name: "hono-app",
    aws: { region: "ap-northeast-2", profile: undefined },
    repository: { name: "hono-app-dev", keepReleases: 30, forceDelete: false, latestTag: true },
    image: { repositoryName: "hono-app-dev", latest: true },
    network: {
      cidrBlock: "10.0.0.0/16",
      port: 80,
      allowedCidrs: ["0.0.0.0/0"],
      egress: undefined,
      logRetentionDays: 30,
      permissionsBoundary: undefined,
    },
    logs: { retentionInDays: 30 },
    role: { permissionsBoundary: undefined },
    instanceTypes: { graviton: "t4g.small", intel: "t3.small" },
    machine: { port: 80, volumeSize: 8, amiUpdate: "keep", verificationTimeout: 600 },
    fleet: undefined,
    builder: "multiplatform",
    registryLogin: "program",
    release: undefined,
    protect: false,
    tags: { project: "hono-app", stack: "dev", app: "hono-app" },
  });
});

test("the days for which a log can be kept are those that AWS's own schema has", () => {
  expect(retentions).toEqual(propertySchema("AWS::Logs::LogGroup", ["RetentionInDays"])?.enum);
});

test("a boundary of another partition is accepted", () => {
  const permissionsBoundary = "arn:aws-cn:iam::123456789012:policy/boundary";
  configure({ permissionsBoundary });
  expect(loadConfig()).toMatchObject({ role: { permissionsBoundary }, network: { permissionsBoundary } });
});

test.each([
  [{ AWS_REGION: "us-east-1" }, ["AWS_REGION is us-east-1, but the stack dev is deployed to ap-northeast-2"]],
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

test.each([
  ["name", "Hono", "lowercase"],
  ["name", "a--b", "single hyphens"],
  ["name", "x".repeat(33), "2 to 32"],
  ["gravitonInstanceType", "t3.small", "t4g family (arm64)"],
  ["gravitonInstanceType", "t4g", "t4g.small"],
  ["intelInstanceType", "t4g.small", "t3 family (x86_64)"],
  ["intelInstanceType", "t3a.small", "t3 family"],
  ["volumeSizeGiB", "7", "8 to 1024"],
  ["volumeSizeGiB", "8.5", "whole number"],
  ["vpcCidr", "10.0.0.1/16", "/16 to /20"],
  ["vpcCidr", "10.0.0.0/24", "/16 to /20"],
  ["vpcCidr", "8.8.0.0/16", "private"],
  ["gravitonInstanceType", "t4g.nano", "not t4g.nano (its 512 MiB are too few to install Docker)"],
  ["intelInstanceType", "t3.nano", "not t3.nano"],
  ["port", "22", "no SSH"],
  ["port", "443", "plain HTTP"],
  ["port", "0", "1 to 65535"],
  ["port", "65536", "1 to 65535"],
  ["allowedCidrs", "[]", "1 to 60"],
  ["allowedCidrs", '["10.0.0.0"]', "IPv4 networks"],
  ["allowedCidrs", '["10.0.0.1/8"]', "IPv4 networks"],
  ["allowedCidrs", '["10.0.0.0/8","10.0.0.0/8"]', "IPv4 networks"],
  ["allowedCidrs", "0.0.0.0/0", "a list"],
  ["forceDelete", "yes", "true or false"],
  ["forceDelete", "toString", "true or false"],
  ["keepReleases", "1", "2 to 1000"],
  ["builder", "a b", "Buildx builder"],
  ["registryLogin", "none", "program or docker"],
  ["latestTag", "no", "true or false"],
  ["amiUpdate", "newest", "keep or latest"],
  ["release", "latest", "tag (content-…) or digest"],
  ["release", "content-123", "tag (content-…) or digest"],
  ["logRetentionDays", "31", "one of 1, 3, 5, 7, 14, 30, 60,"],
  ["logRetentionDays", "0", "one of 1, 3,"],
  ["permissionsBoundary", "hono-app-boundary", "the ARN of a managed policy"],
  ["permissionsBoundary", "arn:aws:iam::123456789012:role/x", "the ARN of a managed policy"],
  ["protect", "1", "true or false"],
  ["verificationTimeoutSeconds", "29", "30 to 3600"],
])("%s = %s is refused: the key, what was given, what is allowed", (key, value, allowed) => {
  configure({ [key]: value });
  expect(loadConfig).toThrow(ConfigError);
  expect(loadConfig).toThrow(`hono-app:${key} is ${JSON.stringify(value)}; allowed: `);
  expect(loadConfig).toThrow(allowed);
});

test("reports every wrong key at once, a misspelt one too", () => {
  configure({ port: "http", keepReleases: "all", alowedCidrs: '["10.0.0.0/8"]' });
  expect(loadConfig).toThrow(/hono-app:port .*\n.*hono-app:keepReleases .*\n.*hono-app:alowedCidrs is not a key/);
});

test("another program's configuration is not this one's business", () => {
  configure({ "other:key": "x" });
  expect(loadConfig().name).toBe("hono-app");
});

test("a network has no host bit", () => {
  expect(parseCidr("203.0.113.128/25")).toEqual({ address: 3_405_803_904, prefix: 25 });
  expect(parseCidr("203.0.113.129/25")).toBeUndefined();
  expect(parseCidr("0.0.0.0/0")).toEqual({ address: 0, prefix: 0 });
  expect(parseCidr("::/0")).toBeUndefined();
  expect(parseCidr("10.0.0.0/8/8")).toBeUndefined();
});

test("a protected repository cannot be deleted with its images as well, and none of its tags moves", () => {
  configure({ protect: "true", forceDelete: "true" });
  expect(loadConfig).toThrow("hono-app:forceDelete is true and hono-app:protect too; allowed: at most one of them");
  expect(loadConfig).toThrow("hono-app:latestTag is true and hono-app:protect too; allowed: at most one of them");
  configure({ protect: "true", latestTag: "false" });
  expect(loadConfig()).toMatchObject({ protect: true, repository: { latestTag: false, forceDelete: false } });
});

test("everybody may reach port 80, and another port only who is named", () => {
  configure({ port: "8080" });
  expect(loadConfig).toThrow(
    "hono-app:port is 8080 and hono-app:allowedCidrs holds 0.0.0.0/0; allowed: port 80 for 0.0.0.0/0",
  );
  configure({ port: "8080", allowedCidrs: '["203.0.113.0/24"]' });
  expect(loadConfig().network.port).toBe(8080);
});

test("credentials and endpoints come from where every part of the program finds them", () => {
  const keys = [
    "accessKey",
    "assumeRoles",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
    "endpoints",
    "useFipsEndpoint",
  ];
  configure(Object.fromEntries(keys.map((key) => [`aws:${key}`, "[]"])));
  for (const key of keys) expect(loadConfig).toThrow(new RegExp(`aws:${key} is set; allowed: .*aws:profile`));
  configure({ "aws:profile": "work", "aws:defaultTags": '{"tags":{}}', "aws:allowedAccountIds": '["012345678901"]' });
  expect(loadConfig().aws.profile).toBe("work");
});

test.each(["[]", "[123456789012]", '["12345"]', "123456789012"])("aws:allowedAccountIds = %s is refused", (value) => {
  configure({ "aws:allowedAccountIds": value });
  expect(loadConfig).toThrow(`aws:allowedAccountIds is ${value}; allowed: a list of account ids, each of 12 digits`);
});

const publish = {
  publishTo: "ghcr.io/owner/hono-app",
  publishVersion: "1.0.0",
  publishUsername: "owner",
  publishToken: "canary",
};

test("another registry: its host, its repository, the version and latest, and a token that stays secret", async () => {
  configure(publish);
  const settings = loadConfig().publish;
  expect(settings).toMatchObject({
    registry: { address: "ghcr.io", login: { username: "owner" } },
    repositoryName: "owner/hono-app",
    tags: ["1.0.0", "latest"],
  });
  expect(await isSecret(settings?.registry.login?.password as never)).toBe(true);
});

test.each([
  ["publishTo", "hono-app"],
  ["publishTo", "owner/hono-app"],
  ["publishTo", "ghcr.io/Owner/app"],
  ["publishVersion", ""],
  ["publishVersion", "latest"],
  ["publishVersion", "a b"],
  ["publishUsername", ""],
])("with another registry, %s = %j is refused", (key, value) => {
  configure({ ...publish, [key]: value });
  expect(loadConfig).toThrow(`hono-app:${key} is ${JSON.stringify(value)}; allowed: `);
});

test("reports a missing token, and refuses to publish a rollback", () => {
  configure({ ...publish, publishToken: "", release: "content-0123456789abcdef" });
  expect(loadConfig).toThrow(/publishToken is not set[\s\S]*publishTo is set and hono-app:release too/);
  configure({ ...publish, port: "22" });
  expect(loadConfig).toThrow(/^(?![\s\S]*canary)/);
});

test("a fleet: its settings, and nobody reaches its machines but the load balancer", () => {
  configure({ fleet: "true" });
  expect(loadConfig()).toMatchObject({
    network: { allowedCidrs: [], egress: "nat" },
    fleet: {
      balancer: { allowedCidrs: ["0.0.0.0/0"], domain: undefined, alarmTopic: undefined },
      group: { min: 1, max: 2, cpuTarget: undefined },
      certificateDomain: undefined,
    },
  });
  const topic = "arn:aws:sns:ap-northeast-2:123456789012:alarms";
  configure({
    ...{ fleet: "true", machinesMin: "2", machinesMax: "6", cpuTarget: "60", domain: "app.example.com" },
    ...{ certificateDomain: "*.example.com", egress: "endpoints", alarmTopic: topic, vpcCidr: "10.0.0.0/20" },
  });
  expect(loadConfig()).toMatchObject({
    network: { cidrBlock: "10.0.0.0/20", port: 80, egress: "endpoints" },
    fleet: {
      balancer: { domain: "app.example.com", alarmTopic: topic },
      group: { min: 2, max: 6, cpuTarget: 60 },
      certificateDomain: "*.example.com",
    },
  });
});

test("the certificate is the domain's own where no other is named", () => {
  configure({ fleet: "true", domain: "app.example.com" });
  expect(loadConfig().fleet?.certificateDomain).toBe("app.example.com");
});

const ofFleet = {
  machinesMin: ["3", "1"],
  machinesMax: ["4", "2"],
  cpuTarget: ["50", "0"],
  domain: ["app.example.com", ""],
  certificateDomain: ["app.example.com", ""],
  egress: ["public", "nat"],
  alarmTopic: ["arn:aws:sns:ap-northeast-2:123456789012:alarms", ""],
};
test.each(Object.entries(ofFleet))("%s is refused without fleet", (key, [value, fallback]) => {
  configure({ [key]: value as string });
  expect(loadConfig).toThrow(
    `hono-app:${key} is ${JSON.stringify(value)}; allowed: without fleet its default, ${JSON.stringify(fallback)}; with fleet `,
  );
});

test.each([
  ["fleet", "yes", "true or false"],
  ["machinesMin", "0", "1 to 100"],
  ["machinesMin", "101", "1 to 100"],
  ["machinesMax", "1", "2 to 200"],
  ["machinesMax", "201", "2 to 200"],
  ["cpuTarget", "9", "10 to 90"],
  ["cpuTarget", "91", "10 to 90"],
  ["cpuTarget", "00", "10 to 90"],
  ["domain", "localhost", "a domain name"],
  ["domain", "App.example.com", "lowercase"],
  ["domain", "*.example.com", "a domain name"],
  ["domain", "https://app.example.com", "a domain name"],
  ["certificateDomain", "*.", "a certificate in ACM"],
  ["certificateDomain", "*.*.example.com", "a certificate in ACM"],
  ["egress", "toString", "nat, endpoints or public"],
  ["alarmTopic", "arn:aws:sns:us-east-1:123456789012:alarms", "an SNS topic in ap-northeast-2"],
  ["alarmTopic", "arn:aws:sqs:ap-northeast-2:123456789012:alarms", "an SNS topic in ap-northeast-2"],
])("with a fleet, %s = %s is refused", (key, value, allowed) => {
  configure({ fleet: "true", [key]: value });
  expect(loadConfig).toThrow(`hono-app:${key} is ${JSON.stringify(value)}; allowed: `);
  expect(loadConfig).toThrow(allowed);
});

test("a release needs a place for a new machine; a certificate a domain; a load balancer a name that AWS takes", () => {
  configure({ fleet: "true", machinesMin: "2" });
  expect(loadConfig).toThrow("hono-app:machinesMax is 2 and hono-app:machinesMin is 2; allowed: a larger maximum");
  configure({ fleet: "true", certificateDomain: "*.example.com" });
  expect(loadConfig).toThrow("hono-app:certificateDomain is set and hono-app:domain is not");
  configure({ fleet: "true", certificateDomain: "*.example.com", domain: "App.example.com" });
  expect(loadConfig).toThrow(/^(?!.*domain is not).*hono-app:domain is "?App\.example\.com/s);
  configure({ fleet: "true", name: "internal-app" });
  expect(loadConfig).toThrow("hono-app:name is internal-app; allowed: with fleet, one of at most 24 characters");
  configure({ fleet: "true", name: "a".repeat(25) });
  expect(loadConfig).toThrow("allowed: with fleet, one of at most 24 characters that does not begin with internal-");
  configure({ fleet: "true", name: "a".repeat(24) });
  expect(loadConfig().name).toHaveLength(24);
  configure({ fleet: "true", port: "8080", allowedCidrs: '["203.0.113.0/24"]' });
  expect(loadConfig).toThrow("hono-app:port is 8080; allowed: with fleet, 80");
  const allowedCidrs = JSON.stringify(Array.from({ length: 31 }, (_, index) => `10.${index}.0.0/16`));
  configure({ fleet: "true", domain: "app.example.com", allowedCidrs });
  expect(loadConfig).toThrow("hono-app:allowedCidrs has 31 networks; allowed: 30 with hono-app:domain");
  configure({ fleet: "true", allowedCidrs });
  expect(loadConfig().fleet?.balancer.allowedCidrs).toHaveLength(31);
});

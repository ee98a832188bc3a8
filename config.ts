import { env } from "node:process";
import * as pulumi from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/index.js";
import { architectures, eachMachine } from "./components/architecture.ts";
import { latestTag } from "./components/image-tags.ts";
import { allowedAppName, appName, policyArn } from "./components/names.ts";
import { factNames, type UserDataArgs, userData } from "./components/user-data.ts";
import {
  boolean,
  domainName,
  instanceTypeOf,
  integer,
  isSecretName,
  matching,
  nameOf,
  oneOf,
  parseCidrs,
  parseEnvironment,
  parseList,
  parseVpcCidr,
  parseZones,
  repositoryInRegistry,
  retentions,
  topicArn,
} from "./config-rules.ts";

/** A configuration that cannot be deployed; one line per wrong key: the key, what was given, what is allowed. */
export class ConfigError extends pulumi.RunError {
  constructor(problems: readonly string[]) {
    super(`the stack's configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

/**
 * Reads and checks the whole configuration. Nothing else in the program reads configuration, and only AWS's SDK the environment.
 * Pulumi.yaml declares each key with its type, default and meaning.
 *
 * @throws {@link ConfigError} that lists every wrong key at once.
 */
export function loadConfig() {
  const project = pulumi.getProject();
  const config = new pulumi.Config();
  const aws = new pulumi.Config("aws");
  const problems: string[] = [];
  const known = new Set<string>();

  /**
   * One key: its text, parsed. Where `parse` gives undefined, the value is not what `allowed` says; it is undefined then, whatever its type,
   * until all keys have been read.
   */
  function read<T>(key: string, allowed: string, parse: (text: string) => T | undefined): T {
    known.add(`${project}:${key}`);
    const text = config.get(key);
    const value = text === undefined ? undefined : parse(text);
    if (value === undefined) problems.push(`${project}:${key} is ${JSON.stringify(text ?? null)}; allowed: ${allowed}`);
    return value as T;
  }

  /** Another registry that gets the image too. */
  function readPublish() {
    const to = read(
      "publishTo",
      "registry/repository, such as docker.io/yourusername/hono-app or ghcr.io/owner/hono-app",
      matching(repositoryInRegistry),
    );
    const needed = (pattern: RegExp) => (text: string) => (to === "" || pattern.test(text) ? text : undefined);
    const version = read(
      "publishVersion",
      "with publishTo, a tag such as 1.0.0",
      needed(/^(?!latest$)\w[\w.-]{0,127}$/),
    );
    const username = read("publishUsername", "with publishTo, the registry's user", needed(/./));
    // Read as a secret, and so never shown, not even when it is wrong; that it is not missing is looked at below.
    known.add(`${project}:publishToken`);
    const password = config.getSecret("publishToken") as pulumi.Output<string>;
    if (to === undefined || to === "") return undefined;
    const slash = to.indexOf("/");
    return {
      registry: { address: to.slice(0, slash), login: { username, password } },
      repositoryName: to.slice(slash + 1),
      tags: [version, latestTag],
    };
  }

  const fleet = read("fleet", "true or false", boolean);

  /** A key that means something with a fleet alone, and is left at its default without one. */
  function readOfFleet<T>(key: string, fallback: string, allowed: string, parse: (text: string) => T | undefined): T {
    if (fleet !== false) return read(key, allowed, parse);
    const rule = `${JSON.stringify(fallback)}, its default; with ${project}:fleet true, ${allowed}`;
    return read(key, rule, (text) => (text === fallback ? parse(text) : undefined));
  }

  const stack = pulumi.getStack();
  const name = read("name", allowedAppName, matching(appName));
  const port = read(
    "port",
    "a whole number from 1 to 65535, but not 22 (no SSH here) or 443 (the app speaks plain HTTP, so https:// would fail)",
    (text) => (["22", "443"].includes(text) ? undefined : integer(1, 65_535)(text)),
  );
  const allowedCidrs = read(
    "allowedCidrs",
    "a list of 1 to 30 IPv4 networks without host bits, each once, such as 203.0.113.0/24, or 203.0.113.5/32 for one address",
    parseCidrs,
  );
  const egress = readOfFleet("egress", "nat", "nat, endpoints or public", oneOf("nat", "endpoints", "public"));
  const group = {
    min: readOfFleet("machinesMin", "1", "a whole number from 1 to 100", integer(1, 100)),
    max: readOfFleet("machinesMax", "2", "a whole number from 2 to 200", integer(2, 200)),
    cpuTarget:
      readOfFleet("cpuTarget", "0", "0 for no scaling, or a percentage from 10 to 90", (text) =>
        text === "0" ? 0 : integer(10, 90)(text),
      ) || undefined,
  };
  const givenDomain = readOfFleet(
    "domain",
    "",
    "a domain name in lowercase, such as app.example.com",
    matching(domainName),
  );
  const domain = givenDomain || undefined;
  const certificateDomain = readOfFleet(
    "certificateDomain",
    "",
    "the primary domain name of a certificate in ACM, such as *.example.com",
    (text) => (domainName.test(text.replace(/^\*\.(?=.)/, "")) ? text : undefined),
  );
  const alarmTopic =
    readOfFleet("alarmTopic", "", `the ARN of an SNS topic in ${aws.get("region")}`, (text) =>
      text === "" || topicArn.exec(text)?.groups?.region === aws.get("region") ? text : undefined,
    ) || undefined;
  const hasLatest = read("latestTag", "true or false", boolean);
  const logRetentionDays = read("logRetentionDays", `one of ${retentions.join(", ")}`, (text) =>
    retentions.find((days) => String(days) === text),
  );
  const permissionsBoundary =
    read(
      "permissionsBoundary",
      "the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/hono-app-boundary",
      (text) => (text === "" || policyArn.test(text) ? text : undefined),
    ) || undefined;
  // Empty stands for none: a configuration key with a default cannot be unset.
  const release = read(
    "release",
    "a release's tag (content-…) or digest (sha256:…)",
    matching(/^(|content-[0-9a-f]{16}|sha256:[0-9a-f]{64})$/),
  );
  const publish = readPublish();
  const environment = read(
    "appEnvironment",
    `a list of NAME=value, each name once, of letters, digits and _, and none of ${factNames.join(", ")}`,
    parseEnvironment,
  );
  // A name that is wrong is said above, and makes no path wrong.
  const appPath = `/${name ?? "<name>"}`;
  const ownPath = `${appPath}/${stack}`;
  const secrets = {
    path:
      read(
        "appSecretsPath",
        `empty for ${ownPath}, or a path in Parameter Store of at most 14 parts that begins with ${appPath}/, without a slash at its end`,
        // With a parameter's own name 15, which is Parameter Store's limit.
        matching(new RegExp(`^(|/${name ?? "[^/]+"}(/[\\w.-]+){1,13})$`)),
      ) || ownPath,
    names: read(
      "appSecrets",
      `a list of names of environment variables, each of capital letters, digits and _, and none of PATH, DOCKER_…, LC_…, LD_…, Bash's own (such as UID), ${factNames.join(", ")} or of appEnvironment`,
      (text) => parseList(text, (item) => isSecretName(item) && !environment?.map(nameOf).includes(item)),
    ),
  };
  const hasSecrets = secrets.names?.length > 0;
  const repositoryName = `${name}-${stack.toLowerCase()}`;
  const settings = {
    name,
    // For AWS's SDK, which the provider's configuration does not reach.
    aws: { region: aws.get("region") ?? "", profile: aws.get("profile") },
    // The stack's own: stacks share an account without sharing images.
    repository: {
      name: repositoryName,
      keepReleases: read("keepReleases", "a whole number from 2 to 1000", integer(2, 1000)),
      forceDelete: read("forceDelete", "true or false", boolean),
      latestTag: hasLatest,
    },
    image: { repositoryName, latest: hasLatest },
    network: {
      cidrBlock: read(
        "vpcCidr",
        "a private IPv4 network from /16 to /20 without host bits, such as 10.0.0.0/16",
        parseVpcCidr,
      ),
      port,
      // With a fleet nobody reaches the machines themselves: people reach its load balancer.
      allowedCidrs: fleet ? [] : allowedCidrs,
      // Without a fleet each machine has a public address.
      egress: fleet ? egress : "public",
      logRetentionDays,
      permissionsBoundary,
    },
    availabilityZones: read(
      "availabilityZones",
      'two zones, such as ["ap-northeast-2a","ap-northeast-2c"], or [] for the first two that offer every instance type',
      parseZones,
    ),
    logs: { retentionInDays: logRetentionDays },
    role: { permissionsBoundary, secretsPath: hasSecrets ? secrets.path : undefined },
    instanceTypes: eachMachine((machine) => read(`${machine}InstanceType`, ...instanceTypeOf(machine))),
    machine: {
      port,
      environment,
      secrets,
      volumeSize: read("volumeSizeGiB", "a whole number from 8 to 1024", integer(8, 1024)),
      amiUpdate: read("amiUpdate", "keep or latest", oneOf("keep", "latest")),
      verificationTimeout: read("verificationTimeoutSeconds", "a whole number from 30 to 3600", integer(30, 3600)),
    },
    // With it, machines are Auto Scaling's, behind a load balancer; without it, each architecture has one instance.
    fleet: fleet
      ? {
          balancer: { port, allowedCidrs, domain, alarmTopic },
          group: { ...group, domain, alarmTopic },
          certificateDomain: domain && (certificateDomain || domain),
        }
      : undefined,
    builder: read("builder", "the name of a Buildx builder: letters, digits, . _ -", matching(/^[A-Za-z0-9][\w.-]*$/)),
    registryLogin: read("registryLogin", "program or docker", oneOf("program", "docker")),
    release: release || undefined,
    // Read in any case, so that what is wrong with it is said. A rollback publishes nothing.
    publish: publish && !release ? publish : undefined,
    protect: read("protect", "true or false", boolean),
    tags: { project, stack, app: name },
  };
  const { repository, protect } = settings;

  if (settings.aws.region === "") {
    problems.push("aws:region is not set; allowed: an AWS region, such as ap-northeast-2");
  }
  if (!/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(repository.name)) {
    problems.push(
      `the stack's name is ${JSON.stringify(stack)}; allowed: letters, digits and single . _ - (it names the ECR repository)`,
    );
  }
  if (publish && !allConfig()[`${project}:publishToken`]) {
    problems.push(
      `${project}:publishToken is not set; allowed: with publishTo, a token (pulumi config set --secret publishToken)`,
    );
  }
  if (protect && repository.forceDelete) {
    problems.push(`${project}:forceDelete is true and ${project}:protect too; allowed: at most one of them`);
  }
  if (protect && hasLatest) {
    problems.push(
      `${project}:latestTag is true and ${project}:protect too; allowed: at most one of them, since a protected stack has no mutable tag`,
    );
  }
  // EC2.18: everybody may reach HTTP and HTTPS alone, and the app has no HTTPS.
  if (!fleet && allowedCidrs?.includes("0.0.0.0/0") && port !== undefined && port !== 80) {
    problems.push(
      `${project}:port is ${port} and ${project}:allowedCidrs holds 0.0.0.0/0; allowed: port 80 for 0.0.0.0/0; another port only for narrower networks`,
    );
  }
  // AWS does not say that a refresh may exceed the group's maximum, and a release starts new machines before it ends the old ones.
  // https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
  if (group.max <= group.min) {
    problems.push(
      `${project}:machinesMax is ${group.max} and ${project}:machinesMin is ${group.min}; allowed: a larger maximum, since a release starts a new machine before it ends an old one`,
    );
  }
  // As the engine tells a program; Pulumi's SDK has no public function for it.
  if (env.PULUMI_CONFIG_SECRET_KEYS?.includes(`"${project}:appEnvironment"`)) {
    problems.push(
      `${project}:appEnvironment is a secret, which the state and the machines' user data would show; allowed: variables that are not secret; name the others in appSecrets`,
    );
  }
  if (/^(aws|ssm)/.test(name) && hasSecrets) {
    problems.push(
      `${project}:appSecrets is set and ${project}:name is ${name}; allowed: a name that begins neither with aws nor with ssm, which Parameter Store reserves`,
    );
  }
  if (fleet && egress === "endpoints" && hasSecrets) {
    problems.push(
      `${project}:appSecrets is set and ${project}:egress is endpoints; allowed: nat or public, since no endpoint leads to Systems Manager`,
    );
  }
  if (certificateDomain && givenDomain === "") {
    problems.push(`${project}:certificateDomain is set and ${project}:domain is not; allowed: both, or domain alone`);
  }
  if (domain && allowedCidrs?.length > 15) {
    problems.push(
      `${project}:allowedCidrs has ${allowedCidrs.length} networks; allowed: 15 with ${project}:domain, for each needs a rule for port 80 and one for 443`,
    );
  }
  // Load balancers and target groups have names of 32 characters at most, of which Pulumi's provider adds eight.
  // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
  if (fleet && (name?.length > 24 || name?.startsWith("internal-"))) {
    problems.push(
      `${project}:name is ${name}; allowed: with fleet, one of at most 24 characters that does not begin with internal-`,
    );
  }
  // Another port is another target group, and until the new machines are in it nobody would serve.
  if (fleet && port !== undefined && port !== 80) {
    problems.push(
      `${project}:port is ${port}; allowed: with fleet, 80, which only the load balancer reaches; people reach its ports 80 and 443`,
    );
  }
  const accounts = aws.get("allowedAccountIds");
  if (accounts !== undefined && parseList(accounts, (id) => /^\d{12}$/.test(id), 1) === undefined) {
    problems.push(`aws:allowedAccountIds is ${accounts}; allowed: a list of account ids, each of 12 digits in quotes`);
  }
  for (const key of Object.keys(allConfig())) {
    if (key.startsWith("aws:") && !awsKeys.includes(key.slice("aws:".length))) {
      problems.push(
        `${key} is set; allowed: ${awsKeys.map((each) => `aws:${each}`).join(", ")}; credentials and endpoints come from the environment or aws:profile, where every part of the program finds them`,
      );
    }
    if (key.startsWith(`${project}:`) && !known.has(key)) {
      const meant = [...known].find((each) => each.toLowerCase() === key.toLowerCase());
      const allowed = meant ? `did you mean ${meant}?` : `allowed: ${[...known].join(", ")}`;
      problems.push(`${key} is not a key of this project; ${allowed}`);
    }
  }
  if (problems.length === 0) {
    const own = { ...settings.machine, appName: name, region: settings.aws.region };
    const { length } = longestUserData(own, repositoryName, stack);
    if (length > mostUserData) {
      problems.push(
        `${project}:appEnvironment and ${project}:appSecrets make user data of ${length} bytes; allowed: ${mostUserData}, which is what EC2 takes`,
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  if (publish && release) {
    pulumi.log.warn(`${project}:release is set: this is a rollback, and nothing is published to ${project}:publishTo`);
  }
  const shell = ["AWS_REGION", "AWS_DEFAULT_REGION"].find(
    (key) => ![undefined, "", settings.aws.region].includes(env[key]),
  );
  if (shell !== undefined) {
    pulumi.log.warn(
      `${shell} is ${env[shell]}, but the stack ${stack} is deployed to ${settings.aws.region}, as aws:region says; before its first up that can be changed: pulumi config set aws:region ${env[shell]}`,
    );
  }
  return settings;
}

// The aws provider's other keys could lead it to another account or endpoint than AWS's SDK, which reads the image's index and the
// machines' consoles: the SDK knows only the environment and the profile. With defaultTags the provider would tag the VPC's default group,
// which no policy allows, and IAM refuses a tag beside another one that differs only in case.
const awsKeys = ["region", "profile", "allowedAccountIds", "forbiddenAccountIds", "ignoreTags"];

/** Bytes. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html */
const mostUserData = 16_384;

/** With everything else as long as it can be. */
function longestUserData(
  own: Pick<UserDataArgs, "appName" | "region" | "port" | "environment" | "secrets">,
  repository: string,
  stack: string,
): Buffer {
  const registry = `000000000000.dkr.ecr.${own.region}.amazonaws.com.cn`;
  const image = { registry, repository, tag: `content-${"0".repeat(16)}`, digest: `sha256:${"0".repeat(64)}` };
  const machine = { instanceType: "t4g.2xlarge", architecture: architectures.graviton };
  return Buffer.from(userData({ ...own, ...machine, image, logGroup: `${own.appName}-machines-${stack}-0000000` }));
}

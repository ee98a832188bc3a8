import { env } from "node:process";
import * as pulumi from "@pulumi/pulumi";
import { allConfig } from "@pulumi/pulumi/runtime/index.js";
import { architectures, eachMachine } from "./components/architecture.ts";
import { latestTag } from "./components/image-reference.ts";
import { type UserDataArgs, userData } from "./components/user-data.ts";
import * as rules from "./config-rules.ts";

/** A configuration that cannot be deployed. Its message has a line for each fault: the key, the value given, and what is allowed. */
export class ConfigError extends pulumi.RunError {
  constructor(problems: readonly string[]) {
    super(`the stack's configuration cannot be used:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.name = "ConfigError";
  }
}

/**
 * Reads and checks the whole configuration. Nothing else in the program reads it; the environment is read here and in aws-client.ts alone.
 * Pulumi.yaml declares each key with its type, default and meaning.
 *
 * @throws {@link ConfigError} that lists all faults at once.
 */
export function loadConfig() {
  const project = pulumi.getProject();
  const config = new pulumi.Config();
  const aws = new pulumi.Config("aws");
  const region = aws.get("region");
  const problems: string[] = [];
  const known = new Set<string>();

  /** Reads a key. A wrong value is undefined, whatever its type says; all faults are thrown together, below. */
  function read<T>(key: string, [allowed, parse]: rules.Rule<T>): T {
    known.add(`${project}:${key}`);
    const text = config.get(key);
    const value = text === undefined ? undefined : parse(text);
    if (value === undefined) problems.push(`${project}:${key} is ${JSON.stringify(text ?? null)}; allowed: ${allowed}`);
    return value as T;
  }

  /** Another registry that gets the image too. */
  function readPublish() {
    const to = read("publishTo", rules.publishTo);
    const needed = (pattern: RegExp) => (to === "" ? /^/ : pattern);
    const tag = needed(/^(?!latest$)\w[\w.-]{0,127}$/);
    const version = read("publishVersion", rules.matching("with publishTo, a tag such as 1.0.0", tag));
    const username = read("publishUsername", rules.matching("with publishTo, the registry's user", needed(/./)));
    // As a secret, which is never shown, even when it is wrong. Whether it is missing is checked below.
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

  const fleet = read("fleet", rules.boolean);

  /** A key that means something with a fleet alone, and is left at its default without one. */
  function readOfFleet<T>(key: string, fallback: string, rule: rules.Rule<T>): T {
    if (fleet !== false) return read(key, rule);
    const [allowed, parse] = rule;
    return read(key, [
      `${JSON.stringify(fallback)}, its default; with ${project}:fleet true, ${allowed}`,
      (text) => (text === fallback ? parse(text) : undefined),
    ]);
  }

  const stack = pulumi.getStack();
  const name = read("name", rules.name);
  const port = read("port", rules.port);
  const allowedCidrs = read("allowedCidrs", rules.networks);
  const egress = readOfFleet("egress", "nat", rules.oneOf("nat", "endpoints", "public"));
  const group = {
    min: readOfFleet("machinesMin", "1", rules.integer(1, 100)),
    max: readOfFleet("machinesMax", "2", rules.integer(2, 200)),
    cpuTarget: orNone(readOfFleet("cpuTarget", "0", rules.cpuTarget)),
  };
  const givenDomain = readOfFleet("domain", "", rules.domain);
  const domain = orNone(givenDomain);
  const certificateDomain = readOfFleet("certificateDomain", "", rules.certificateDomain);
  const alarmTopic = orNone(readOfFleet("alarmTopic", "", rules.topicIn(region)));
  const hasLatest = read("latestTag", rules.boolean);
  const logRetentionDays = read("logRetentionDays", rules.logRetention);
  const permissionsBoundary = orNone(read("permissionsBoundary", rules.permissionsBoundary));
  const release = orNone(read("release", rules.release));
  const publish = readPublish();
  const environment = read("appEnvironment", rules.environment);
  // A wrong name is reported above.
  const ownPath = `/${name ?? "<name>"}/${stack}`;
  const secrets = {
    path: read("appSecretsPath", rules.secretsPath(name, ownPath)) || ownPath,
    names: read("appSecrets", rules.secretNames(environment)),
  };
  const hasSecrets = secrets.names?.length > 0;
  const repositoryName = `${name}-${stack.toLowerCase()}`;
  const settings = {
    name,
    aws: { region: region ?? "", profile: aws.get("profile") },
    // Each stack has its own: stacks may share an account without sharing images.
    repository: {
      name: repositoryName,
      keepReleases: read("keepReleases", rules.integer(2, 1000)),
      forceDelete: read("forceDelete", rules.boolean),
      latestTag: hasLatest,
    },
    image: { repositoryName, latest: hasLatest },
    network: {
      cidrBlock: read("vpcCidr", rules.privateNetwork),
      port,
      // With a fleet only the load balancer reaches the machines.
      allowedCidrs: fleet ? [] : allowedCidrs,
      // Without a fleet each machine has a public address.
      egress: fleet ? egress : "public",
      logRetentionDays,
      permissionsBoundary,
    },
    availabilityZones: read("availabilityZones", rules.zones),
    logs: { retentionInDays: logRetentionDays },
    role: { permissionsBoundary, secretsPath: hasSecrets ? secrets.path : undefined },
    instanceTypes: eachMachine((machine) => read(`${machine}InstanceType`, rules.instanceType(machine))),
    machine: {
      port,
      environment,
      secrets,
      volumeSize: read("volumeSizeGiB", rules.integer(8, 1024)),
      amiUpdate: read("amiUpdate", rules.oneOf("keep", "latest")),
      verificationTimeout: read("verificationTimeoutSeconds", rules.integer(30, 3600)),
    },
    // With it, machines are Auto Scaling's, behind a load balancer; without it, each architecture has one instance.
    fleet: fleet
      ? {
          balancer: { port, allowedCidrs, domain, alarmTopic },
          group: { ...group, domain, alarmTopic },
          certificate: domain ? { domain, primary: certificateDomain || domain } : undefined,
        }
      : undefined,
    builder: read("builder", rules.builder),
    registryLogin: read("registryLogin", rules.oneOf("program", "docker")),
    release,
    // A rollback publishes nothing, but the keys are checked all the same.
    publish: release ? undefined : publish,
    protect: read("protect", rules.boolean),
    tags: { project, stack, app: name },
  };
  const { protect } = settings;
  const accounts = aws.get("allowedAccountIds");
  const token = allConfig()[`${project}:publishToken`];
  // The engine names the secret keys in this variable; Pulumi's SDK has no public function for it.
  const isSecret = (key: string) => env.PULUMI_CONFIG_SECRET_KEYS?.includes(`"${project}:${key}"`);
  const isOtherPort = port !== undefined && port !== 80;
  /** Each possible fault, and whether it is there. */
  const refusals: Record<string, unknown> = {
    "aws:region is not set; allowed: an AWS region, such as ap-northeast-2": !region,
    [`the stack's name is ${JSON.stringify(stack)}; allowed: letters, digits and single . _ - (it names the ECR repository)`]:
      !/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(repositoryName),
    [`${project}:publishToken is not set; allowed: with publishTo, a token (pulumi config set --secret publishToken)`]:
      publish && !token,
    [`${project}:publishToken stands in the stack's file as text; allowed: another token, as a secret (pulumi config set --secret publishToken)`]:
      publish && token && isSecret("publishToken") === false,
    [`${project}:forceDelete is true and ${project}:protect too; allowed: at most one of them`]:
      protect && settings.repository.forceDelete,
    [`${project}:latestTag is true and ${project}:protect too; allowed: at most one of them, since a protected stack has no mutable tag`]:
      protect && hasLatest,
    // EC2.18: only HTTP and HTTPS may be open to everybody, and the app has no HTTPS.
    [`${project}:port is ${port} and ${project}:allowedCidrs holds 0.0.0.0/0; allowed: port 80 for 0.0.0.0/0; another port only for narrower networks`]:
      isOtherPort && !fleet && allowedCidrs?.includes("0.0.0.0/0"),
    // AWS does not say that a refresh may exceed the group's maximum.
    // https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-maintenance-policy-overview-and-considerations.html
    [`${project}:machinesMax is ${group.max} and ${project}:machinesMin is ${group.min}; allowed: a larger maximum, since a release starts a new machine before it ends an old one`]:
      group.max <= group.min,
    [`${project}:appEnvironment is a secret, which the state and the machines' user data would show; allowed: variables that are not secret; name the others in appSecrets`]:
      isSecret("appEnvironment"),
    [`${project}:appSecrets is set and ${project}:name is ${name}; allowed: a name that begins neither with aws nor with ssm, which Parameter Store reserves`]:
      hasSecrets && /^(aws|ssm)/.test(name),
    [`${project}:appSecrets is set and ${project}:egress is endpoints; allowed: nat or public, since no endpoint leads to Systems Manager`]:
      hasSecrets && fleet && egress === "endpoints",
    [`${project}:certificateDomain is set and ${project}:domain is not; allowed: both, or domain alone`]:
      certificateDomain && givenDomain === "",
    [`${project}:allowedCidrs has ${allowedCidrs?.length} networks; allowed: 15 with ${project}:domain, for each needs a rule for port 80 and one for 443`]:
      domain && allowedCidrs?.length > 15,
    // Load balancers and target groups have names of 32 characters at most, of which Pulumi's provider adds eight.
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
    [`${project}:name is ${name}; allowed: with fleet, one of at most 24 characters that does not begin with internal-`]:
      fleet && (name?.length > 24 || name?.startsWith("internal-")),
    // A change of the port replaces the target group, and nobody would serve until new machines are in it.
    [`${project}:port is ${port}; allowed: with fleet, 80, which only the load balancer reaches; people reach its ports 80 and 443`]:
      isOtherPort && fleet,
    [`aws:allowedAccountIds is ${accounts}; allowed: a list of account ids, each of 12 digits in quotes`]:
      accounts !== undefined && !rules.accounts(accounts),
  };
  problems.push(...Object.keys(refusals).filter((problem) => refusals[problem]), ...unknownKeys(project, known));
  if (problems.length > 0) throw new ConfigError(problems);
  const own = { ...settings.machine, appName: name, region: settings.aws.region };
  const length = longestUserData(own, repositoryName, stack);
  if (length > mostUserData) {
    throw new ConfigError([
      `${project}:appEnvironment and ${project}:appSecrets make user data of ${length} bytes; allowed: ${mostUserData}, which is what EC2 takes`,
    ]);
  }
  if (publish && release) {
    pulumi.log.warn(`${project}:release is set: this is a rollback, and nothing is published to ${project}:publishTo`);
  }
  const shell = ["AWS_REGION", "AWS_DEFAULT_REGION"].find((key) => ![undefined, "", region].includes(env[key]));
  if (shell !== undefined) {
    pulumi.log.warn(
      `${shell} is ${env[shell]}, but the stack ${stack} is deployed to ${region}, as aws:region says; before its first up that can be changed: pulumi config set aws:region ${env[shell]}`,
    );
  }
  return settings;
}

/** An empty text or zero stands for none, since a configuration key with a default cannot be unset. */
const orNone = <T>(value: T) => value || undefined;

// The aws provider's other keys could lead it to another account or endpoint than AWS's SDK, which knows only the environment and the profile.
// With defaultTags the provider would tag the VPC's default group, which no policy allows, and IAM refuses two tags that differ only in case.
const awsKeys = ["region", "profile", "allowedAccountIds", "forbiddenAccountIds", "ignoreTags", "maxRetries"].map(
  (key) => `aws:${key}`,
);

/** Faults of the keys that are set: unknown ones of this project, and those of the aws provider that are not allowed. */
function unknownKeys(project: string, known: ReadonlySet<string>): string[] {
  return Object.keys(allConfig()).flatMap((key) => {
    if (key.startsWith("aws:") && !awsKeys.includes(key)) {
      return `${key} is set; allowed: ${awsKeys.join(", ")}; credentials and endpoints come from the environment or aws:profile, where every part of the program finds them`;
    }
    if (!key.startsWith(`${project}:`) || known.has(key)) return [];
    const meant = [...known].find((each) => each.toLowerCase() === key.toLowerCase());
    const allowed = meant ? `did you mean ${meant}?` : `allowed: ${[...known].join(", ")}`;
    return `${key} is not a key of this project; ${allowed}`;
  });
}

/** Bytes that EC2 takes: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html */
const mostUserData = 16_384;

/** Bytes of the longest user data with these settings: what is not known yet is as long as it can be. */
function longestUserData(
  own: Pick<UserDataArgs, "appName" | "region" | "port" | "environment" | "secrets">,
  repository: string,
  stack: string,
): number {
  const registry = `000000000000.dkr.ecr.${own.region}.amazonaws.com.cn`;
  const image = { registry, repository, tag: `content-${"0".repeat(16)}`, digest: `sha256:${"0".repeat(64)}` };
  const machine = { instanceType: "t4g.2xlarge", architecture: architectures.graviton };
  const logGroup = `${own.appName}-machines-${stack}-0000000`;
  return Buffer.byteLength(userData({ ...own, ...machine, image, logGroup }));
}

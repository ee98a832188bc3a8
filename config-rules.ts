import { isIP } from "node:net";
import { architectures, type MachineName } from "./components/architecture.ts";
import { allowedAppName, appName, policyArn } from "./components/names.ts";
import { factNames } from "./components/user-data.ts";

/** What a setting may be, in words, and a function from its text to its value; undefined where the text is not allowed. */
export type Rule<T> = readonly [allowed: string, parse: (text: string) => T | undefined];

export const boolean: Rule<boolean> = [
  "true or false",
  (text) => (text === "true" ? true : text === "false" ? false : undefined),
];

export const integer = (least: number, most: number): Rule<number> => [
  `a whole number from ${least} to ${most}`,
  (text) => wholeNumber(text, least, most),
];

export const oneOf = <T extends string>(...values: readonly T[]): Rule<T> => [
  values.join(", ").replace(/, (?=[^,]*$)/, " or "),
  (text) => values.find((value) => value === text),
];

export const matching = (allowed: string, pattern: RegExp): Rule<string> => [
  allowed,
  (text) => (pattern.test(text) ? text : undefined),
];

export const name = matching(allowedAppName, appName);

export const port: Rule<number> = [
  "a whole number from 1 to 65535, but not 22 (no SSH here) or 443 (the app speaks plain HTTP, so https:// would fail)",
  (text) => (["22", "443"].includes(text) ? undefined : wholeNumber(text, 1, 65_535)),
];

// EC2's default quota is 60 rules in a security group, and where all networks change, the new rules come before the old ones go.
export const networks: Rule<string[]> = [
  "a list of 1 to 30 IPv4 networks without host bits, each once, such as 203.0.113.0/24, or 203.0.113.5/32 for one address",
  (text) => parseList(text, (item) => parseCidr(item) !== undefined, 1, 30),
];

// EC2 allows /16 to /28. A public and a private subnet of /24 in each of two zones fill a /22; a /20 leaves room.
export const privateNetwork: Rule<string> = [
  "a private IPv4 network from /16 to /20 without host bits, such as 10.0.0.0/16",
  (text) =>
    /^(10|172\.(1[6-9]|2\d|3[01])|192\.168)\..*\/(1[6-9]|20)$/.test(text) && parseCidr(text) ? text : undefined,
];

export const zones: Rule<string[]> = [
  'two zones, such as ["ap-northeast-2a","ap-northeast-2c"], or [] for the first two that offer every instance type',
  (text) => {
    const list = parseList(text, (item) => /^[a-z]{2}(-[a-z]+)+-\d[a-h]$/.test(item), 0, 2);
    return list?.length === 1 ? undefined : list;
  },
];

export function instanceType(machine: MachineName): Rule<string> {
  const { instanceFamily: family, ec2 } = architectures[machine];
  return matching(
    `a type of the ${family} family (${ec2}), such as ${family}.small, but not ${family}.nano (its 512 MiB are too few to install Docker); another family: CONTRIBUTING.md`,
    // https://github.com/amazonlinux/amazon-linux-2023/issues/404: dnf is killed there for want of memory.
    new RegExp(`^${family}\\.(?!nano$)[a-z0-9]+$`),
  );
}

export const cpuTarget: Rule<number> = [
  "0 for no scaling, or a percentage from 10 to 90",
  (text) => (text === "0" ? 0 : wholeNumber(text, 10, 90)),
];

/** Empty stands for none, here and below. */
const domainName = /^(|(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9]))$/;

export const domain = matching("a domain name in lowercase, such as app.example.com", domainName);

export const certificateDomain: Rule<string> = [
  "the primary domain name of a certificate in ACM, such as *.example.com",
  (text) => (domainName.test(text.replace(/^\*\.(?=.)/, "")) ? text : undefined),
];

export function topicIn(region: string | undefined): Rule<string> {
  const arn = /^arn:aws(?:-[a-z-]+)?:sns:(?<region>[a-z0-9-]+):\d{12}:[\w-]{1,256}$/;
  return [
    `the ARN of an SNS topic in ${region}`,
    (text) => (text === "" || arn.exec(text)?.groups?.region === region ? text : undefined),
  ];
}

/**
 * The days for which CloudWatch can keep a log.
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
 */
export const retentions = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const logRetention: Rule<number> = [
  `one of ${retentions.join(", ")}`,
  (text) => retentions.find((days) => String(days) === text),
];

export const permissionsBoundary: Rule<string> = [
  "the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/hono-app-boundary",
  (text) => (text === "" || policyArn.test(text) ? text : undefined),
];

export const release = matching(
  "a release's tag (content-…) or digest (sha256:…)",
  /^(|content-[0-9a-f]{16}|sha256:[0-9a-f]{64})$/,
);

export const builder = matching("the name of a Buildx builder: letters, digits, . _ -", /^[A-Za-z0-9][\w.-]*$/);

// A dot, a colon or `localhost` distinguishes a registry from a Docker Hub user, as in Docker.
export const publishTo = matching(
  "registry/repository, such as docker.io/yourusername/hono-app or ghcr.io/owner/hono-app",
  /^(|(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+:\d+)(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+)$/,
);

export const environment: Rule<string[]> = [
  `a list of NAME=value, each name once, of letters, digits and _, and none of ${factNames.join(", ")}`,
  (text) => {
    const list = parseList(text, (item) => item.includes("=") && isOwnName(nameOf(item)) && !/[\0\n\r]/.test(item));
    return new Set(list?.map(nameOf)).size === list?.length ? list : undefined;
  },
];

/** @param others The app's variables that are not secret, as {@link environment} has them. */
export const secretNames = (others: readonly string[] = []): Rule<string[]> => [
  `a list of names of environment variables, each of capital letters, digits and _, and none of PATH, DOCKER_…, LC_…, LD_…, Bash's own (such as UID), ${factNames.join(", ")} or of appEnvironment`,
  (text) => parseList(text, (item) => isOwnName(item) && !notSecret.test(item) && !others.map(nameOf).includes(item)),
];

/** The name in `NAME=value`. */
const nameOf = (variable: string) => variable.split("=", 1)[0] ?? "";
const isOwnName = (name: string) => /^[A-Za-z_]\w{0,127}$/.test(name) && !factNames.includes(name);
// For a moment a secret is a variable of the script that starts the app, whose own names are in lowercase, and of Docker's client. Some of
// Bash's variables cannot be set, and a wrong value of others is printed in a warning: by Bash for LC_…, by the loader for LD_….
const notSecret =
  /[a-z]|^(DOCKER_|BASH_|LC_|LD_|EPOCH|((BASH|SHELL)OPTS|BASHPID|DIRSTACK|E?UID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|PATH|PIPESTATUS|PPID|S?RANDOM|SECONDS|SHLVL|_)$)/;

/** The path of the app's secrets, which begins with the app's name; where that is wrong itself, with any name. */
export const secretsPath = (app: string | undefined, own: string): Rule<string> =>
  matching(
    `empty for ${own}, or a path in Parameter Store of at most 14 parts that begins with /${app ?? "<name>"}/, without a slash at its end`,
    // With a parameter's own name 15, which is Parameter Store's limit.
    new RegExp(`^(|/${app ?? "[^/]+"}(/[\\w.-]+){1,13})$`),
  );

/** The account ids in a key of the aws provider. */
export const accounts = (text: string) => parseList(text, (id) => /^\d{12}$/.test(id), 1);

function wholeNumber(text: string, least: number, most: number): number | undefined {
  const value = /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}

/** An IPv4 network in CIDR notation. The provider refuses one that has a host bit set. */
export function parseCidr(text: string): { readonly address: number; readonly prefix: number } | undefined {
  const [ip = "", length = "", ...rest] = text.split("/");
  const prefix = wholeNumber(length, 0, 32);
  if (isIP(ip) !== 4 || prefix === undefined || rest.length > 0) return undefined;
  const address = ip.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return address % 2 ** (32 - prefix) === 0 ? { address, prefix } : undefined;
}

/** A JSON list of different strings, as many as allowed. */
function parseList(text: string, isValid: (item: string) => boolean, least = 0, most = Number.POSITIVE_INFINITY) {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list) || new Set(list).size !== list.length) return undefined;
    if (list.length < least || list.length > most) return undefined;
    return list.every((item) => typeof item === "string" && isValid(item)) ? (list as string[]) : undefined;
  } catch {
    return undefined;
  }
}

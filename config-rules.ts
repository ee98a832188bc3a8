import { isIP } from "node:net";
import { architectures, type MachineName } from "./components/architecture.ts";
import { factNames } from "./components/user-data.ts";

// A dot, a colon or `localhost` distinguishes a registry from a Docker Hub user, as in Docker; empty stands for none.
export const repositoryInRegistry =
  /^(|(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+:\d+)(\/[a-z0-9]+([._-]+[a-z0-9]+)*)+)$/;

/** Empty stands for none. */
export const domainName = /^(|(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9]))$/;

/** ARN of an SNS topic. */
export const topicArn = /^arn:aws(?:-[a-z-]+)?:sns:(?<region>[a-z0-9-]+):\d{12}:[\w-]{1,256}$/;

/**
 * The days for which CloudWatch can keep a log.
 * @see https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
 */
export const retentions = [
  ...[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
];

export function instanceTypeOf(machine: MachineName): [string, (text: string) => string | undefined] {
  const family = architectures[machine].instanceFamily;
  return [
    `a type of the ${family} family (${architectures[machine].ec2}), such as ${family}.small, but not ${family}.nano (its 512 MiB are too few to install Docker); another family: CONTRIBUTING.md`,
    // https://github.com/amazonlinux/amazon-linux-2023/issues/404: dnf is killed there for want of memory.
    matching(new RegExp(`^${family}\\.(?!nano$)[a-z0-9]+$`)),
  ];
}

export function integer(least: number, most: number) {
  return (text: string): number | undefined => {
    const value = /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  };
}

export function oneOf<T extends string>(...values: readonly T[]) {
  return (text: string): T | undefined => values.find((value) => value === text);
}

export const boolean = (text: string) => (text === "true" ? true : text === "false" ? false : undefined);

export function matching(pattern: RegExp) {
  return (text: string): string | undefined => (pattern.test(text) ? text : undefined);
}

/** An IPv4 network in CIDR notation with no host bit set (the provider refuses one that has). */
export function parseCidr(text: string): { readonly address: number; readonly prefix: number } | undefined {
  const [ip = "", length = "", ...rest] = text.split("/");
  const prefix = integer(0, 32)(length);
  if (isIP(ip) !== 4 || prefix === undefined || rest.length > 0) return undefined;
  const address = ip.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return address % 2 ** (32 - prefix) === 0 ? { address, prefix } : undefined;
}

/** A JSON list of `least` strings or more, none of them twice. */
export function parseList(text: string, isValid: (item: string) => boolean, least = 0): string[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list) || list.length < least || new Set(list).size !== list.length) return undefined;
    return list.every((item) => typeof item === "string" && isValid(item)) ? list : undefined;
  } catch {
    return undefined;
  }
}

/** The name in `NAME=value`. */
export const nameOf = (variable: string) => variable.split("=", 1)[0] ?? "";
const isOwnName = (name: string) => /^[A-Za-z_]\w{0,127}$/.test(name) && !factNames.includes(name);
// For a moment a secret is a variable of the script that starts the app, whose own are small, and of Docker's client. Bash does not take
// another value for some of its own, and prints that of others (LC_…, as the loader does that of LD_…) where they cannot have it.
const notSecret =
  /[a-z]|^(DOCKER_|BASH_|LC_|LD_|EPOCH|((BASH|SHELL)OPTS|BASHPID|DIRSTACK|E?UID|FUNCNAME|GROUPS|HISTCMD|LINENO|OPTIND|PATH|PIPESTATUS|PPID|S?RANDOM|SECONDS|SHLVL|_)$)/;
export const isSecretName = (name: string) => isOwnName(name) && !notSecret.test(name);

export function parseEnvironment(text: string): string[] | undefined {
  const list = parseList(text, (item) => item.includes("=") && isOwnName(nameOf(item)) && !/[\0\n\r]/.test(item));
  return new Set(list?.map(nameOf)).size === list?.length ? list : undefined;
}

// At most 60 rules in a security group is EC2's default quota, and where all networks change, the new ones come before the old ones go.
export function parseCidrs(text: string): string[] | undefined {
  const list = parseList(text, (item) => parseCidr(item) !== undefined, 1);
  return list && list.length <= 30 ? list : undefined;
}

export function parseZones(text: string): string[] | undefined {
  const list = parseList(text, (item) => /^[a-z]{2}(-[a-z]+)+-\d[a-h]$/.test(item));
  return list?.length === 0 || list?.length === 2 ? list : undefined;
}

// EC2 allows /16 to /28. A public and a private subnet of /24 in each of two zones fill a /22; a /20 leaves room.
export function parseVpcCidr(text: string): string | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined || cidr.prefix < 16 || cidr.prefix > 20) return undefined;
  const [first, second] = [Math.floor(cidr.address / 2 ** 24), Math.floor(cidr.address / 2 ** 16) % 256];
  const isPrivate =
    first === 10 || (first === 172 && second >= 16 && second <= 31) || (first === 192 && second === 168);
  return isPrivate ? text : undefined;
}

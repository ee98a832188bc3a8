import { parseArgs } from "node:util";
import { allowedAppName, appName, policyArn } from "../components/names.ts";
import { isPolicyName, type PolicyName, policy, policyNames, type Values } from "../policies/policy.ts";
import { projectName } from "../tools/project.ts";
import { secretsKey, stackConfig } from "../tools/stack-config.ts";
import { runCommand, UsageError } from "./shared/command.ts";

const usage = `usage: npm run --silent policies -- POLICY --account ID [OPTION ...]

Prints an AWS policy of least privilege as JSON, from policies/policies.yaml.

  preview         for the user or role that runs pulumi preview: it reads, and pushes nothing
  deploy          for the one that runs pulumi up, refresh and destroy; needs the policy preview too
  fleet           for the one that does so with the setting fleet; needs the policies preview and deploy too
  on-call         for a person on call, who reads logs and opens sessions on machines; needs the policy preview too
  boundary        a permissions boundary for the roles that the program makes (setting permissionsBoundary)
  trust           whom a role trusts: workflows of a GitHub repository

  --account ID            the AWS account, 12 digits
  --stack NAME            for this stack alone, whose configuration gives region, name and boundary (default: for every stack)
  --region REGION         (default: as configured)
  --name NAME             the app's name (default: as configured)
  --boundary ARN          every role must be made with this boundary (default: as configured)
  --state-bucket BUCKET   the S3 bucket that keeps the state (default: the state is kept elsewhere)
  --state-key ARN         the KMS key that encrypts the state's secrets (default: as configured)

  with trust:
  --repository OWNER/NAME  the repository on GitHub
  --environment NAME       the environment of the workflow's job, more than once for several
  --owner-id N, --repository-id N
                           of a repository made, renamed or transferred since 15 July 2026, whose subject has them:
                           gh api repos/OWNER/NAME --jq '.owner.id, .id'
  --help
`;

const options = {
  account: { type: "string" },
  region: { type: "string" },
  name: { type: "string" },
  stack: { type: "string" },
  boundary: { type: "string" },
  "state-bucket": { type: "string" },
  "state-key": { type: "string" },
  repository: { type: "string" },
  environment: { type: "string", multiple: true },
  "owner-id": { type: "string" },
  "repository-id": { type: "string" },
} as const;
const parse = (args: readonly string[]) => parseArgs({ args: [...args], allowPositionals: true, options });

/** @throws UsageError, and Error where the stack has no file */
export function readArguments(args: readonly string[]): { readonly policy: PolicyName; readonly values: Values } {
  const { values: given, positionals } = parse(args);
  const [policy = "", ...others] = positionals;
  if (!isPolicyName(policy) || others.length > 0) {
    const given = positionals.length === 0 ? "no policy is named" : `not a policy: "${positionals.join(" ")}"`;
    throw new UsageError(`${given}; allowed: ${policyNames.join(", ")}`);
  }
  check("stack", given.stack, /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/, "letters, digits and single . _ -");
  const forTrust = ["repository", "environment", "owner-id", "repository-id"] as const;
  const unused = policy === "trust" ? undefined : forTrust.find((option) => given[option] !== undefined);
  if (unused)
    throw new UsageError(`--${unused} is given, which the policy ${policy} does not have; allowed: with trust`);
  const config = stackConfig(given.stack);
  const values: Values = {
    account: given.account ?? "",
    region: given.region ?? config["aws:region"] ?? "",
    name: given.name ?? config[`${projectName}:name`] ?? "",
    stack: given.stack,
    boundary: given.boundary ?? (config[`${projectName}:permissionsBoundary`] || undefined),
    secretsPath: config[`${projectName}:appSecretsPath`] || undefined,
    stateBucket: given["state-bucket"],
    stateKey: given["state-key"] ?? secretsKey(given.stack),
    subjects: policy === "trust" ? subjectsOf(given) : undefined,
  };
  check("account", values.account, /^\d{12}$/, "12 digits");
  check("region", values.region, /^[a-z]{2}(-[a-z]+)+-\d$/, "an AWS region, such as ap-northeast-2");
  check("name", values.name, appName, allowedAppName);
  check(
    "boundary",
    values.boundary,
    policyArn,
    "the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/x",
  );
  check("state-bucket", values.stateBucket, /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "the name of an S3 bucket");
  check(
    "state-key",
    values.stateKey,
    /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/,
    "the ARN of a KMS key, which aws kms describe-key gives for an id or an alias",
  );
  return { policy, values };
}

function check(option: string, value: string | undefined, pattern: RegExp, allowed: string): void {
  if (value === undefined || pattern.test(value)) return;
  throw new UsageError(`--${option} is ${value === "" ? "not given" : JSON.stringify(value)}; allowed: ${allowed}`);
}

/**
 * The `sub` of the tokens that GitHub gives to jobs of these environments.
 *
 * @see https://docs.github.com/en/actions/reference/security/oidc
 */
function subjectsOf(given: ReturnType<typeof parse>["values"]): string[] {
  const { repository = "", environment = [""], "owner-id": ownerId, "repository-id": repositoryId } = given;
  check("repository", repository, /^[\w-]+\/[\w.-]+$/, "OWNER/NAME");
  for (const each of environment)
    check("environment", each, /^[A-Za-z0-9._-]+$/, "the workflow's, such as dev: letters, digits, . _ -");
  check("owner-id", ownerId, /^\d+$/, "a number");
  check("repository-id", repositoryId, /^\d+$/, "a number");
  if ((ownerId === undefined) !== (repositoryId === undefined)) {
    throw new UsageError("--owner-id and --repository-id go together: a subject has both or neither");
  }
  const [owner, name] = repository.split("/");
  const id = (number: string | undefined) => (number === undefined ? "" : `@${number}`);
  return environment.map((each) => `repo:${owner}${id(ownerId)}/${name}${id(repositoryId)}:environment:${each}`);
}

function main(args: string[]): void {
  const { policy: name, values } = readArguments(args);
  if (name === "deploy" && values.boundary === undefined) {
    console.error("without --boundary this policy lets its user create a role with every permission in the account");
  }
  process.stdout.write(`${JSON.stringify(policy(name, values), null, 2)}\n`);
}

if (import.meta.main) await runCommand(usage, main, 2);

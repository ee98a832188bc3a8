import { once, sts } from "./clients.ts";

/**
 * Checks the stack's `aws:` configuration against the local cloud. It is read from the environment that the engine gives every plugin, since
 * the SDK's server drops the arguments of Configure, and with them those of an explicit provider.
 */
export const checkConfig = once(async () => {
  const config: Record<string, string> = JSON.parse(process.env.PULUMI_CONFIG ?? "{}");
  if (config.region && config.region !== process.env.AWS_REGION) {
    throw new Error(`aws:region is "${config.region}": this cloud is ${process.env.AWS_REGION}`);
  }
  if (config.defaultTags) throw new Error("aws:defaultTags: not known to this cloud");
  const allowed: string[] = JSON.parse(config.allowedAccountIds ?? "[]");
  if (allowed.length === 0) return;
  const { Account = "" } = await sts().getCallerIdentity({});
  if (!allowed.includes(Account)) throw new Error(`AWS account ID not allowed: ${Account}`);
});

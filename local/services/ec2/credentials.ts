import type { Instance } from "@aws-sdk/client-ec2";
import { IAM } from "@aws-sdk/client-iam";
import { STS } from "@aws-sdk/client-sts";
import type { Credentials } from "./machine.ts";

const iam = new IAM({ maxAttempts: 1 });
const sts = new STS({ maxAttempts: 1 });

/** What EC2's instance metadata returns: temporary credentials of the role in the instance's profile, if it trusts EC2. */
export async function credentialsOf({ InstanceId, IamInstanceProfile }: Instance): Promise<Credentials | undefined> {
  const profile = IamInstanceProfile?.Arn?.split("/").at(-1);
  if (!profile) return undefined;
  const { InstanceProfile } = await iam.getInstanceProfile({ InstanceProfileName: profile });
  const [role] = InstanceProfile?.Roles ?? [];
  if (!decodeURIComponent(role?.AssumeRolePolicyDocument ?? "").includes('"ec2.amazonaws.com"')) return undefined;
  const { Credentials: temporary } = await sts.assumeRole({ RoleArn: role?.Arn, RoleSessionName: InstanceId });
  return {
    AWS_ACCESS_KEY_ID: temporary?.AccessKeyId ?? "",
    AWS_SECRET_ACCESS_KEY: temporary?.SecretAccessKey ?? "",
    AWS_SESSION_TOKEN: temporary?.SessionToken ?? "",
  };
}

import { env } from "node:process";
import type { fromTokenFile } from "@aws-sdk/credential-provider-web-identity";

/** Region and credentials for AWS's SDK, which the provider's configuration does not reach. */
export interface AwsClient {
  readonly region: string;
  /** Profile of the AWS configuration files. @default the environment's credentials */
  readonly profile?: string;
}

/**
 * Configures a client of AWS's SDK with the credentials that the provider takes: those of the stack's profile, else the environment's keys, its
 * web identity, or its profile, which `AWS_DEFAULT_PROFILE` can name too. By itself the SDK prefers a profile to keys and does not know that
 * variable: it could read and tag images in another account than the provider deploys to.
 *
 * @see https://github.com/hashicorp/aws-sdk-go-base/blob/main/aws_config_test.go, "AWS_ACCESS_KEY_ID overrides AWS_PROFILE"
 * @see https://github.com/aws/aws-sdk-go-v2/blob/main/config/resolve_credentials.go, `resolveCredentialChain`
 * @see https://github.com/aws/aws-sdk-go-v2/blob/main/config/env_config.go
 */
export function clientConfig({ region, profile }: AwsClient) {
  if (profile) return { region, profile };
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (accessKeyId && secretAccessKey) return { region, credentials: { accessKeyId, secretAccessKey, sessionToken } };
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE) return { region, credentials: webIdentity };
  return { region, profile: env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE };
}

const webIdentity: ReturnType<typeof fromTokenFile> = async (client) => {
  const { fromTokenFile } = await import("@aws-sdk/credential-provider-web-identity");
  return fromTokenFile()(client);
};

import { env } from "node:process";

/** Where, and as whom, AWS's SDK calls: the provider's configuration does not reach it. */
export interface AwsClient {
  readonly region: string;
  /** Profile of the AWS configuration files. @default the environment's */
  readonly profile?: string;
}

/**
 * Configures a client of AWS's SDK to call as the provider does. For the provider keys in the environment come before `AWS_PROFILE`, and
 * `AWS_DEFAULT_PROFILE` counts. The SDK by itself takes the profile, and does not know the other: it would read and tag images in another
 * account than the one to which the provider deploys.
 *
 * @see https://github.com/hashicorp/aws-sdk-go-base/blob/main/aws_config_test.go, "AWS_ACCESS_KEY_ID overrides AWS_PROFILE"
 * @see https://github.com/aws/aws-sdk-go-v2/blob/main/config/env_config.go
 */
export function clientConfig({ region, profile }: AwsClient) {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (!profile && accessKeyId && secretAccessKey) {
    return { region, credentials: { accessKeyId, secretAccessKey, sessionToken } };
  }
  return { region, profile: profile || env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE };
}

/** Where, and as whom, AWS's SDK calls: the provider's configuration does not reach it. */
export interface AwsClient {
  readonly region: string;
  /** Profile of the AWS configuration files. @default the environment's */
  readonly profile?: string;
}

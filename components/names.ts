/** ARN of a managed policy of an account, or of AWS (`aws`). */
export const policyArn = /^arn:aws(?:-[a-z-]+)?:iam::(\d{12}|aws):policy\/[\w+=,.@/-]{1,512}$/;

/**
 * The end of AWS's host names in a region, and of EC2's name in the trust of a role.
 *
 * @see https://docs.amazonaws.cn/en_us/aws/latest/userguide/endpoints-arns.html
 */
export const domainOf = (region: string) => (/^cn-/.test(region) ? "amazonaws.com.cn" : "amazonaws.com");

/** Name of an app. EC2 takes no security group whose name begins with `sg-`. */
export const appName = /^(?=.{2,32}$)(?!sg(-|$))[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** What {@link appName} takes, in words. */
export const allowedAppName =
  "2 to 32 lowercase letters, digits and single hyphens, first a letter, but not sg or sg-…";

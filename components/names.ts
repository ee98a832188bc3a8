/** ARN of a managed policy of an account, or of AWS (`aws`). */
export const policyArn = /^arn:aws(?:-[a-z-]+)?:iam::(\d{12}|aws):policy\/[\w+=,.@/-]{1,512}$/;

export const appName = /^(?=.{2,32}$)[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

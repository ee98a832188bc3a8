/** ARN of a managed policy of an account, or of AWS (`aws`). */
export const policyArn = /^arn:aws(?:-[a-z-]+)?:iam::(\d{12}|aws):policy\/[\w+=,.@/-]{1,512}$/;

/** The app's name, or undefined for what cannot be one. */
export function parseName(text: string): string | undefined {
  return text.length >= 2 && text.length <= 32 && /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(text) ? text : undefined;
}

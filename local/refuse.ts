/** A refusal in AWS's words, where moto is laxer than AWS. */
export function refuse(code: string, message: string): never {
  throw Object.assign(new Error(message), { name: code });
}

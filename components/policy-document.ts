import type { PolicyDocument, PolicyStatement } from "@pulumi/aws/iam/documents.js";

/** An IAM policy of these statements. */
export function policyOf(...Statement: PolicyStatement[]): PolicyDocument {
  return { Version: "2012-10-17", Statement };
}

import type { PolicyDocument, PolicyStatement } from "@pulumi/aws/iam/documents.js";
import * as pulumi from "@pulumi/pulumi";
import { domainOf } from "./names.ts";

/** Where a resource is, by its ARN. */
export function placeOf(arn: pulumi.Input<string>) {
  const part = (index: number) => pulumi.output(arn).apply((text) => text.split(":")[index] ?? "");
  return { partition: part(1), region: part(3), account: part(4), domain: part(3).apply(domainOf) };
}

/** IAM path of what the stack has there. Who deploys the stack may pass the roles of this path to AWS's services, and no other stack's. */
export const iamPath = (app: string) => `/${app}/${pulumi.getStack()}/`;

export const policyOf = (...Statement: PolicyStatement[]): PolicyDocument => ({ Version: "2012-10-17", Statement });

import type { PolicyDocument, PolicyStatement } from "@pulumi/aws/iam/documents.js";
import * as pulumi from "@pulumi/pulumi";
import { domainOf } from "./names.ts";

/** A resource's partition, region and account, from its ARN, and what AWS's host names there end in. */
export function locationOf(arn: pulumi.Input<string>) {
  const part = (index: number) => pulumi.output(arn).apply((text) => text.split(":")[index] ?? "");
  return { partition: part(1), region: part(3), account: part(4), domain: part(3).apply(domainOf) };
}

/** IAM path of the stack's roles and profiles. A user who deploys the stack may pass the roles below it to AWS's services, and no others. */
export const iamPath = (app: string) => `/${app}/${pulumi.getStack()}/`;

export const policyOf = (...Statement: PolicyStatement[]): PolicyDocument => ({ Version: "2012-10-17", Statement });

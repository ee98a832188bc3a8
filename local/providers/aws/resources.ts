import { ecrResources } from "./ecr.ts";
import { flowLogResources } from "./flow-log.ts";
import { iamResources } from "./iam.ts";
import { instanceResources } from "./instance.ts";
import { securityGroupResources } from "./security-group.ts";
import { vpcResources } from "./vpc.ts";

/** Every resource type of the provider, by its Pulumi token. */
export const resources = {
  ...ecrResources,
  ...iamResources,
  ...vpcResources,
  ...flowLogResources,
  ...securityGroupResources,
  ...instanceResources,
};

import { every } from "../../lists.ts";
import { iam } from "./clients.ts";
import type { Row } from "./row.ts";
import type { Props } from "./values.ts";

const price = "IAM is free";

// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const atMost = (most: number) => ({
  holds: [
    `not have, without white space, more characters than ${most}`,
    (document: Props) => JSON.stringify(document).replace(/\s/g, "").length <= most,
  ],
});

// The schema's pattern is of its beginning or its end alone. https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
const Path = { pattern: "^/([!-~]+/)?$" };

const roles = ["addRoleToInstanceProfile", "removeRoleFromInstanceProfile"] as const;
const boundary = ["putRolePermissionsBoundary", "deleteRolePermissionsBoundary"] as const;
const roleUpdates = ["updateAssumeRolePolicy", boundary, "updateRoleDescription"] as const;

const roleNames = {
  name: "RoleName",
  assumeRolePolicy: ["AssumeRolePolicyDocument", "PolicyDocument"],
  permissionsBoundary: ["PermissionsBoundary", "PermissionsBoundary.PermissionsBoundaryArn"],
  forceDetachPolicies: null,
} as const;

const removeProfile = "deleteInstanceProfile";

/** Takes away what others have given a role. */
async function detachPolicies({ name: RoleName, forceDetachPolicies }: Props): Promise<void> {
  if (!forceDetachPolicies) return;
  const attached = await every(iam().paginateListAttachedRolePolicies({ RoleName }), (page) => page.AttachedPolicies);
  for (const { PolicyArn } of attached) await iam().detachRolePolicy({ RoleName, PolicyArn });
  const own = await every(iam().paginateListRolePolicies({ RoleName }), (page) => page.PolicyNames);
  for (const PolicyName of own) await iam().deleteRolePolicy({ RoleName, PolicyName });
}

export const iamRows = {
  "aws:iam/role:Role": {
    type: "AWS::IAM::Role",
    names: roleNames,
    without: ["managedPolicyArns", "maxSessionDuration"],
    rules: { properties: { AssumeRolePolicyDocument: atMost(2048), Path } },
    price,
    calls: { create: "createRole", update: roleUpdates, get: "getRole", delete: "deleteRole" },
    deleting: detachPolicies,
    absent: { description: "", permissionsBoundary: "" },
  },
  "aws:iam/rolePolicy:RolePolicy": {
    type: "AWS::IAM::RolePolicy",
    names: { name: "PolicyName", role: "RoleName", policy: "PolicyDocument" },
    required: ["policy"],
    // All of a role's policies have no more either; here each is looked at by itself.
    rules: { properties: { PolicyDocument: atMost(10_240) } },
    price,
    partOf: "aws:iam/role:Role",
    id: "RoleName:PolicyName",
    list: ["listRolePolicies", "PolicyNames"],
    calls: { create: "putRolePolicy", get: "getRolePolicy", delete: "deleteRolePolicy" },
  },
  "aws:iam/instanceProfile:InstanceProfile": {
    type: "AWS::IAM::InstanceProfile",
    names: { name: "InstanceProfileName", role: ["Roles[]", "RoleName", "Roles[].RoleName"], tags: null },
    rules: { properties: { Path } },
    price,
    calls: { create: "createInstanceProfile", update: [roles], get: "getInstanceProfile", delete: removeProfile },
    absent: { role: "" },
  },
} satisfies Record<string, Row>;

import type { Row } from "./row.ts";

const price = "IAM is free";

const roles = ["addRoleToInstanceProfile", "removeRoleFromInstanceProfile"] as const;
const boundary = ["putRolePermissionsBoundary", "deleteRolePermissionsBoundary"] as const;
const roleUpdates = ["updateAssumeRolePolicy", boundary, "updateRoleDescription"] as const;

const roleNames = {
  name: "RoleName",
  assumeRolePolicy: ["AssumeRolePolicyDocument", "PolicyDocument"],
  permissionsBoundary: ["PermissionsBoundary", "PermissionsBoundary.PermissionsBoundaryArn"],
} as const;

const removeProfile = "deleteInstanceProfile";

export const iamRows = {
  "aws:iam/role:Role": {
    type: "AWS::IAM::Role",
    names: roleNames,
    without: ["managedPolicyArns", "maxSessionDuration"],
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    rules: { properties: { AssumeRolePolicyDocument: { maxCharacters: 2048 } } },
    price,
    calls: { create: "createRole", update: roleUpdates, get: "getRole", delete: "deleteRole" },
    absent: { description: "", permissionsBoundary: "" },
  },
  "aws:iam/rolePolicy:RolePolicy": {
    type: "AWS::IAM::RolePolicy",
    names: { name: "PolicyName", role: "RoleName", policy: "PolicyDocument" },
    required: ["policy"],
    // All of a role's policies have no more either; here each is looked at by itself.
    rules: { properties: { PolicyDocument: { maxCharacters: 10_240 } } },
    price,
    partOf: "aws:iam/role:Role",
    id: "RoleName:PolicyName",
    list: ["listRolePolicies", "PolicyNames"],
    calls: { create: "putRolePolicy", get: "getRolePolicy", delete: "deleteRolePolicy" },
  },
  "aws:iam/instanceProfile:InstanceProfile": {
    type: "AWS::IAM::InstanceProfile",
    names: { name: "InstanceProfileName", role: ["Roles[]", "RoleName", "Roles[].RoleName"], tags: null },
    price,
    calls: { create: "createInstanceProfile", update: [roles], get: "getInstanceProfile", delete: removeProfile },
    absent: { role: "" },
  },
} satisfies Record<string, Row>;

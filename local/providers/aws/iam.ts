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
    price,
    calls: { create: "createRole", update: roleUpdates, get: "getRole", delete: "deleteRole" },
    absent: { description: "", permissionsBoundary: "" },
  },
  "aws:iam/rolePolicy:RolePolicy": {
    type: "AWS::IAM::RolePolicy",
    names: { name: "PolicyName", role: "RoleName", policy: "PolicyDocument" },
    required: ["policy"],
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

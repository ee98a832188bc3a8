import { randomBytes } from "node:crypto";
import { every, iam } from "./clients.ts";
import { orGone, type Resource } from "./provider.ts";
import { fromTags, pick, toTags } from "./tags.ts";
import type { Props } from "./values.ts";

const nameOf = (inputs: Props): string => inputs.name ?? inputs.namePrefix + randomBytes(13).toString("hex");

const role: Resource = {
  noun: "IAM Role",
  cloudFormation: {
    type: "AWS::IAM::Role",
    names: { name: "RoleName", namePrefix: null, assumeRolePolicy: "AssumeRolePolicyDocument" },
  },
  autoName: 64,
  inputs: {
    name: ["replace"],
    namePrefix: ["replace"],
    assumeRolePolicy: ["required", "json"],
    description: [],
    permissionsBoundary: [],
    tags: [],
  },
  async create(inputs) {
    const RoleName = nameOf(inputs);
    await (await iam()).createRole({
      RoleName,
      AssumeRolePolicyDocument: inputs.assumeRolePolicy,
      Description: inputs.description,
      PermissionsBoundary: inputs.permissionsBoundary,
      Tags: toTags(inputs.tags),
    });
    return RoleName;
  },
  async read(id) {
    const live = (await orGone((await iam()).getRole({ RoleName: id }), "NoSuchEntity"))?.Role;
    return (
      live && {
        ...pick(live, "Arn", "Path", "MaxSessionDuration", "CreateDate"),
        name: live.RoleName,
        uniqueId: live.RoleId,
        assumeRolePolicy: decodeURIComponent(live.AssumeRolePolicyDocument ?? ""),
        description: live.Description ?? "",
        permissionsBoundary: live.PermissionsBoundary?.PermissionsBoundaryArn,
        tags: fromTags(live.Tags),
      }
    );
  },
  async update(id, inputs, changed) {
    const api = await iam();
    if (changed.includes("assumeRolePolicy")) {
      await api.updateAssumeRolePolicy({ RoleName: id, PolicyDocument: inputs.assumeRolePolicy });
    }
    const { permissionsBoundary: PermissionsBoundary } = inputs;
    if (changed.includes("permissionsBoundary")) {
      if (PermissionsBoundary) await api.putRolePermissionsBoundary({ RoleName: id, PermissionsBoundary });
      else await api.deleteRolePermissionsBoundary({ RoleName: id });
    }
    if (changed.includes("description"))
      await api.updateRoleDescription({ RoleName: id, Description: inputs.description ?? "" });
  },
  async retag(id, tags, removed) {
    const api = await iam();
    if (removed.length > 0) await api.untagRole({ RoleName: id, TagKeys: removed });
    await api.tagRole({ RoleName: id, Tags: toTags(tags) });
  },
  delete: async (id) => orGone((await iam()).deleteRole({ RoleName: id }), "NoSuchEntity"),
};

const rolePolicy: Resource = {
  noun: "IAM Role Policy",
  cloudFormation: {
    type: "AWS::IAM::RolePolicy",
    names: { name: "PolicyName", role: "RoleName", policy: "PolicyDocument" },
  },
  autoName: 128,
  inputs: { name: ["replace"], role: ["required", "replace"], policy: ["required", "json"] },
  async create({ role, name, policy }) {
    await (await iam()).putRolePolicy({ RoleName: role, PolicyName: name, PolicyDocument: policy });
    return `${role}:${name}`;
  },
  async read(id) {
    const [RoleName, PolicyName] = id.split(":");
    const live = await orGone((await iam()).getRolePolicy({ RoleName, PolicyName }), "NoSuchEntity");
    return live && { role: RoleName, name: PolicyName, policy: decodeURIComponent(live.PolicyDocument ?? "") };
  },
  async update(_id, { role, name, policy }) {
    await (await iam()).putRolePolicy({ RoleName: role, PolicyName: name, PolicyDocument: policy });
  },
  async delete(id) {
    const [RoleName, PolicyName] = id.split(":");
    await orGone((await iam()).deleteRolePolicy({ RoleName, PolicyName }), "NoSuchEntity");
  },
};

const rolePolicyAttachment: Resource = {
  noun: "IAM Role Policy Attachment",
  cloudFormation: {
    type: "AWS::IAM::Role",
    isPart: true,
    names: { role: "RoleName", policyArn: "ManagedPolicyArns[]" },
  },
  inputs: { role: ["required", "replace"], policyArn: ["required", "replace"] },
  // The successor of an attachment can be the same attachment, which deleting the old one would undo.
  deleteBeforeReplace: true,
  async create({ role, policyArn }) {
    await (await iam()).attachRolePolicy({ RoleName: role, PolicyArn: policyArn });
    return `${role}/${policyArn}`;
  },
  async read(id) {
    const [RoleName = ""] = id.split("/");
    const PolicyArn = id.slice(RoleName.length + 1);
    const pages = (await iam()).paginateListAttachedRolePolicies({ RoleName });
    const attached = await orGone(
      every(pages, (page) => page.AttachedPolicies),
      "NoSuchEntity",
    );
    const isAttached = attached?.some((policy) => policy.PolicyArn === PolicyArn);
    return isAttached ? { role: RoleName, policyArn: PolicyArn } : undefined;
  },
  async delete(_id, { role, policyArn }) {
    await orGone((await iam()).detachRolePolicy({ RoleName: role, PolicyArn: policyArn }), "NoSuchEntity");
  },
};

const instanceProfile: Resource = {
  noun: "IAM Instance Profile",
  cloudFormation: {
    type: "AWS::IAM::InstanceProfile",
    names: { name: "InstanceProfileName", namePrefix: null, role: "Roles[]", tags: null },
  },
  autoName: 128,
  inputs: { name: ["replace"], namePrefix: ["replace"], role: [], tags: [] },
  async create(inputs) {
    const InstanceProfileName = nameOf(inputs);
    const api = await iam();
    await api.createInstanceProfile({ InstanceProfileName, Tags: toTags(inputs.tags) });
    if (inputs.role) await api.addRoleToInstanceProfile({ InstanceProfileName, RoleName: inputs.role });
    return InstanceProfileName;
  },
  async read(id) {
    const found = await orGone((await iam()).getInstanceProfile({ InstanceProfileName: id }), "NoSuchEntity");
    const live = found?.InstanceProfile;
    return (
      live && {
        ...pick(live, "Arn", "Path", "CreateDate"),
        name: live.InstanceProfileName,
        uniqueId: live.InstanceProfileId,
        role: live.Roles?.[0]?.RoleName ?? "",
        tags: fromTags(live.Tags),
      }
    );
  },
  async update(id, { role }, _changed, olds) {
    const api = await iam();
    if (olds.role) await api.removeRoleFromInstanceProfile({ InstanceProfileName: id, RoleName: olds.role });
    if (role) await api.addRoleToInstanceProfile({ InstanceProfileName: id, RoleName: role });
  },
  async retag(id, tags, removed) {
    const api = await iam();
    if (removed.length > 0) await api.untagInstanceProfile({ InstanceProfileName: id, TagKeys: removed });
    await api.tagInstanceProfile({ InstanceProfileName: id, Tags: toTags(tags) });
  },
  async delete(id, { role }) {
    const api = await iam();
    if (role) {
      const removal = api.removeRoleFromInstanceProfile({ InstanceProfileName: id, RoleName: role });
      await orGone(removal, "NoSuchEntity");
    }
    await orGone(api.deleteInstanceProfile({ InstanceProfileName: id }), "NoSuchEntity");
  },
};

export const iamResources = {
  "aws:iam/role:Role": role,
  "aws:iam/rolePolicy:RolePolicy": rolePolicy,
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": rolePolicyAttachment,
  "aws:iam/instanceProfile:InstanceProfile": instanceProfile,
};

import { ec2 } from "./clients.ts";
import { type CloudFormation, inputsOf, translate } from "./cloudformation.ts";
import { lowered } from "./operations.ts";
import type { Row } from "./row.ts";
import { when } from "./schemas.ts";
import { fromTags } from "./tags.ts";
import type { Props } from "./values.ts";

const template: CloudFormation = {
  type: "AWS::EC2::LaunchTemplate",
  within: "LaunchTemplateData",
  names: {
    name: "LaunchTemplateName",
    description: "VersionDescription",
    tags: null,
    updateDefaultVersion: null,
    vpcSecurityGroupIds: "LaunchTemplateData.SecurityGroupIds",
    "networkInterfaces.associatePublicIpAddress": "LaunchTemplateData.NetworkInterfaces[].AssociatePublicIpAddress",
    "networkInterfaces.deleteOnTermination": "LaunchTemplateData.NetworkInterfaces[].DeleteOnTermination",
    "networkInterfaces.deviceIndex": "LaunchTemplateData.NetworkInterfaces[].DeviceIndex",
    "networkInterfaces.securityGroups": "LaunchTemplateData.NetworkInterfaces[].Groups",
  },
  only: [
    ...["blockDeviceMappings", "creditSpecification", "ebsOptimized", "iamInstanceProfile"],
    ...["imageId", "instanceType", "metadataOptions", "monitoring", "tagSpecifications", "userData"],
  ],
  sets: ["vpcSecurityGroupIds", "networkInterfaces.securityGroups"],
  rules: {
    properties: {
      // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html
      LaunchTemplateName: { minLength: 3, maxLength: 128, pattern: "^[a-zA-Z0-9().\\-/_]+$" },
      LaunchTemplateData: {
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html
        dependentExcluded: { SecurityGroupIds: ["NetworkInterfaces"] },
        properties: {
          CreditSpecification: { properties: { CpuCredits: { enum: ["standard", "unlimited"] } } },
          // 16 KB, encoded: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
          UserData: { maxLength: 21848, pattern: "^[A-Za-z0-9+/]*={0,2}$" },
          // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html: cfn-lint's rule, and the most there can be.
          TagSpecifications: { items: { $ref: "E3024", properties: { Tags: { maxItems: 50 } } } },
          MetadataOptions: { properties: { HttpPutResponseHopLimit: { minimum: 1, maximum: 64 } } },
        },
        // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances.html
        ...when(
          { required: ["CreditSpecification", "InstanceType"] },
          { properties: { InstanceType: { pattern: "^t\\d" } } },
        ),
      },
    },
  },
};

const described = { cloudFormation: template, inputs: inputsOf(template) };

/** A version, as calls take it: all of it, for the provider bases none on an earlier one. To it, an interface without an index is the first. */
const version = (inputs: Props) => {
  const networkInterfaces = inputs.networkInterfaces?.map((each: Props) => ({ deviceIndex: 0, ...each }));
  return translate(described, { ...inputs, networkInterfaces }).properties as { LaunchTemplateData: object };
};

/** Versions do not change: what differs is in a new one. */
async function update(LaunchTemplateId: string, inputs: Props, changed: readonly string[]): Promise<void> {
  const { LaunchTemplateName: _, ...next } = version(inputs) as Props & { LaunchTemplateData: object };
  if (changed.some((input) => input !== "updateDefaultVersion")) {
    await ec2().createLaunchTemplateVersion({ LaunchTemplateId, ...next });
  }
  if (!inputs.updateDefaultVersion) return;
  const { LaunchTemplates: [now] = [] } = await ec2().describeLaunchTemplates({
    LaunchTemplateIds: [LaunchTemplateId],
  });
  await ec2().modifyLaunchTemplate({ LaunchTemplateId, DefaultVersion: String(now?.LatestVersionNumber) });
}

/** The latest version, with the provider's names; all of its switches but monitoring's are texts there. */
async function latest({ launchTemplateId: LaunchTemplateId }: Props): Promise<Props> {
  const request = { LaunchTemplateId, Versions: ["$Latest"] };
  const { LaunchTemplateVersions: [found] = [] } = await ec2().describeLaunchTemplateVersions(request);
  const data: Props = JSON.parse(JSON.stringify(lowered(found?.LaunchTemplateData ?? {})), (key, value) => {
    if (key === "tags") return fromTags(value);
    return typeof value === "boolean" && key !== "enabled" ? String(value) : value;
  });
  return {
    ...data,
    description: found?.VersionDescription,
    vpcSecurityGroupIds: data.securityGroupIds,
    networkInterfaces: data.networkInterfaces?.map((each: Props) => ({ ...each, securityGroups: each.groups })),
  };
}

export const launchTemplateRow: Row = {
  ...template,
  price: "what is launched from it is charged",
  shows: ["instanceType"],
  calls: { create: "createLaunchTemplate", update, delete: "deleteLaunchTemplate" },
  requests: { createLaunchTemplate: (inputs) => lowered(version(inputs)) },
  more: latest,
  outputs: { latestVersion: "LatestVersionNumber", defaultVersion: "DefaultVersionNumber" },
};

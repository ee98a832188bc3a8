import { toLocalAddress } from "../../address.ts";
import { alive } from "../../lists.ts";
import { ec2 } from "./clients.ts";
import { lowered, operation } from "./operations.ts";
import { instancePrice } from "./prices.ts";
import { until } from "./provider.ts";
import type { Row } from "./row.ts";
import { when } from "./schemas.ts";
import { fromTags, retagEc2, toTags } from "./tags.ts";
import type { Props } from "./values.ts";

const rootDeviceName = "/dev/xvda"; // Amazon Linux's

function launch(inputs: Props): Props {
  const { subnetId, vpcSecurityGroupIds: groups, associatePublicIpAddress, rootBlockDevice: ebs, ...rest } = inputs;
  const { iamInstanceProfile: name, userData, monitoring: enabled = false, tags, volumeTags } = rest;
  const tagged = Object.entries({ instance: tags, volume: volumeTags }).filter(([, given]) => given);
  return {
    ...rest,
    minCount: 1,
    maxCount: 1,
    imageId: inputs.ami,
    // AWS takes no public address beside a subnet and groups that are not the interface's.
    networkInterfaces: { deviceIndex: 0, subnetId, groups, associatePublicIpAddress },
    iamInstanceProfile: name && { name },
    userData: userData && Buffer.from(userData).toString("base64"),
    blockDeviceMappings: ebs && { deviceName: rootDeviceName, ebs },
    monitoring: { enabled },
    tagSpecifications: tagged.map(([resourceType, given]) => ({ resourceType, tags: lowered(toTags(given)) })),
  };
}

/** What the list does not tell as the inputs have it. */
async function more(found: Props): Promise<Props> {
  const { instanceId: InstanceId, blockDeviceMappings = [] } = found;
  const root = blockDeviceMappings.find(({ deviceName }: Props) => deviceName === rootDeviceName)?.ebs;
  const [userData, volumes] = await Promise.all([
    ec2().describeInstanceAttribute({ InstanceId, Attribute: "userData" }),
    root && ec2().describeVolumes({ VolumeIds: [root.volumeId] }),
  ]);
  const volume = volumes?.Volumes?.[0];
  return {
    vpcSecurityGroupIds: found.securityGroups?.map(({ groupId }: Props) => groupId) ?? [],
    associatePublicIpAddress: publicAddress(found) !== "",
    iamInstanceProfile: found.iamInstanceProfile?.arn?.split("/").at(-1) ?? "",
    userData: Buffer.from(userData.UserData?.Value ?? "", "base64").toString(),
    // What the root device's properties are in.
    blockDeviceMappings: volume && {
      deviceName: rootDeviceName,
      volumeId: volume.VolumeId,
      encrypted: volume.Encrypted,
      volumeType: volume.VolumeType,
      volumeSize: volume.Size,
      deleteOnTermination: root?.deleteOnTermination,
    },
    volumeTags: fromTags(volume?.Tags),
    monitoring: found.monitoring?.state === "enabled",
  };
}

const publicAddress = ({ publicIpAddress }: Props) => (publicIpAddress ? toLocalAddress(publicIpAddress) : "");

async function update(id: string, inputs: Props, changed: readonly string[], olds: Props): Promise<void> {
  const changes: Record<string, () => Promise<unknown>> = {
    metadataOptions: () =>
      operation("EC2", "modifyInstanceMetadataOptions").send({ instanceId: id, ...inputs.metadataOptions }),
    monitoring: () => ec2()[inputs.monitoring ? "monitorInstances" : "unmonitorInstances"]({ InstanceIds: [id] }),
    volumeTags: () => {
      const { volumeTags: tags = {} } = inputs;
      return retagEc2(olds.rootBlockDevice.volumeId, tags, missing(olds.volumeTags, tags));
    },
    // Not AWS's, but the provider's.
    userDataReplaceOnChange: async () => {},
  };
  for (const property of changed) {
    const known = Object.keys(changes).join(", ");
    if (!changes[property]) throw new Error(`${property} does not change in place in this cloud; what does: ${known}`);
    await changes[property]();
  }
}

const missing = (before: Props = {}, after: Props = {}) => Object.keys(before).filter((key) => !(key in after));

export const instanceRow: Row = {
  type: "AWS::EC2::Instance",
  names: {
    ami: "ImageId",
    subnetId: "NetworkInterfaces[].SubnetId",
    associatePublicIpAddress: "NetworkInterfaces[].AssociatePublicIpAddress",
    vpcSecurityGroupIds: "NetworkInterfaces[].GroupSet",
    userDataReplaceOnChange: null,
    "rootBlockDevice.encrypted": "BlockDeviceMappings[].Ebs.Encrypted",
    "rootBlockDevice.volumeType": "BlockDeviceMappings[].Ebs.VolumeType",
    "rootBlockDevice.volumeSize": "BlockDeviceMappings[].Ebs.VolumeSize",
    "rootBlockDevice.deleteOnTermination": "BlockDeviceMappings[].Ebs.DeleteOnTermination",
    volumeTags: null,
    "creditSpecification.cpuCredits": "CreditSpecification.CPUCredits",
  },
  only: [
    ...["ebsOptimized", "iamInstanceProfile", "instanceType", "metadataOptions"],
    ...["monitoring", "tags", "userData"],
  ],
  required: ["ami", "instanceType", "subnetId"],
  replace: ["ebsOptimized", "rootBlockDevice.encrypted"],
  inPlace: ["vpcSecurityGroupIds"],
  sets: ["vpcSecurityGroupIds"],
  fixed: { "NetworkInterfaces[0].DeviceIndex": "0", "BlockDeviceMappings[0].DeviceName": rootDeviceName },
  rules: {
    properties: {
      // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreditSpecificationRequest.html
      CreditSpecification: { properties: { CPUCredits: { enum: ["standard", "unlimited"] } } },
      // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
      UserData: { holds: ["not have more bytes than 16384", (text: string) => Buffer.byteLength(text) <= 16_384] },
    },
    // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances.html
    ...when({ required: ["CreditSpecification"] }, { properties: { InstanceType: { pattern: "^t\\d" } } }),
  },
  price: instancePrice,
  shows: ["instanceType"],
  calls: { create: "runInstances", update, delete: "terminateInstances" },
  requests: { runInstances: launch },
  isReady: ({ state }) => state.name === "running",
  list: ["describeInstances", "Reservations.Instances"],
  // Those that are gone stay listed; what Auto Scaling launched belongs to its group.
  isOwn: ({ state, tags }) =>
    alive.Values.includes(state.name) && !tags?.some(({ Key }: Props) => Key === "aws:autoscaling:groupName"),
  more,
  outputs: { privateIp: "PrivateIpAddress", publicIp: publicAddress },
  unlike: (made) => ({
    replaceIf: (changed, inputs) =>
      inputs.userDataReplaceOnChange === true && changed.includes("userData") ? ["userData"] : [],
    async delete(id, state) {
      await made.delete(id, state);
      await until(async () => !(await made.read(id, {})));
    },
  }),
};

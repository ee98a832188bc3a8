import type { Instance } from "@aws-sdk/client-ec2";
import { toLocalAddress } from "../../address.ts";
import { type Launch, launch } from "../../launch.ts";
import { alive, liveInstances } from "../../lists.ts";
import { ec2 } from "./clients.ts";
import { lowered } from "./operations.ts";
import { instancePrice } from "./prices.ts";
import { orGone, until } from "./provider.ts";
import type { Row } from "./row.ts";
import { arn, fromTags, retagEc2, tagged } from "./tags.ts";
import { capital, type Props } from "./values.ts";

async function find(id: string): Promise<Instance | undefined> {
  const call = ec2().describeInstances({ InstanceIds: [id] });
  return (await orGone(call))?.Reservations?.[0]?.Instances?.[0];
}

const untilInstance = (id: string, isReached: (instance: Instance | undefined) => boolean) =>
  until(async () => isReached(await find(id)));

const encode = (text: string) => Buffer.from(text).toString("base64");

/** AWS wants an interface spelled out as soon as its public address is asked for or refused. */
function network(inputs: Props): Partial<Launch> {
  const { subnetId: SubnetId, vpcSecurityGroupIds: SecurityGroupIds, associatePublicIpAddress } = inputs;
  if (associatePublicIpAddress === undefined) return { SubnetId, SecurityGroupIds };
  return {
    NetworkInterfaces: [
      { DeviceIndex: 0, SubnetId, Groups: SecurityGroupIds, AssociatePublicIpAddress: associatePublicIpAddress },
    ],
  };
}

const capitals = (options: Props = {}): Props =>
  Object.fromEntries(Object.entries(options).map(([option, value]) => [capital(option), value]));

async function create(inputs: Props): Promise<string> {
  const { rootBlockDevice: root, creditSpecification: credit, metadataOptions } = inputs;
  const { tags: rootTags, ...ebs } = root ?? {};
  const DeviceName = root && (await ec2().describeImages({ ImageIds: [inputs.ami] })).Images?.[0]?.RootDeviceName;
  const id = await launch(ec2(), {
    ImageId: inputs.ami,
    InstanceType: inputs.instanceType,
    ...network(inputs),
    IamInstanceProfile: inputs.iamInstanceProfile ? { Name: inputs.iamInstanceProfile } : undefined,
    UserData: inputs.userData === undefined ? undefined : encode(inputs.userData),
    MetadataOptions: metadataOptions && capitals(metadataOptions),
    BlockDeviceMappings: root && [{ DeviceName, Ebs: capitals(ebs) }],
    Monitoring: { Enabled: inputs.monitoring ?? false },
    EbsOptimized: inputs.ebsOptimized,
    CreditSpecification: credit && { CpuCredits: credit.cpuCredits },
    TagSpecifications: [...tagged("instance", inputs.tags), ...tagged("volume", inputs.volumeTags)],
  });
  await untilInstance(id, (instance) => instance?.State?.Name === "running");
  if (rootTags) await retagEc2((await rootVolume(await find(id)))?.VolumeId ?? "", rootTags, []);
  return id;
}

const rootDevice = (instance?: Instance) =>
  instance?.BlockDeviceMappings?.find((device) => device.DeviceName === instance.RootDeviceName)?.Ebs;

async function rootVolume(instance?: Instance) {
  const id = rootDevice(instance)?.VolumeId;
  return id ? (await ec2().describeVolumes({ VolumeIds: [id] })).Volumes?.[0] : undefined;
}

async function read(id: string): Promise<Props | undefined> {
  const live = await find(id);
  if (!live || !alive.Values.includes(live.State?.Name ?? "")) return undefined;
  const [userData, ebs, volume] = await Promise.all([
    ec2().describeInstanceAttribute({ InstanceId: id, Attribute: "userData" }),
    ec2().describeInstanceAttribute({ InstanceId: id, Attribute: "ebsOptimized" }),
    rootVolume(live),
  ]);
  const address = live.PublicIpAddress ? toLocalAddress(live.PublicIpAddress) : "";
  const owner = live.NetworkInterfaces?.[0]?.OwnerId;
  return {
    instanceType: live.InstanceType,
    subnetId: live.SubnetId,
    ami: live.ImageId,
    instanceState: live.State?.Name,
    arn: arn("ec2", owner, `instance/${id}`),
    availabilityZone: live.Placement?.AvailabilityZone,
    vpcSecurityGroupIds: live.SecurityGroups?.map((group) => group.GroupId) ?? [],
    primaryNetworkInterfaceId: live.NetworkInterfaces?.[0]?.NetworkInterfaceId,
    associatePublicIpAddress: address !== "",
    privateIp: live.PrivateIpAddress,
    privateDns: live.PrivateDnsName,
    publicIp: address,
    // A name of amazonaws.com would lead out of the local cloud.
    publicDns: address,
    iamInstanceProfile: live.IamInstanceProfile?.Arn?.split("/").at(-1) ?? "",
    userData: Buffer.from(userData.UserData?.Value ?? "", "base64").toString(),
    metadataOptions: lowered(live.MetadataOptions ?? {}),
    rootBlockDevice: volume && {
      volumeId: volume.VolumeId,
      encrypted: volume.Encrypted,
      volumeType: volume.VolumeType,
      deviceName: live.RootDeviceName,
      volumeSize: volume.Size,
      deleteOnTermination: rootDevice(live)?.DeleteOnTermination,
      tags: fromTags(volume.Tags),
    },
    volumeTags: fromTags(volume?.Tags),
    monitoring: live.Monitoring?.State === "enabled",
    ebsOptimized: ebs.EbsOptimized?.Value ?? false,
    tags: fromTags(live.Tags),
  };
}

async function update(id: string, inputs: Props, changed: readonly string[], olds: Props): Promise<void> {
  const changes: Record<string, () => Promise<unknown>> = {
    metadataOptions: () => ec2().modifyInstanceMetadataOptions({ InstanceId: id, ...capitals(inputs.metadataOptions) }),
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

async function terminate(id: string) {
  await orGone(ec2().terminateInstances({ InstanceIds: [id] }));
  await untilInstance(id, (instance) => !instance || instance.State?.Name === "terminated");
}

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
    "rootBlockDevice.tags": null,
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
  fixed: { "NetworkInterfaces[0].DeviceIndex": "0", "BlockDeviceMappings[0].DeviceName": "/dev/xvda" },
  rules: {
    properties: {
      // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreditSpecificationRequest.html
      CreditSpecification: { properties: { CPUCredits: { enum: ["standard", "unlimited"] } } },
      // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html
      UserData: { maxBytes: 16384 },
    },
    // https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-performance-instances.html
    if: { required: ["CreditSpecification"] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word
    then: { properties: { InstanceType: { pattern: "^t\\d" } } },
  },
  price: instancePrice,
  shows: ["instanceType"],
  calls: { create, update, delete: "terminateInstances" },
  unlike: () => ({
    replaceIf: (changed, inputs) =>
      inputs.userDataReplaceOnChange === true && changed.includes("userData") ? ["userData"] : [],
    read,
    delete: terminate,
    // What Auto Scaling launched belongs to its group.
    list: async () =>
      (await liveInstances(ec2()))
        .filter(({ Tags }) => !Tags?.some(({ Key }) => Key === "aws:autoscaling:groupName"))
        .map((item) => ({ id: item.InstanceId ?? "", item })),
  }),
};

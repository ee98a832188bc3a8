import { toLocalAddress } from "../../address.ts";
import { alive } from "../../lists.ts";
import { ec2 } from "./clients.ts";
import { instancePrice } from "./prices.ts";
import { until } from "./provider.ts";
import type { Row } from "./row.ts";
import { when } from "./schemas.ts";
import { fromTags, retagEc2, tagged } from "./tags.ts";
import { capital, type Props } from "./values.ts";

const encode = (text: string) => Buffer.from(text).toString("base64");

const capitals = (options: Props = {}): Props =>
  Object.fromEntries(Object.entries(options).map(([option, value]) => [capital(option), value]));

async function create(inputs: Props): Promise<string> {
  const { rootBlockDevice: root, creditSpecification: credit, metadataOptions, subnetId: SubnetId } = inputs;
  const { vpcSecurityGroupIds: Groups, associatePublicIpAddress: AssociatePublicIpAddress } = inputs;
  const DeviceName = root && (await ec2().describeImages({ ImageIds: [inputs.ami] })).Images?.[0]?.RootDeviceName;
  const { Instances } = await ec2().runInstances({
    MinCount: 1,
    MaxCount: 1,
    ImageId: inputs.ami,
    InstanceType: inputs.instanceType,
    // AWS takes no public address beside a subnet and groups that are not the interface's.
    NetworkInterfaces: [{ DeviceIndex: 0, SubnetId, Groups, AssociatePublicIpAddress }],
    IamInstanceProfile: inputs.iamInstanceProfile ? { Name: inputs.iamInstanceProfile } : undefined,
    UserData: inputs.userData === undefined ? undefined : encode(inputs.userData),
    MetadataOptions: metadataOptions && capitals(metadataOptions),
    BlockDeviceMappings: root && [{ DeviceName, Ebs: capitals(root) }],
    Monitoring: { Enabled: inputs.monitoring ?? false },
    EbsOptimized: inputs.ebsOptimized,
    CreditSpecification: credit && { CpuCredits: credit.cpuCredits },
    TagSpecifications: [...tagged("instance", inputs.tags), ...tagged("volume", inputs.volumeTags)],
  });
  return Instances?.[0]?.InstanceId ?? "";
}

const rootDevice = ({ blockDeviceMappings = [], rootDeviceName }: Props): Props | undefined =>
  blockDeviceMappings.find(({ deviceName }: Props) => deviceName === rootDeviceName)?.ebs;

/** What the list does not tell as the inputs have it. */
async function more(found: Props): Promise<Props> {
  const { instanceId: InstanceId, rootDeviceName: deviceName } = found;
  const root = rootDevice(found);
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
      deviceName,
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
  fixed: { "NetworkInterfaces[0].DeviceIndex": "0", "BlockDeviceMappings[0].DeviceName": "/dev/xvda" },
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
  calls: { create, update, delete: "terminateInstances" },
  isReady: ({ state }) => state.name === "running",
  list: ["describeInstances", "Reservations.Instances"],
  // Those that are gone stay listed; what Auto Scaling launched belongs to its group.
  isOwn: ({ state, tags }) =>
    alive.Values.includes(state.name) && !tags?.some(({ Key }: Props) => Key === "aws:autoscaling:groupName"),
  more,
  outputs: {
    instanceState: "State.Name",
    availabilityZone: "Placement.AvailabilityZone",
    primaryNetworkInterfaceId: "NetworkInterfaces[].NetworkInterfaceId",
    privateIp: "PrivateIpAddress",
    privateDns: "PrivateDnsName",
    publicIp: publicAddress,
    // A name of amazonaws.com would lead out of the local cloud.
    publicDns: publicAddress,
  },
  unlike: (made) => ({
    replaceIf: (changed, inputs) =>
      inputs.userDataReplaceOnChange === true && changed.includes("userData") ? ["userData"] : [],
    async delete(id, state) {
      await made.delete(id, state);
      await until(async () => !(await made.read(id, {})));
    },
  }),
};

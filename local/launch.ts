import type { _InstanceType, EC2, Image, RunInstancesRequest } from "@aws-sdk/client-ec2";
import { refuse } from "./refuse.ts";

/** A RunInstances request for one instance. A launch template is resolved before, for moto ignores most of what is in one. */
export type Launch = Omit<RunInstancesRequest, "MinCount" | "MaxCount" | "LaunchTemplate">;

/**
 * Launches an instance as EC2 does: refuses what AWS refuses and moto does not, and does afterwards what moto forgets.
 *
 * @returns Its id.
 */
export async function launch(api: EC2, request: Launch): Promise<string> {
  const image = await checkLaunch(api, request.ImageId ?? "", request.InstanceType);
  const BlockDeviceMappings = request.BlockDeviceMappings?.map((mapping) => completed(mapping, image));
  const { Instances } = await api.runInstances({ ...request, BlockDeviceMappings, MinCount: 1, MaxCount: 1 });
  const InstanceId = Instances?.[0]?.InstanceId ?? "";
  const { Groups } = request.NetworkInterfaces?.[0] ?? {};
  if (Groups) await api.modifyInstanceAttribute({ InstanceId, Groups });
  const { Tags } = request.TagSpecifications?.find((each) => each.ResourceType === "network-interface") ?? {};
  if (Tags) {
    const Resources = Instances?.[0]?.NetworkInterfaces?.map((each) => each.NetworkInterfaceId ?? "");
    await api.createTags({ Resources, Tags });
  }
  return InstanceId;
}

/** Refuses an image that there is not, and one of another architecture than the type's. */
async function checkLaunch(api: EC2, ami: string, instanceType?: _InstanceType): Promise<Image> {
  const { Images } = await api.describeImages({ ImageIds: [ami] });
  const image = Images?.[0] ?? refuse("InvalidAMIID.NotFound", `The image id '[${ami}]' does not exist`);
  const { InstanceTypes } = await api.describeInstanceTypes({ InstanceTypes: instanceType && [instanceType] });
  const architectures: string[] = InstanceTypes?.[0]?.ProcessorInfo?.SupportedArchitectures ?? [];
  if (!architectures.includes(image.Architecture ?? "")) {
    refuse(
      "InvalidParameterValue",
      `The architecture '${architectures}' of the specified instance type does not match the architecture '${image.Architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.`,
    );
  }
  return image;
}

type Mapping = NonNullable<RunInstancesRequest["BlockDeviceMappings"]>[number];

/** A device of the image keeps what the launch does not say of it. */
function completed(mapping: Mapping, image: Image): Mapping {
  const own = image.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === mapping.DeviceName)?.Ebs;
  const given = Object.entries(mapping.Ebs ?? {}).filter(([, value]) => value !== undefined);
  const Ebs = { VolumeType: own?.VolumeType, VolumeSize: own?.VolumeSize, DeleteOnTermination: true };
  return { ...mapping, Ebs: { ...Ebs, ...Object.fromEntries(given) } };
}

import { EC2, EC2Client } from "@aws-sdk/client-ec2";
import { beforeEach, expect, test } from "vitest";
import { type Launch, launch } from "../../../local/launch.ts";
import { type Asked, answering, changes } from "../../support/sdk.ts";

const root = { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, VolumeType: "gp2", DeleteOnTermination: false } };
const image = { ImageId: "ami-1", Architecture: "arm64", BlockDeviceMappings: [root] };
const client = new EC2({ region: "ap-northeast-2" });
let asked: Asked[];

beforeEach(() => {
  asked = answering([EC2Client], (action, { ImageIds, InstanceTypes }) => {
    if (action === "DescribeImages") return { Images: ImageIds[0] === "ami-1" ? [image] : [] };
    if (action === "DescribeInstanceTypes") {
      const architecture = InstanceTypes[0] === "t4g.small" ? "arm64" : "x86_64";
      return { InstanceTypes: [{ ProcessorInfo: { SupportedArchitectures: [architecture] } }] };
    }
    return { Instances: [{ InstanceId: "i-1", NetworkInterfaces: [{ NetworkInterfaceId: "eni-1" }] }] };
  });
});

test.each([
  ["an unknown image", { ImageId: "ami-2" }, "InvalidAMIID.NotFound", "The image id '[ami-2]' does not exist"],
  [
    "an image of another architecture",
    { InstanceType: "t3.small" },
    "InvalidParameterValue",
    "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'",
  ],
])("a launch with %s is refused before anything is made", async (_, change, name, message) => {
  const request = { ImageId: "ami-1", InstanceType: "t4g.small", ...change } as Launch;
  await expect(launch(client, request)).rejects.toMatchObject({
    name,
    message: expect.stringContaining(message),
  });
  expect(changes(asked)).toEqual([]);
});

test("a launch makes one instance, whose volume has what the image says where the request says nothing", async () => {
  const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs: { Encrypted: true, VolumeType: "gp3" as const } }];
  const request = { ImageId: "ami-1", InstanceType: "t4g.small" as const, UserData: "IyEK", BlockDeviceMappings };
  expect(await launch(client, request)).toBe("i-1");
  const Ebs = { Encrypted: true, VolumeType: "gp3", VolumeSize: 8, DeleteOnTermination: true };
  const completed = [{ DeviceName: "/dev/xvda", Ebs }];
  expect(changes(asked)).toEqual([
    { action: "RunInstances", ...request, MinCount: 1, MaxCount: 1, BlockDeviceMappings: completed },
  ]);
});

test("a launch makes up for what moto forgets: the interface's groups and its tags", async () => {
  const Tags = [{ Key: "Name", Value: "graviton" }];
  await launch(client, {
    ImageId: "ami-1",
    InstanceType: "t4g.small",
    NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: "subnet-1", Groups: ["sg-1"], AssociatePublicIpAddress: false }],
    TagSpecifications: [
      { ResourceType: "instance", Tags: [] },
      { ResourceType: "network-interface", Tags },
    ],
  });
  expect(changes(asked).slice(1)).toEqual([
    { action: "ModifyInstanceAttribute", InstanceId: "i-1", Groups: ["sg-1"] },
    { action: "CreateTags", Resources: ["eni-1"], Tags },
  ]);
});

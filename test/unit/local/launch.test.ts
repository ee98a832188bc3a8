import type { EC2 } from "@aws-sdk/client-ec2";
import { expect, test, vi } from "vitest";
import { launch } from "../../../local/launch.ts";

const root = { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, VolumeType: "gp2", DeleteOnTermination: false } };

function api() {
  const image = { ImageId: "ami-1", Architecture: "arm64", BlockDeviceMappings: [root] };
  const calls = {
    describeImages: vi.fn(async ({ ImageIds: [id] }) => ({ Images: id === "ami-1" ? [image] : [] })),
    describeInstanceTypes: vi.fn(async ({ InstanceTypes: [type] }) => ({
      InstanceTypes: [{ ProcessorInfo: { SupportedArchitectures: [type === "t4g.small" ? "arm64" : "x86_64"] } }],
    })),
    runInstances: vi.fn(async (_: object) => ({
      Instances: [{ InstanceId: "i-1", NetworkInterfaces: [{ NetworkInterfaceId: "eni-1" }] }],
    })),
    modifyInstanceAttribute: vi.fn(async (_: object) => ({})),
    createTags: vi.fn(async (_: object) => ({})),
  };
  return { ...calls, client: calls as unknown as EC2 };
}

test.each([
  ["an unknown image", { ImageId: "ami-2" }, "InvalidAMIID.NotFound", "The image id '[ami-2]' does not exist"],
  [
    "an image of another architecture",
    { InstanceType: "t3.small" },
    "InvalidParameterValue",
    "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'",
  ],
])("a launch with %s is refused before anything is made", async (_, change, name, message) => {
  const { client, runInstances } = api();
  const request = { ImageId: "ami-1", InstanceType: "t4g.small", ...change };
  await expect(launch(client, request as Parameters<typeof launch>[1])).rejects.toMatchObject({
    name,
    message: expect.stringContaining(message),
  });
  expect(runInstances).not.toHaveBeenCalled();
});

test("a launch makes one instance, whose volume has what the image says where the request says nothing", async () => {
  const { client, runInstances, modifyInstanceAttribute, createTags } = api();
  const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs: { Encrypted: true, VolumeType: "gp3" as const } }];
  const request = { ImageId: "ami-1", InstanceType: "t4g.small" as const, UserData: "IyEK", BlockDeviceMappings };
  expect(await launch(client, request)).toBe("i-1");
  expect(runInstances).toHaveBeenCalledExactlyOnceWith({
    ...request,
    MinCount: 1,
    MaxCount: 1,
    BlockDeviceMappings: [
      {
        DeviceName: "/dev/xvda",
        Ebs: { Encrypted: true, VolumeType: "gp3", VolumeSize: 8, DeleteOnTermination: true },
      },
    ],
  });
  expect(modifyInstanceAttribute).not.toHaveBeenCalled();
  expect(createTags).not.toHaveBeenCalled();
});

test("a launch makes up for what moto forgets: the interface's groups and its tags", async () => {
  const { client, modifyInstanceAttribute, createTags } = api();
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
  expect(modifyInstanceAttribute.mock.calls).toEqual([[{ InstanceId: "i-1", Groups: ["sg-1"] }]]);
  expect(createTags).toHaveBeenCalledExactlyOnceWith({ Resources: ["eni-1"], Tags });
});

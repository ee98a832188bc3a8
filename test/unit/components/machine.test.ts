import { beforeEach, expect, test } from "vitest";
import { Machine } from "../../../components/machine.ts";
import { userData } from "../../../components/user-data.ts";
import { launchArgs } from "../../support/machine.ts";
import { mock, only, settle } from "../../support/mocks.ts";

beforeEach(() => mock());

const args = { ...launchArgs, subnetId: "subnet-1", configs: {}, verificationTimeout: 600 };

test("a machine of its architecture: IMDSv2 with one hop, encrypted, no key, replaced by new user data", async () => {
  await settle(new Machine("app-graviton", args).url);
  const { inputs, ignoreChanges, replaceOnChanges } = only("aws:ec2/instance:Instance");
  expect(ignoreChanges).toEqual(["ami"]);
  expect(replaceOnChanges).toEqual([
    ...["rootBlockDevice.volumeSize", "vpcSecurityGroupIds", "creditSpecification", "iamInstanceProfile"],
    ...["instanceType", "rootBlockDevice.volumeType"],
  ]);
  expect(inputs).toEqual({
    ami: "ami-1",
    instanceType: "t4g.small",
    subnetId: "subnet-1",
    vpcSecurityGroupIds: ["sg-1"],
    iamInstanceProfile: "profile",
    associatePublicIpAddress: true,
    userData: userData(args),
    userDataReplaceOnChange: true,
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    rootBlockDevice: { encrypted: true, volumeType: "gp3", volumeSize: 8, deleteOnTermination: true },
    ebsOptimized: true,
    monitoring: true,
    creditSpecification: { cpuCredits: "unlimited" },
    tags: { Name: "app-graviton" },
    volumeTags: { Name: "app-graviton" },
  });
});

test("the address names the port where it is not HTTP's own", async () => {
  const [plain, other] = [new Machine("a", args), new Machine("b", { ...args, port: 8080 })];
  expect(await settle(plain.url, other.url)).toEqual(["http://203.0.113.7", "http://203.0.113.7:8080"]);
});

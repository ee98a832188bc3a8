import { expect, test } from "vitest";
import { MachineGroup, type MachineGroupArgs } from "../../../components/machine-group.ts";
import { userData } from "../../../components/user-data.ts";
import { launchArgs } from "../../support/machine.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

const args = {
  ...launchArgs,
  subnetIds: ["subnet-3", "subnet-4"],
  publicAddress: false,
  min: 2,
  max: 5,
  address: "balancer.example",
  targetGroupArn: "arn:targets",
  configs: { "linux/arm64": "sha256:arm64" },
  verificationTimeout: 300,
  protect: false,
} satisfies MachineGroupArgs;

async function group(more: Partial<MachineGroupArgs> = {}) {
  await mock();
  return settle(new MachineGroup("app-graviton", { ...args, ...more }).proof);
}

const template = () => only("aws:ec2/launchTemplate:LaunchTemplate").inputs;

test("machines are launched as instances are: IMDSv2 with one hop, encrypted, private, with the same user data", async () => {
  await group();
  const { userData: encoded, ...inputs } = template();
  expect(inputs).toEqual({
    imageId: "ami-1",
    instanceType: "t4g.small",
    iamInstanceProfile: { name: "profile" },
    networkInterfaces: [{ associatePublicIpAddress: "false", securityGroups: ["sg-1"], deleteOnTermination: "true" }],
    blockDeviceMappings: [
      {
        deviceName: "/dev/xvda",
        ebs: { encrypted: "true", volumeType: "gp3", volumeSize: 8, deleteOnTermination: "true" },
      },
    ],
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    creditSpecification: { cpuCredits: "unlimited" },
    ebsOptimized: "true",
    monitoring: { enabled: true },
    tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({
      resourceType,
      tags: { Name: "app-graviton" },
    })),
    updateDefaultVersion: true,
    tags: { Name: "app-graviton" },
  });
  expect(Buffer.from(encoded as string, "base64").toString()).toBe(userData(args));
});

test("machines with an address of their own have one where they are asked to", async () => {
  await group({ publicAddress: true });
  expect(template().networkInterfaces).toMatchObject([{ associatePublicIpAddress: "true" }]);
});

test("the group is in every subnet, behind the load balancer, and the template's new version is not its own yet", async () => {
  await group();
  const { inputs, ignoreChanges, replaceOnChanges } = only("aws:autoscaling/group:Group");
  expect(inputs).toEqual({
    launchTemplate: { id: "app-graviton-id", version: "3" },
    minSize: 2,
    maxSize: 5,
    desiredCapacity: 2,
    vpcZoneIdentifiers: ["subnet-3", "subnet-4"],
    targetGroupArns: ["arn:targets"],
    healthCheckType: "ELB",
    healthCheckGracePeriod: 300,
    defaultInstanceWarmup: 60,
    instanceMaintenancePolicy: { minHealthyPercentage: 100, maxHealthyPercentage: 200 },
    waitForCapacityTimeout: "0",
    enabledMetrics: ["GroupInServiceInstances"],
    tags: [{ key: "Name", value: "app-graviton", propagateAtLaunch: true }],
  });
  expect(ignoreChanges).toEqual(["launchTemplate"]);
  expect(replaceOnChanges).toEqual(["targetGroupArns"]);
});

test("a machine is not replaced before the time is over that it may take", async () => {
  await group({ verificationTimeout: 1200 });
  expect(only("aws:autoscaling/group:Group").inputs.healthCheckGracePeriod).toBe(1200);
  await group({ verificationTimeout: 30 });
  expect(only("aws:autoscaling/group:Group").inputs.healthCheckGracePeriod).toBe(300);
});

test("the template's newest version is rolled out, and what was rolled out is proven", async () => {
  const [proof] = await group({ domain: "app.example.com" });
  expect(only("pulumi-nodejs:dynamic/hono-app:Rollout").inputs).toMatchObject({
    groupName: "app-graviton",
    template: "app-graviton-id:3",
    targetGroupArn: "arn:targets",
    logGroup: "hono-app-machines-1",
    timeout: 300,
    size: 2,
  });
  expect(only("pulumi-nodejs:dynamic/hono-app:GroupVerification")).toMatchObject({
    inputs: {
      address: "balancer.example",
      domain: "app.example.com",
      template: "app-graviton-id:3",
      min: 2,
      timeout: 300,
    },
    dependsOn: expect.arrayContaining(["pulumi-nodejs:dynamic/hono-app:Rollout app-graviton"]),
  });
  const { outputs } = only("hono-app:index:MachineGroup");
  expect(outputs).toEqual({ groupName: "app-graviton", instanceType: "t4g.small", proof });
});

test("it scales by its processors' time where a percentage is given", async () => {
  await group();
  expect(find("aws:autoscaling/policy:Policy")).toEqual([]);
  await group({ cpuTarget: 60 });
  expect(only("aws:autoscaling/policy:Policy").inputs).toEqual({
    autoscalingGroupName: "app-graviton",
    policyType: "TargetTrackingScaling",
    targetTrackingConfiguration: {
      predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" },
      targetValue: 60,
    },
  });
  const { inputs, ignoreChanges } = only("aws:autoscaling/group:Group");
  expect(inputs).not.toHaveProperty("desiredCapacity");
  expect(ignoreChanges).toEqual(["launchTemplate"]);
  expect(only("pulumi-nodejs:dynamic/hono-app:Rollout").inputs).not.toHaveProperty("size");
});

test("who is on call hears of machines that are missing, where there is a topic", async () => {
  await group();
  expect(find("aws:cloudwatch/metricAlarm:MetricAlarm")).toEqual([]);
  await group({ alarmTopic: "arn:topic" });
  expect(only("aws:cloudwatch/metricAlarm:MetricAlarm").inputs).toMatchObject({
    alarmDescription:
      'hono-app, stack dev: app-graviton has had fewer machines than machinesMin for five minutes. What to do: docs/fleet.md, "At night"',
    namespace: "AWS/AutoScaling",
    metricName: "GroupInServiceInstances",
    statistic: "Minimum",
    period: 60,
    dimensions: { AutoScalingGroupName: "app-graviton" },
    comparisonOperator: "LessThanThreshold",
    threshold: 2,
    evaluationPeriods: 5,
    alarmActions: ["arn:topic"],
    okActions: ["arn:topic"],
  });
});

test("a newer AMI is kept back until a release, unless it is to be taken at once", async () => {
  const occasion = () => only("pulumi-nodejs:dynamic/hono-app:KeptAmi").inputs.occasion;
  await group();
  const first = occasion();
  for (const [more, isSame] of [
    [{ ami: "ami-2", min: 1 }, true],
    [{ instanceType: "t4g.large" }, false],
    [{ volumeSize: 9 }, false],
    [{ publicAddress: true }, false],
    [{ securityGroupId: "sg-2" }, false],
    [{ instanceProfile: "other" }, false],
    [{ image: { ...args.image, digest: "sha256:other" } }, false],
  ] as const) {
    await group(more);
    expect(occasion() === first, JSON.stringify(more)).toBe(isSame);
  }
  await group({ amiUpdate: "latest", ami: "ami-2" });
  expect(find("pulumi-nodejs:dynamic/hono-app:KeptAmi")).toEqual([]);
  expect(template().imageId).toBe("ami-2");
});

import { hash } from "node:crypto";
import { Group } from "@pulumi/aws/autoscaling/group.js";
import { Policy } from "@pulumi/aws/autoscaling/policy.js";
import { MetricAlarm } from "@pulumi/aws/cloudwatch/metricAlarm.js";
import { LaunchTemplate } from "@pulumi/aws/ec2/launchTemplate.js";
import * as pulumi from "@pulumi/pulumi";
import { alarmInputs } from "./alarms.ts";
import type { GroupProof, GroupProofArgs } from "./group-proof.ts";
import { GroupVerification } from "./group-verification.ts";
import { KeptAmi } from "./kept-ami.ts";
import { inputsOf, type LaunchArgs, launchSettings, proofOf } from "./launch-settings.ts";
import { Rollout } from "./rollout.ts";

export interface MachineGroupArgs extends LaunchArgs, Pick<GroupProofArgs, "address" | "domain" | "targetGroupArn"> {
  /** A subnet in each zone. */
  subnetIds: pulumi.Input<pulumi.Input<string>[]>;
  /** Whether each machine has a public address. */
  publicAddress: boolean;
  /** Fewest machines. */
  min: number;
  /** Most machines; a release needs one more than there are. */
  max: number;
  /** Average CPU utilization, in percent, that the group keeps by adding and removing machines. @default none: as many machines as `min` */
  cpuTarget?: number;
  /** ARN of the SNS topic that gets a message when the group has too few machines. @default none */
  alarmTopic?: string;
  /** Whether Pulumi refuses to delete the group. What belongs to it can change. */
  protect: boolean;
}

/** @see https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html */
const inService = "GroupInServiceInstances";

/**
 * Machines of one architecture, over the zones: replaced when they die, released by a refresh, and each proven. A release gives the
 * group its version only when every machine of that version has proven itself.
 */
export class MachineGroup extends pulumi.ComponentResource {
  readonly groupName: pulumi.Output<string>;
  readonly instanceType: string;
  readonly proof: pulumi.Output<GroupProof>;

  constructor(name: string, args: MachineGroupArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:MachineGroup", name, inputsOf(args), opts);
    const { address, domain, targetGroupArn, subnetIds, min, cpuTarget, alarmTopic } = args;
    const { instanceType, volumeSize, publicAddress, securityGroupId, instanceProfile } = args;
    const { volume, userData, ebsOptimized, monitoring, ...settings } = launchSettings(args);
    const { encrypted, deleteOnTermination } = volume;
    const parent = { parent: this };
    const tags = { Name: name };
    const occasion = pulumi
      .all([instanceType, volumeSize, publicAddress, securityGroupId, instanceProfile, userData])
      .apply((all) => hash("sha256", all.join(" ")));
    const { ami } = new KeptAmi(name, { newest: args.ami, amiUpdate: args.amiUpdate, occasion }, parent);

    const template = new LaunchTemplate(
      name,
      {
        ...settings,
        imageId: ami,
        userData: userData.apply((text) => Buffer.from(text).toString("base64")),
        iamInstanceProfile: { name: instanceProfile },
        networkInterfaces: [
          {
            associatePublicIpAddress: String(publicAddress),
            securityGroups: [securityGroupId],
            deleteOnTermination: "true",
          },
        ],
        // Amazon Linux's root device. A launch template takes these as text.
        blockDeviceMappings: [
          {
            deviceName: "/dev/xvda",
            ebs: { ...volume, encrypted: String(encrypted), deleteOnTermination: String(deleteOnTermination) },
          },
        ],
        ebsOptimized: String(ebsOptimized),
        monitoring: { enabled: monitoring },
        tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
        updateDefaultVersion: true,
        tags,
      },
      parent,
    );
    const version = template.latestVersion.apply(String);

    // A group that scales has the number that its policy gives it.
    const size = cpuTarget === undefined ? min : undefined;

    const group = new Group(
      name,
      {
        launchTemplate: { id: template.id, version },
        minSize: min,
        maxSize: args.max,
        vpcZoneIdentifiers: subnetIds,
        targetGroupArns: [targetGroupArn],
        desiredCapacity: size,
        healthCheckType: "ELB",
        // A machine that still boots is not replaced for failing its health checks.
        healthCheckGracePeriod: Math.max(300, args.verificationTimeout),
        // For a minute a new machine does not count towards the CPU average, and no old one is terminated for it, even if AWS should count a
        // machine as healthy that has not been checked yet.
        defaultInstanceWarmup: 60,
        // An unhealthy machine, too, is terminated only when another serves.
        instanceMaintenancePolicy: { minHealthyPercentage: 100, maxHealthyPercentage: 200 },
        // The verification waits instead, and can say why a machine does not serve.
        waitForCapacityTimeout: "0",
        // For the alarm below. AWS collects it free of charge, but only on request.
        enabledMetrics: [inService],
        tags: [{ key: "Name", value: name, propagateAtLaunch: true }],
      },
      {
        ...parent,
        protect: args.protect,
        // The rollout sets the version.
        ignoreChanges: ["launchTemplate"],
        // In place, the provider detaches the old target group before it attaches the new one.
        replaceOnChanges: ["targetGroupArns"],
      },
    );
    if (cpuTarget !== undefined) {
      new Policy(
        name,
        {
          autoscalingGroupName: group.name,
          policyType: "TargetTrackingScaling",
          targetTrackingConfiguration: {
            predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" },
            targetValue: cpuTarget,
          },
        },
        parent,
      );
    }

    if (alarmTopic) {
      // The load balancer's alarms do not see this: a machine that is gone is not unhealthy.
      const meaning = `${name} has had fewer machines than machinesMin for five minutes`;
      new MetricAlarm(
        `${name}-missing`,
        {
          ...alarmInputs(alarmTopic, args.appName, meaning),
          namespace: "AWS/AutoScaling",
          metricName: inService,
          statistic: "Minimum",
          dimensions: { AutoScalingGroupName: group.name },
          comparisonOperator: "LessThanThreshold",
          threshold: min,
          evaluationPeriods: 5,
        },
        parent,
      );
    }

    const proof = { ...proofOf(args), address, domain, groupName: group.name, targetGroupArn };
    const newest = pulumi.interpolate`${template.id}:${version}`;
    const rollout = new Rollout(name, { ...proof, size, template: newest }, parent);
    const proven = { ...proof, min, subnetIds, template: rollout.template };
    const verification = new GroupVerification(name, proven, parent);

    this.groupName = group.name;
    this.instanceType = instanceType;
    this.proof = verification.proof;
    this.registerOutputs({ groupName: this.groupName, instanceType: this.instanceType, proof: this.proof });
  }

  /** What the stack's outputs say of it. */
  get summary() {
    return { group: this.groupName, type: this.instanceType, machines: this.proof.machines };
  }
}

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
    const { address, domain, targetGroupArn } = args;
    const { volume, userData, ebsOptimized, monitoring, ...settings } = launchSettings(args);
    const tags = { Name: name };
    const { instanceType, volumeSize, publicAddress, securityGroupId, instanceProfile } = args;
    const occasion = pulumi
      .all([instanceType, volumeSize, publicAddress, securityGroupId, instanceProfile, userData])
      .apply((all) => hash("sha256", all.join(" ")));
    const { ami } = new KeptAmi(name, { newest: args.ami, amiUpdate: args.amiUpdate, occasion }, { parent: this });

    const template = new LaunchTemplate(
      name,
      {
        ...settings,
        imageId: ami,
        userData: userData.apply((text) => Buffer.from(text).toString("base64")),
        iamInstanceProfile: { name: args.instanceProfile },
        networkInterfaces: [
          {
            associatePublicIpAddress: String(args.publicAddress),
            securityGroups: [args.securityGroupId],
            deleteOnTermination: "true",
          },
        ],
        // Amazon Linux's root device.
        blockDeviceMappings: [
          {
            deviceName: "/dev/xvda",
            ebs: {
              ...volume,
              encrypted: String(volume.encrypted),
              deleteOnTermination: String(volume.deleteOnTermination),
            },
          },
        ],
        ebsOptimized: String(ebsOptimized),
        monitoring: { enabled: monitoring },
        tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
        updateDefaultVersion: true,
        tags,
      },
      { parent: this },
    );
    const version = template.latestVersion.apply(String);

    // A group that scales has the number that its policy gives it.
    const size = args.cpuTarget === undefined ? args.min : undefined;

    const group = new Group(
      name,
      {
        launchTemplate: { id: template.id, version },
        minSize: args.min,
        maxSize: args.max,
        vpcZoneIdentifiers: args.subnetIds,
        targetGroupArns: [targetGroupArn],
        desiredCapacity: size,
        healthCheckType: "ELB",
        // A machine that boots is given the time to.
        healthCheckGracePeriod: Math.max(300, args.verificationTimeout),
        // Warm-up: for a minute a new machine does not count towards the CPU average, and no old one is terminated for it, even if AWS should count
        // a machine as healthy that has not been checked yet.
        defaultInstanceWarmup: 60,
        // A machine that is not well, too, is terminated only when another serves.
        instanceMaintenancePolicy: { minHealthyPercentage: 100, maxHealthyPercentage: 200 },
        // The verification waits, and knows why a machine does not serve.
        waitForCapacityTimeout: "0",
        // What the alarm below looks at. AWS collects it free of charge, but only where it is asked to.
        enabledMetrics: [inService],
        tags: [{ key: "Name", value: name, propagateAtLaunch: true }],
      },
      {
        parent: this,
        protect: args.protect,
        // The rollout sets the version.
        ignoreChanges: ["launchTemplate"],
        // Between two target groups the provider leaves it without any.
        replaceOnChanges: ["targetGroupArns"],
      },
    );
    if (args.cpuTarget !== undefined) {
      new Policy(
        name,
        {
          autoscalingGroupName: group.name,
          policyType: "TargetTrackingScaling",
          targetTrackingConfiguration: {
            predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" },
            targetValue: args.cpuTarget,
          },
        },
        { parent: this },
      );
    }

    if (args.alarmTopic) {
      // What is gone is not unhealthy: the load balancer's alarms do not tell of it.
      const meaning = `${name} has had fewer machines than machinesMin for five minutes`;
      new MetricAlarm(
        `${name}-missing`,
        {
          ...alarmInputs(args.alarmTopic, args.appName, meaning),
          namespace: "AWS/AutoScaling",
          metricName: inService,
          statistic: "Minimum",
          dimensions: { AutoScalingGroupName: group.name },
          comparisonOperator: "LessThanThreshold",
          threshold: args.min,
          evaluationPeriods: 5,
        },
        { parent: this },
      );
    }

    const proof = { ...proofOf(args), address, domain, groupName: group.name, targetGroupArn };
    const { template: released } = new Rollout(
      name,
      { ...proof, size, template: pulumi.interpolate`${template.id}:${version}` },
      { parent: this },
    );
    const scope = { min: args.min, subnetIds: args.subnetIds };
    const verification = new GroupVerification(name, { ...proof, ...scope, template: released }, { parent: this });

    this.groupName = group.name;
    this.instanceType = args.instanceType;
    this.proof = verification.proof;
    this.registerOutputs({ groupName: this.groupName, instanceType: this.instanceType, proof: this.proof });
  }

  /** What the stack's outputs say of it. */
  get summary() {
    return { group: this.groupName, type: this.instanceType, machines: this.proof.machines };
  }
}

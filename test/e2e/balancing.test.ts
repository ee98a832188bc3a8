import { expect, test } from "vitest";
import { acm, autoscaling, ec2 } from "../../local/providers/aws/clients.ts";
import { resources } from "../../local/providers/aws/rows.ts";
import { get } from "../../tools/http.ts";
import { make, refusing, removeAll } from "../support/make.ts";

// Load balancers and groups without a machine, by the rows of the AWS provider, against the local cloud's API and its proxy.

/** What the load balancer comes to answer: its status, and where to it redirects; or an error's text. */
const expectAnswer = (address: string, path = "/") =>
  expect.poll(
    () =>
      get(`http://${address}${path}`, { headers: { host: "app.example.com" } }).then(
        ({ status, headers }) => [status, headers.location],
        String,
      ),
    { timeout: 15_000 },
  );

/** The interface in a subnet. */
const interfaceIn = async (subnet: string) => {
  const Filters = [{ Name: "subnet-id", Values: [subnet] }];
  return (await ec2().describeNetworkInterfaces({ Filters })).NetworkInterfaces?.[0]?.NetworkInterfaceId;
};

test("a load balancer, its target group and a group of machines are made, changed, refused as AWS does, and taken away", async () => {
  const vpc = await make("aws:ec2/vpc:Vpc", { cidrBlock: "10.8.0.0/16" });
  const vpcId = vpc.id;
  const subnet = (cidrBlock: string, availabilityZone: string) =>
    make("aws:ec2/subnet:Subnet", { vpcId, cidrBlock, availabilityZone });
  const a = await subnet("10.8.0.0/24", "ap-northeast-2a");
  const b = await subnet("10.8.1.0/24", "ap-northeast-2a");
  const c = await subnet("10.8.2.0/24", "ap-northeast-2c");
  const subnets = [a.id, c.id];
  const open = await make("aws:ec2/securityGroup:SecurityGroup", { vpcId, name: "open", description: "open" });
  const everybody = { cidrIpv4: "0.0.0.0/0", ipProtocol: "tcp", fromPort: 80, toPort: 80 };
  await make("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", { securityGroupId: open.id, ...everybody });

  const securityGroups = [open.id];
  const balancer = { name: "fleet-test", loadBalancerType: "application", securityGroups, tags: { app: "t" } };
  const type = "aws:lb/loadBalancer:LoadBalancer";
  const zones = "At least two subnets in two different Availability Zones must be specified";
  await refusing(type, { ...balancer, subnets: [a.id, b.id] }, zones);
  await refusing(type, { ...balancer, subnets }, "has no internet gateway");
  await make("aws:ec2/internetGateway:InternetGateway", { vpcId });
  await refusing(type, { ...balancer, subnets, securityGroups: ["sg-0"] }, "does not exist");
  const one = "A load balancer cannot be attached to multiple subnets in the same Availability Zone";
  await refusing(type, { ...balancer, subnets: [...subnets, b.id] }, one);
  const ofBalancer = { enableDeletionProtection: true, dropInvalidHeaderFields: true };
  const rest = { ...balancer, subnets, internal: false, idleTimeout: 61 };
  const inputs = { ...rest, ...ofBalancer };
  const lb = await make(type, inputs);
  expect(lb.live).toMatchObject({ ...inputs, subnets: expect.arrayContaining(subnets), arn: lb.id });
  await expect(lb.remove()).rejects.toThrow("cannot be deleted because deletion protection is enabled");
  // What is left out is AWS's default again.
  const moved = { ...rest, subnets: [b.id, c.id] };
  const unset = { ...moved, subnets: expect.arrayContaining(moved.subnets), dropInvalidHeaderFields: false };
  const before = await interfaceIn(c.id);
  expect(await lb.update(moved, [...Object.keys(ofBalancer), "subnets"])).toMatchObject(unset);
  // Where its subnet stays, so does its interface.
  expect(await interfaceIn(c.id)).toBe(before);
  const elsewhere = await make("aws:ec2/vpc:Vpc", { cidrBlock: "10.9.0.0/16" });
  const away = { vpcId: elsewhere.id, cidrBlock: "10.9.0.0/24", availabilityZone: "ap-northeast-2a" };
  const { id: far } = await make("aws:ec2/subnet:Subnet", away);
  await expect(lb.update({ ...moved, subnets: [far, c.id] }, ["subnets"])).rejects.toThrow("different networks");
  const ofFar = { vpcId: elsewhere.id, name: "far", description: "far" };
  const groups = { securityGroups: [(await make("aws:ec2/securityGroup:SecurityGroup", ofFar)).id] };
  await expect(lb.update({ ...moved, ...groups }, ["securityGroups"])).rejects.toThrow("different networks");
  await lb.update(rest, ["subnets"]);
  await resources[type].retag?.(lb.id, { stack: "dev" }, ["app"], lb.live);
  expect((await resources[type].read(lb.id, rest))?.tags).toEqual({ stack: "dev" });

  const ofTargets = { targetType: "instance", protocol: "HTTP", port: 80 };
  const thresholds = { healthyThreshold: 2, unhealthyThreshold: 2 };
  const healthCheck = { ...thresholds, path: "/health", interval: 5, timeout: 4, matcher: "200" };
  const served = { ...ofTargets, name: "fleet-test", vpcId, deregistrationDelay: 30, healthCheck };
  const targets = await make("aws:lb/targetGroup:TargetGroup", served);
  const changed = { ...targets.live, deregistrationDelay: 3600, healthCheck: { path: "/well", interval: 6 } };
  expect(await targets.update(changed, ["deregistrationDelay", "healthCheck"])).toMatchObject({
    deregistrationDelay: 3600,
    loadBalancingAlgorithmType: "round_robin",
    healthCheck: { path: "/well", interval: 6 },
  });

  const forward = { loadBalancerArn: lb.id, defaultActions: [{ type: "forward", targetGroupArn: targets.id }] };
  const certificates = acm();
  const { CertificateArn = "" } = await certificates.requestCertificate({ DomainName: "app.example.com" });
  const https = { ...forward, port: 443, protocol: "HTTPS", certificateArn: CertificateArn };
  const unissued = "must have a fully-qualified domain name, a supported signature, and a supported key size";
  await refusing("aws:lb/listener:Listener", https, unissued);
  await certificates.deleteCertificate({ CertificateArn });
  await refusing("aws:lb/listener:Listener", https, "not found");
  const http = { ...forward, port: 80, protocol: "HTTP" };
  const listener = await make("aws:lb/listener:Listener", http);
  await refusing("aws:lb/listener:Listener", http, "already exists");
  const second = await make(type, { ...balancer, name: "fleet-test-2", subnets, internal: false });
  const taken = `cannot be associated with more than one load balancer: ${targets.id}`;
  await refusing("aws:lb/listener:Listener", { ...http, loadBalancerArn: second.id }, taken);
  await expect(targets.remove()).rejects.toThrow("is currently in use by a listener or a rule");
  const abroad = await make("aws:lb/targetGroup:TargetGroup", { name: "abroad", vpcId: elsewhere.id, ...ofTargets });
  const redirectTo = (redirect: object) => ({ type: "redirect", redirect: { statusCode: "HTTP_301", ...redirect } });
  for (const [action, why] of [
    [{ type: "forward", targetGroupArn: abroad.id }, "is in a different VPC than load balancer"],
    [{ type: "forward", targetGroupArn: `${targets.id}0` }, "target groups not found"],
    [redirectTo({ port: "80" }), "creates a loop"],
  ] as const)
    await expect(listener.update({ ...http, defaultActions: [action] }, ["defaultActions"])).rejects.toThrow(why);
  await expectAnswer(lb.live.dnsName).toEqual([503, undefined]);
  const redirect = redirectTo({ protocol: "HTTPS", port: "443" });
  await listener.update({ ...http, defaultActions: [redirect] }, ["defaultActions"]);
  await expectAnswer(lb.live.dnsName, "/a?b=c").toEqual([301, "https://app.example.com/a?b=c"]);

  const { Images = [] } = await ec2().describeImages({
    Filters: [{ Name: "architecture", Values: ["x86_64"] }],
  });
  const data = { imageId: Images[0]?.ImageId, instanceType: "t3.small" };
  const template = await make("aws:ec2/launchTemplate:LaunchTemplate", { name: "fleet-test", ...data });
  const version = (version: string) => ({ launchTemplate: { id: template.id, version } });
  const size = { minSize: 0, maxSize: 1, desiredCapacity: 0 };
  const live = {
    ...size,
    name: "fleet-test",
    vpcZoneIdentifiers: subnets,
    targetGroupArns: [targets.id],
    ...version("1"),
    enabledMetrics: ["GroupInServiceInstances"],
    tags: [{ key: "app", value: "t", propagateAtLaunch: true }],
  };
  const group = { ...live, waitForCapacityTimeout: "0" };
  const tooMany = "Desired capacity:2 must be between the specified min size:0 and max size:1";
  const ofAddresses = { name: "addresses", vpcId, ...ofTargets, targetType: "ip" };
  const { id: addresses } = await make("aws:lb/targetGroup:TargetGroup", ofAddresses);
  for (const [change, why] of [
    [{ desiredCapacity: 2 }, tooMany],
    [{ targetGroupArns: [lb.id] }, "Provided Target Groups may not be valid"],
    [{ targetGroupArns: [addresses] }, "has invalid target type"],
    [version("9"), "Could not find the specified version 9"],
    [{ waitForCapacityTimeout: "10m" }, 'only waitForCapacityTimeout: "0"'],
  ] as const)
    await refusing("aws:autoscaling/group:Group", { ...group, ...change }, why);
  const wrong = [
    [{ instanceType: "t4g.small" }, "The architecture 'arm64' of the specified instance type does not match"],
    [{ imageId: "ami-00000000" }, "The image id '[ami-00000000]' does not exist"],
    [{ vpcSecurityGroupIds: ["sg-00000000"] }, "The security group 'sg-00000000' does not exist"],
    [{ iamInstanceProfile: { name: "gone" } }, "(gone) for parameter iamInstanceProfile.name is invalid"],
    [{ networkInterfaces: [{ associatePublicIpAddress: "false" }] }, "the security groups must be a part of it"],
    [{ networkInterfaces: [{ deviceIndex: 1, securityGroups: [open.id] }] }, "device index must be zero"],
  ] as const;
  for (const [index, [change, why]] of wrong.entries()) {
    await template.update({ name: "fleet-test", ...data, ...change }, Object.keys(change));
    await refusing("aws:autoscaling/group:Group", { ...group, ...version(`${index + 2}`) }, why);
  }
  const machines = await make("aws:autoscaling/group:Group", group);
  expect(machines.live).toMatchObject(live);
  const warmup = { defaultInstanceWarmup: 30 };
  expect(await machines.update({ ...group, ...warmup }, Object.keys(warmup))).toMatchObject({ ...warmup, maxSize: 1 });
  const metrics = { enabledMetrics: ["GroupInServiceInstances", "GroupDesiredCapacity"] };
  expect(await machines.update({ ...group, ...metrics }, Object.keys(metrics))).toMatchObject(metrics);
  const scaling = autoscaling();
  const AutoScalingGroupName = machines.id;
  await expect(scaling.setDesiredCapacity({ AutoScalingGroupName, DesiredCapacity: 2 })).rejects.toThrow(
    "New SetDesiredCapacity value 2 is above max value 1 for the AutoScalingGroup.",
  );
  await expect(scaling.cancelInstanceRefresh({ AutoScalingGroupName })).rejects.toThrow("No in progress or pending");
  const standby = { AutoScalingGroupName, InstanceIds: ["i-00000000"], ShouldDecrementDesiredCapacity: true };
  await expect(scaling.enterStandby(standby)).rejects.toThrow("This cloud does not know EnterStandby");
  const wanted = { DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId: template.id, Version: "1" } } };
  await scaling.startInstanceRefresh({ AutoScalingGroupName, ...wanted, Preferences: { AutoRollback: true } });
  const status = async () =>
    (await scaling.describeInstanceRefreshes({ AutoScalingGroupName })).InstanceRefreshes?.[0]?.Status;
  // There is nothing to replace.
  await expect.poll(status, { timeout: 15_000 }).toBe("Successful");
  const policy = {
    name: "cpu",
    autoscalingGroupName: machines.id,
    policyType: "TargetTrackingScaling",
    targetTrackingConfiguration: {
      predefinedMetricSpecification: { predefinedMetricType: "ASGAverageCPUUtilization" },
      targetValue: 50,
    },
  };
  const toNone = { ...policy, autoscalingGroupName: "other" };
  await refusing("aws:autoscaling/policy:Policy", toNone, "AutoScalingGroup 'other' not found");
  await make("aws:autoscaling/policy:Policy", policy);
  const metric = { namespace: "AWS/ApplicationELB", metricName: "UnHealthyHostCount", statistic: "Maximum" };
  const comparison = { comparisonOperator: "GreaterThanThreshold", evaluationPeriods: 2, period: 60 };
  const alarm = { dimensions: { LoadBalancer: lb.live.arnSuffix }, threshold: 0, tags: { app: "t" } };
  const alarming = { name: "unhealthy", ...metric, ...comparison, ...alarm };
  expect((await make("aws:cloudwatch/metricAlarm:MetricAlarm", alarming)).live).toMatchObject(alarm);

  await removeAll();
  for (const token of ["aws:lb/loadBalancer:LoadBalancer", "aws:autoscaling/group:Group"] as const) {
    expect((await resources[token].list()).filter(({ id }) => id.includes("fleet-test"))).toEqual([]);
  }
  await expectAnswer(lb.live.dnsName).toContain("Error");
});

import { expect, onTestFinished, test } from "vitest";
import { ec2 } from "../../local/providers/aws/clients.ts";
import { resources } from "../../local/providers/aws/rows.ts";
import type { Props } from "../../local/providers/aws/values.ts";
import { type Made, make, refusing, removeAll } from "../support/make.ts";

// A network of its own, by the rows of the AWS provider, against the local cloud's API.

const api = ec2();

test("a network comes apart only from its end", async () => {
  const vpc = await make("aws:ec2/vpc:Vpc", { cidrBlock: "10.7.0.0/16", enableDnsHostnames: true });
  const vpcId = vpc.id;
  const zone = "ap-northeast-2a";
  const subnet = await make("aws:ec2/subnet:Subnet", { vpcId, cidrBlock: "10.7.0.0/24", availabilityZone: zone });
  const inside = await make("aws:ec2/subnet:Subnet", { vpcId, cidrBlock: "10.7.1.0/24", availabilityZone: zone });
  const table = await make("aws:ec2/routeTable:RouteTable", { vpcId });

  const ofMachines = { Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "ec2.amazonaws.com" } };
  const assumeRolePolicy = JSON.stringify({ Version: "2012-10-17", Statement: [ofMachines] });
  const { live: role } = await make("aws:iam/role:Role", { name: "flow-logs", assumeRolePolicy });
  const log = { vpcId, trafficType: "REJECT", logDestination: role.arn, iamRoleArn: role.arn };
  await refusing("aws:ec2/flowLog:FlowLog", log, "Unable to assume given IAM role");

  // Nothing of it stays behind where AWS refuses it.
  const address = await make("aws:ec2/eip:Eip", { tags: { app: "hono" } });
  const publicIp = expect.stringMatching(/^54\./);
  expect(address.live).toMatchObject({ allocationId: address.id, domain: "vpc", publicIp });
  for (let more = 1; more < 5; more += 1) await make("aws:ec2/eip:Eip", {});
  await refusing("aws:ec2/eip:Eip", {}, "The maximum number of addresses has been reached.");
  const nat = { subnetId: subnet.id, allocationId: address.id, tags: { app: "hono" } };
  await refusing("aws:ec2/natGateway:NatGateway", { ...nat, allocationId: undefined }, "AllocationId");
  const gateway = await make("aws:ec2/internetGateway:InternetGateway", { vpcId });
  const { InternetGateway: { InternetGatewayId } = {} } = await api.createInternetGateway({});
  const second = api.attachInternetGateway({ InternetGatewayId, VpcId: vpcId });
  await expect(second).rejects.toThrow(`Network ${vpcId} already has an internet gateway attached`);
  const out = { routeTableId: table.id, destinationCidrBlock: "0.0.0.0/0" };
  await refusing("aws:ec2/route:Route", { ...out, gatewayId: InternetGatewayId }, "belong to different networks");
  await api.deleteInternetGateway({ InternetGatewayId });
  const natGateway = await make("aws:ec2/natGateway:NatGateway", nat);
  const addresses = { publicIp: address.live.publicIp, privateIp: expect.stringMatching(/^10\.7\.0\./) };
  expect(natGateway.live).toMatchObject({ ...nat, ...addresses, connectivityType: "public" });
  await refusing("aws:ec2/natGateway:NatGateway", nat, "is already associated");
  const routeTo = (natGatewayId: string) => ({ ...out, natGatewayId });
  await refusing("aws:ec2/route:Route", routeTo("nat-0"), "does not exist");
  const route = await make("aws:ec2/route:Route", routeTo(natGateway.id));
  await expect(route.update(routeTo("nat-0"), ["natGatewayId"])).rejects.toThrow("does not exist");
  expect(route.live).toMatchObject({ natGatewayId: natGateway.id, gatewayId: "" });

  const association = "aws:ec2/routeTableAssociation:RouteTableAssociation";
  const linkTo = ({ id: routeTableId }: Made) => ({ routeTableId, subnetId: inside.id });
  const link = await make(association, linkTo(table));
  const other = await make("aws:ec2/routeTable:RouteTable", { vpcId });
  await refusing(association, linkTo(other), "conflicts with an existing association");
  for (const made of [link, other]) await made.remove();

  const balancer = await make("aws:ec2/securityGroup:SecurityGroup", { vpcId, name: "balancer", description: "b" });
  const machines = await make("aws:ec2/securityGroup:SecurityGroup", { vpcId, name: "machines", description: "m" });
  const [fromBalancer, fromMachines] = [balancer, machines].map(({ id }) => ({ referencedSecurityGroupId: id }));
  const permission = { ipProtocol: "tcp", fromPort: 80, toPort: 80, description: "The app" };
  const ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
  const letIn = { ...permission, securityGroupId: machines.id };
  const rule = await make(ingress, { ...letIn, ...fromBalancer });
  expect(rule.live).toMatchObject({ ...permission, ...fromBalancer, cidrIpv4: undefined });
  await refusing(ingress, { ...letIn, ...fromBalancer, description: "The app again" }, "already exists");
  const change = { toPort: 81, description: "Apps", ...fromMachines };
  expect(await rule.update({ ...letIn, ...change }, Object.keys(change))).toMatchObject(change);
  const changed = { ...letIn, toPort: 81, description: "Apps" };
  await expect(rule.update({ ...changed, cidrIpv4: "10.0.0.0/8" }, ["cidrIpv4"])).rejects.toThrow("kind of source");
  await rule.update({ ...changed, ...fromBalancer }, ["referencedSecurityGroupId"]);
  const toMachines = { ...permission, ...fromMachines };
  const letOut = { ...toMachines, securityGroupId: balancer.id };
  const egress = await make("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", letOut);
  expect(egress.live).toMatchObject(toMachines);

  const service = (name: string) => `com.amazonaws.ap-northeast-2.${name}`;
  const interfaces = {
    vpcId,
    serviceName: service("ecr.api"),
    vpcEndpointType: "Interface",
    privateDnsEnabled: true,
    subnetIds: [inside.id],
    securityGroupIds: [balancer.id],
    tags: { app: "hono" },
  };
  for (const [change, why] of [
    [{ serviceName: service("ecr.moon") }, "does not exist"],
    [{ vpcEndpointType: "Gateway" }, "does not match available service types"],
    [{ subnetIds: [subnet.id, inside.id] }, "should be in different availability zones"],
  ] as const)
    await refusing("aws:ec2/vpcEndpoint:VpcEndpoint", { ...interfaces, ...change }, why);
  const endpoint = await make("aws:ec2/vpcEndpoint:VpcEndpoint", interfaces);
  expect(endpoint.live).toMatchObject(interfaces);
  await refusing("aws:ec2/vpcEndpoint:VpcEndpoint", interfaces, "conflicting DNS domain");
  const storage = { vpcId, serviceName: service("s3"), vpcEndpointType: "Gateway", routeTableIds: [table.id] };
  const s3 = await make("aws:ec2/vpcEndpoint:VpcEndpoint", storage);
  await refusing("aws:ec2/vpcEndpoint:VpcEndpoint", storage, "already has a route");
  const routes = async () =>
    (await api.describeRouteTables({ RouteTableIds: [table.id] })).RouteTables?.[0]?.Routes?.filter(
      ({ GatewayId }) => GatewayId === s3.id,
    );
  expect(await routes()).toHaveLength(1);
  // That, and the VPC's own, AWS makes with the endpoint and the table: they are not the program's.
  const listed = await resources["aws:ec2/route:Route"].list();
  expect(listed.filter(({ owner }) => owner === table.id).map(({ id }) => id)).toEqual([route.id]);
  expect(await s3.update({ ...storage, routeTableIds: [] }, ["routeTableIds"])).toMatchObject({ routeTableIds: [] });
  expect(await routes()).toEqual([]);
  const policy = '{"Statement":[]}';
  const worn = { ...interfaces, securityGroupIds: [machines.id] };
  const updated = await endpoint.update({ ...worn, policy }, ["policy", "securityGroupIds"]);
  expect(updated).toMatchObject({ policy, securityGroupIds: [machines.id], subnetIds: [inside.id] });
  const reset = await endpoint.update(worn, ["policy"]);
  expect(JSON.parse(reset?.policy).Statement).toMatchObject([{ Effect: "Allow", Action: "*" }]);

  const inUse: [Made, string][] = [
    [vpc, "has dependencies"],
    [subnet, `The subnet '${subnet.id}' has dependencies`],
    [inside, `The subnet '${inside.id}' has dependencies`],
    [balancer, "has a dependent object"],
    [machines, "has a dependent object"],
    [gateway, "has some mapped public address(es)"],
    [address, "is in use"],
  ];
  for (const [made, message] of inUse) await expect(made.remove()).rejects.toThrow(message);
  await rule.remove();
  await egress.remove();
  await expect(machines.remove()).rejects.toThrow("has a dependent object"); // the endpoint wears it
  await natGateway.remove();
  expect(await resources["aws:ec2/natGateway:NatGateway"].read(natGateway.id, {})).toBeUndefined();
  await address.remove();
  await gateway.remove();
  await subnet.remove();
  await endpoint.remove();
  for (const made of [machines, balancer, s3, route, inside]) await made.remove();
  await expect(vpc.remove()).rejects.toThrow("has dependencies"); // the route table
  await table.remove();
  await vpc.remove();
  expect(await resources["aws:ec2/vpc:Vpc"].read(vpcId, {})).toBeUndefined();
});

test("a launch template's update is a version of its own, with everything in it", async () => {
  const ebs = { encrypted: "true", volumeType: "gp3", volumeSize: 8, deleteOnTermination: "true" };
  const securityGroups = ["sg-00000000"];
  const inputs = {
    name: "network-test",
    description: "first",
    instanceType: "t4g.small",
    imageId: "ami-12345678",
    ebsOptimized: "true",
    userData: "IyEvYmluL2Jhc2gK",
    monitoring: { enabled: true },
    creditSpecification: { cpuCredits: "unlimited" },
    iamInstanceProfile: { arn: "arn:aws:iam::123456789012:instance-profile/app" },
    metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
    blockDeviceMappings: [{ deviceName: "/dev/xvda", ebs }],
    networkInterfaces: [{ associatePublicIpAddress: "false", securityGroups, deleteOnTermination: "true" }],
    tagSpecifications: [{ resourceType: "instance", tags: { Name: "graviton" } }],
    tags: { app: "hono" },
    updateDefaultVersion: true,
  };
  const template = await make("aws:ec2/launchTemplate:LaunchTemplate", inputs);
  const { updateDefaultVersion: _, ...shown } = inputs;
  expect(template.live).toMatchObject({ ...shown, latestVersion: 1, defaultVersion: 1 });
  await refusing("aws:ec2/launchTemplate:LaunchTemplate", inputs, "already in use");
  const second = { ...shown, description: undefined, userData: "IyEvYmluL3NoCg==" };
  const { userData } = shown;
  const both = { latestVersion: 2, defaultVersion: 2 };
  for (const [update, changed, found] of [
    [{ ...second, updateDefaultVersion: true }, ["userData", "description"], { ...second, ...both }],
    [{ ...shown, updateDefaultVersion: false }, ["userData"], { userData, latestVersion: 3, defaultVersion: 2 }],
    [inputs, ["updateDefaultVersion"], { latestVersion: 3, defaultVersion: 3 }],
  ] as [Props, string[], Props][])
    expect(await template.update(update, changed)).toMatchObject(found);
  // Through the API, a version can be based on another.
  const LaunchTemplateId = template.id;
  const { LaunchTemplateVersion: based } = await api.createLaunchTemplateVersion({
    LaunchTemplateId,
    SourceVersion: "2",
    LaunchTemplateData: { InstanceType: "t4g.medium" },
  });
  expect(based).toMatchObject({
    VersionNumber: 4,
    LaunchTemplateData: { InstanceType: "t4g.medium", UserData: second.userData, EbsOptimized: true },
  });
  const row = resources["aws:ec2/launchTemplate:LaunchTemplate"];
  await row.retag?.(template.id, { owner: "x" }, ["app"], {});
  expect((await row.read(template.id, {}))?.tags).toEqual({ owner: "x" });
  await template.remove();
  expect(await row.read(template.id, {})).toBeUndefined();
});

test("an interface has an address that no other network gives either, and groups of its own network", async () => {
  const networks = await Promise.all(
    [1, 2].map(async () => {
      const vpc = await make("aws:ec2/vpc:Vpc", { cidrBlock: "10.8.0.0/16" });
      return { vpc, subnet: await make("aws:ec2/subnet:Subnet", { vpcId: vpc.id, cidrBlock: "10.8.1.0/28" }) };
    }),
  );
  const ids: string[] = [];
  const detach = async () => {
    for (const NetworkInterfaceId of ids.splice(0)) await api.deleteNetworkInterface({ NetworkInterfaceId });
  };
  onTestFinished(detach);
  const attach = async (SubnetId: string) => {
    const { NetworkInterface } = await api.createNetworkInterface({ SubnetId });
    ids.push(NetworkInterface?.NetworkInterfaceId ?? "");
    return NetworkInterface?.PrivateIpAddress;
  };
  const [first = "", second = ""] = networks.map(({ subnet }) => subnet.id);
  const addresses: (string | undefined)[] = [];
  for (const subnet of [first, second, first, second]) addresses.push(await attach(subnet));
  expect(new Set(addresses).size).toBe(4);
  const { GroupId = "" } = await api.createSecurityGroup({
    GroupName: "second",
    Description: "of the second network",
    VpcId: networks[1]?.vpc.id,
  });
  const foreign = (group: string) => expect(api.createNetworkInterface({ SubnetId: first, Groups: [group] })).rejects;
  await foreign(GroupId).toThrow("belong to different networks");
  await foreign("sg-00000000").toThrow("The security group 'sg-00000000' does not exist");
  await api.deleteSecurityGroup({ GroupId });
  const more = await Promise.allSettled(Array.from({ length: 12 }, () => attach(first)));
  const refusals = more.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
  expect(refusals[0]).toContain("not enough free addresses");
  await detach();
  await removeAll();
});

test("a launch is what template, request and image say, and refused for an image that is not there or of another architecture", async () => {
  const vpc = await make("aws:ec2/vpc:Vpc", { cidrBlock: "10.8.0.0/16" });
  const subnet = await make("aws:ec2/subnet:Subnet", { vpcId: vpc.id, cidrBlock: "10.8.1.0/28" });
  const group = await make("aws:ec2/securityGroup:SecurityGroup", { vpcId: vpc.id, name: "app", description: "app" });
  const { Images: [image] = [] } = await api.describeImages({
    Filters: [{ Name: "architecture", Values: ["arm64"] }],
  });
  const template = await make("aws:ec2/launchTemplate:LaunchTemplate", {
    name: "launch-test",
    imageId: image?.ImageId,
    instanceType: "t4g.small",
    userData: "IyEK",
    blockDeviceMappings: [{ deviceName: image?.RootDeviceName, ebs: { encrypted: "true", volumeType: "gp3" } }],
    networkInterfaces: [{ associatePublicIpAddress: "false", securityGroups: [group.id] }],
    tagSpecifications: ["instance", "network-interface"].map((resourceType) => ({ resourceType, tags: { Name: "a" } })),
  });
  const LaunchTemplate = { LaunchTemplateId: template.id, Version: "1" };
  const one = { MinCount: 1, MaxCount: 1, SubnetId: subnet.id, LaunchTemplate };
  const refused = (change: object) => expect(api.runInstances({ ...one, ...change })).rejects;
  await refused({ ImageId: "ami-2" }).toThrow("The image id '[ami-2]' does not exist");
  const mismatch = "The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'";
  const message = expect.stringContaining(mismatch);
  await refused({ InstanceType: "t3.small" }).toMatchObject({ name: "InvalidParameterValue", message });
  const TagSpecifications = [{ ResourceType: "instance" as const, Tags: [{ Key: "stack", Value: "dev" }] }];
  const { Instances: [made] = [] } = await api.runInstances({ ...one, TagSpecifications });
  const InstanceId = made?.InstanceId ?? "";
  try {
    const wears = [{ GroupId: group.id, GroupName: "app" }];
    const { NetworkInterfaces: [{ NetworkInterfaceId = "" } = {}] = [], Tags } = made ?? {};
    expect(made).toMatchObject({
      InstanceType: "t4g.small",
      SecurityGroups: wears,
      SubnetId: subnet.id,
      BlockDeviceMappings: [{ DeviceName: image?.RootDeviceName, Ebs: { DeleteOnTermination: true } }],
    });
    expect(Object.fromEntries(Tags?.map(({ Key, Value }) => [Key, Value]) ?? [])).toEqual({
      Name: "a",
      stack: "dev",
      "aws:ec2launchtemplate:id": template.id,
      "aws:ec2launchtemplate:version": "1",
    });
    const { NetworkInterfaces } = await api.describeNetworkInterfaces({ NetworkInterfaceIds: [NetworkInterfaceId] });
    expect(NetworkInterfaces).toMatchObject([{ Groups: wears, TagSet: [{ Key: "Name", Value: "a" }] }]);
    const Filters = [{ Name: "attachment.instance-id", Values: [InstanceId] }];
    const Size = image?.BlockDeviceMappings?.[0]?.Ebs?.VolumeSize;
    const { Volumes } = await api.describeVolumes({ Filters });
    expect(Volumes).toMatchObject([{ Encrypted: true, VolumeType: "gp3", Size }]);
    const { UserData } = await api.describeInstanceAttribute({ InstanceId, Attribute: "userData" });
    expect(UserData?.Value).toBe("IyEK");
  } finally {
    await api.terminateInstances({ InstanceIds: [InstanceId] });
  }
  await removeAll();
});

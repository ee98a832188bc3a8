// The controls for this program's resources, by the ids of those who wrote them: AWS Foundational Security Best Practices (EC2.2), on
// whose rules CIS's rest, and checkov (CKV_AWS_8).
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-controls-reference.html
// https://www.checkov.io/5.Policy%20Index/terraform.html

import { set as setAt, stepsOf } from "../../local/providers/aws/cloudformation.ts";

// biome-ignore lint/suspicious/noExplicitAny: inputs are whatever the program registers
type Inputs = Record<string, any>;

/** A resource as the program registers it, or as a stack's state has it. */
export interface Resource {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly inputs: Inputs;
}

interface Exception {
  readonly ids: readonly string[];
  /** What holds where it is met. */
  readonly title: string;
  readonly applies: (resource: Resource) => boolean;
  readonly holds: (resource: Resource, all: readonly Resource[]) => boolean;
}

/** All resources of a type, and what becomes of their inputs, by path; without that they are taken away. */
export type Change = readonly [type: string, inputs?: Inputs];

export interface Control extends Exception {
  /** Changes of a good program, each of which the rule must catch. */
  readonly mutants: Readonly<Record<string, Change>>;
}
type Rule = Omit<Control, "ids" | "title">;

const instance = "aws:ec2/instance:Instance";
const template = "aws:ec2/launchTemplate:LaunchTemplate";
const scalingGroup = "aws:autoscaling/group:Group";
const balancer = "aws:lb/loadBalancer:LoadBalancer";
const listener = "aws:lb/listener:Listener";
const repository = "aws:ecr/repository:Repository";
const lifecyclePolicy = "aws:ecr/lifecyclePolicy:LifecyclePolicy";
const repositoryPolicy = "aws:ecr/repositoryPolicy:RepositoryPolicy";
const rolePolicy = "aws:iam/rolePolicy:RolePolicy";
const instanceProfile = "aws:iam/instanceProfile:InstanceProfile";
const group = "aws:ec2/securityGroup:SecurityGroup";
const defaultGroup = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup";
const ingressRule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const egressRule = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule";
const flowLog = "aws:ec2/flowLog:FlowLog";
const subnet = "aws:ec2/subnet:Subnet";
const vpc = "aws:ec2/vpc:Vpc";

/** The resources with which a control does not hold. */
export function violations(control: Exception, all: readonly Resource[]): string[] {
  const broken = all.filter((resource) => control.applies(resource) && !control.holds(resource, all));
  return broken.map(({ name }) => `${control.ids.join(", ")}: ${name}`);
}

const isA =
  (...types: string[]) =>
  ({ type }: Resource) =>
    types.includes(type);

/** A program after a change of it. */
export function changed(all: readonly Resource[], [type, inputs]: Change): Resource[] {
  if (inputs === undefined) return all.filter((each) => each.type !== type);
  const copy = structuredClone(all) as Resource[];
  for (const each of copy.filter((resource) => resource.type === type))
    for (const [path, value] of Object.entries(inputs)) setAt(each.inputs, stepsOf(path), value);
  return copy;
}

const named = ({ name, inputs }: Resource): string => inputs.name ?? name;

interface Statement {
  readonly Effect: string;
  readonly Action?: string | string[];
  readonly NotAction?: unknown;
  readonly Resource?: string | string[];
  readonly NotResource?: unknown;
}

const list = (value: string | string[] = []) => [value].flat();

/** What a policy allows. A statement that says what it does not mean is taken for one that means everything else. */
function allowed({ inputs }: Resource): { actions: string[]; resources: string[] }[] {
  return (inputs.policy.Statement as Statement[])
    .filter(({ Effect }) => Effect === "Allow")
    .map((statement) => ({
      actions: statement.NotAction === undefined ? list(statement.Action) : ["*"],
      resources: statement.NotResource === undefined ? list(statement.Resource) : ["*"],
    }));
}

/** Roles whose policies have one more statement. */
const allow = (statement: Partial<Statement>): Change => [
  rolePolicy,
  { "policy.Statement[9]": { Effect: "Allow", ...statement } },
];

const aRepository = "arn:aws:ecr:ap-northeast-2:123456789012:repository/x";

/** What Systems Manager asks of a role, at the least, for Session Manager: components/instance-role.ts has the source. */
const sessionActions = [
  "ssm:UpdateInstanceInformation",
  "ssmmessages:CreateControlChannel",
  "ssmmessages:CreateDataChannel",
  "ssmmessages:OpenControlChannel",
  "ssmmessages:OpenDataChannel",
];

/** Actions that AWS's own examples give for "*" alone, since most of them know no resource; the whole list of those that this program needs. */
const unrestrictable = ["ecr:GetAuthorizationToken", ...sessionActions];

const isEveryone = ({ cidrIpv4, cidrIpv6 }: Inputs) => cidrIpv4 === "0.0.0.0/0" || cidrIpv6 === "::/0";
const allProtocols = ["-1", "all"];

const everyone = { cidrIpv4: "0.0.0.0/0" };
const ssh = { fromPort: 22, toPort: 22 };
const anyProtocol = { ipProtocol: "-1", fromPort: undefined, toPort: undefined };
const anyPort = { fromPort: 0, toPort: 65_535 };
/** The provider's own description, where the program gives none. */
const unsaid = "Managed by Pulumi";
const openInline = [{ protocol: "-1", fromPort: 0, toPort: 0, cidrBlocks: ["0.0.0.0/0"] }];

/** An input, by its path, has a certain value. Caught are a wrong value, and none of it, alone or with all that it is part of. */
function says(types: readonly string[], path: string, isGood: (value: unknown) => boolean, wrong: unknown): Rule {
  const steps = stepsOf(path);
  const left = [...new Set([path, steps[0] as string])];
  const mutantsOf = (type: string) => [
    [`${path} of ${type} is ${JSON.stringify(wrong)}`, [type, { [path]: wrong }]] as const,
    ...left.map((each) => [`nothing is said of ${each} of ${type}`, [type, { [each]: undefined }]] as const),
  ];
  return {
    applies: isA(...types),
    holds: ({ inputs }: Resource) => isGood(steps.reduce((value: Inputs | undefined, step) => value?.[step], inputs)),
    mutants: Object.fromEntries(types.flatMap(mutantsOf)),
  };
}

/** The ports that EC2.18 opens to everyone by default. */
const authorizedPorts = [80, 443];

export const controls: readonly Control[] = [
  {
    ids: ["EC2.2", "CKV2_AWS_12"],
    title: "the default security group of every VPC is closed",
    applies: isA(vpc),
    holds: ({ id }, all) => {
      const found = all.find(({ type, inputs }) => type === defaultGroup && inputs.vpcId === id);
      return found !== undefined && ![found.inputs.ingress, found.inputs.egress].some((rules) => rules?.length > 0);
    },
    mutants: {
      "nobody closes it": [defaultGroup],
      "another VPC's is closed": [defaultGroup, { vpcId: "vpc-other" }],
      "it is opened": [defaultGroup, { egress: openInline }],
    },
  },
  {
    ids: ["EC2.3", "CKV_AWS_8"],
    title: "every volume of a machine is encrypted",
    applies: isA(instance, template),
    holds: ({ type, inputs }) => {
      const mapped = inputs.blockDeviceMappings?.map(({ ebs }: Inputs) => ebs) ?? [undefined];
      const volumes = type === template ? mapped : [inputs.rootBlockDevice, ...(inputs.ebsBlockDevices ?? [])];
      return volumes.every((volume: Inputs) => String(volume?.encrypted) === "true");
    },
    mutants: {
      "a group's volume is not": [template, { "blockDeviceMappings[0].ebs.encrypted": "false" }],
      "nothing is said about a group's volume": [template, { blockDeviceMappings: undefined }],
      "the root volume is not": [instance, { "rootBlockDevice.encrypted": false }],
      "nothing is said about the root volume": [instance, { rootBlockDevice: undefined }],
      "another volume is not": [instance, { ebsBlockDevices: [{ deviceName: "/dev/sdf", volumeSize: 8 }] }],
    },
  },
  {
    ids: ["EC2.6", "CKV2_AWS_11"],
    title: "every VPC has a flow log of at least the refused traffic",
    applies: isA(vpc),
    holds: ({ id }, all) => {
      const isOfRefused = ({ vpcId, trafficType, iamRoleArn }: Inputs) =>
        vpcId === id && ["REJECT", "ALL"].includes(trafficType) && iamRoleArn;
      return all.some(({ type, inputs }) => type === flowLog && isOfRefused(inputs));
    },
    mutants: {
      "there is none": [flowLog],
      "it is of accepted traffic": [flowLog, { trafficType: "ACCEPT" }],
      "it is another VPC's": [flowLog, { vpcId: "vpc-other" }],
    },
  },
  {
    ids: ["EC2.15", "CKV_AWS_130"],
    title: "no subnet gives out public addresses by itself",
    applies: isA(subnet),
    holds: ({ inputs }) => inputs.mapPublicIpOnLaunch !== true,
    mutants: { "one does": [subnet, { mapPublicIpOnLaunch: true }] },
  },
  {
    // AutoScaling.3 is of launch configurations, EC2.170 the same of launch templates.
    ids: ["EC2.8", "EC2.170", "AutoScaling.3", "CKV_AWS_79"],
    title: "instance metadata is given to holders of a token only (IMDSv2)",
    ...says([instance, template], "metadataOptions.httpTokens", (tokens) => tokens === "required", "optional"),
  },
  {
    ids: ["CKV_AWS_341"],
    title: "instance metadata does not reach a container: one hop",
    // A container's bridge is one hop more; 2 is also what the AMI has where nothing is said.
    ...says([instance, template], "metadataOptions.httpPutResponseHopLimit", (limit) => limit === 1, 2),
  },
  {
    // That includes SSH (EC2.13), RDP (EC2.14) and every other port of high risk (EC2.19).
    ids: ["EC2.13", "EC2.14", "EC2.18", "EC2.19", "CKV_AWS_24", "CKV_AWS_25"],
    title: `everyone may reach TCP ${authorizedPorts.join(" and ")} only`,
    applies: isA(ingressRule, group),
    holds: ({ type, inputs: { ipProtocol, fromPort, toPort, ingress, ...from } }) => {
      const isAuthorized = ipProtocol === "tcp" && fromPort === toPort && authorizedPorts.includes(fromPort);
      // A rule inline is one that no control sees.
      return type === group ? ingress === undefined : !isEveryone(from) || isAuthorized;
    },
    mutants: {
      "another port is opened": [ingressRule, { ...everyone, ...ssh }],
      "it is opened over IPv6": [ingressRule, { cidrIpv4: undefined, cidrIpv6: "::/0", ...ssh }],
      "a range is opened": [ingressRule, { ...everyone, fromPort: 80, toPort: 443 }],
      "UDP is opened": [ingressRule, { ...everyone, ipProtocol: "udp" }],
      "all protocols are opened": [ingressRule, { ...everyone, ...anyProtocol }],
      "a port is opened inline": [group, { ingress: [{ protocol: "tcp", ...ssh, cidrBlocks: ["0.0.0.0/0"] }] }],
    },
  },
  {
    ids: ["CKV_AWS_23"],
    title: "every security group and rule says what it is for",
    ...says([group, ingressRule, egressRule], "description", (text) => !!text && text !== unsaid, unsaid),
  },
  {
    ids: ["CKV_AWS_382"],
    title: "no group lets everything out",
    applies: isA(egressRule, group),
    holds: ({ type, inputs }) => {
      const { ipProtocol, fromPort, toPort, egress } = inputs;
      const isWide = allProtocols.includes(ipProtocol) || fromPort !== toPort;
      return type === group ? egress === undefined : !(isEveryone(inputs) && isWide);
    },
    mutants: {
      "all protocols are let out": [egressRule, anyProtocol],
      "all TCP ports are let out": [egressRule, anyPort],
      "all is let out inline": [group, { egress: openInline }],
    },
  },
  {
    ids: ["ECR.1", "CKV_AWS_163"],
    title: "images are scanned when they are pushed",
    ...says([repository], "imageScanningConfiguration.scanOnPush", (isScanned) => isScanned === true, false),
  },
  {
    ids: ["ECR.2", "CKV_AWS_51"],
    // The guide has a `latest`, which moves; nothing is deployed by it, and no other tag may.
    title: "tags are immutable, `latest` alone excluded",
    applies: isA(repository),
    holds: ({ inputs: { imageTagMutability: mutability, imageTagMutabilityExclusionFilters: filters = [] } }) =>
      mutability === "IMMUTABLE" ||
      (mutability === "IMMUTABLE_WITH_EXCLUSION" && filters.every(({ filter }: Inputs) => filter === "latest")),
    mutants: {
      "tags are mutable": [repository, { imageTagMutability: "MUTABLE" }],
      "nothing is said about it": [repository, { imageTagMutability: undefined }],
      "every tag is excluded": [
        repository,
        {
          imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
          imageTagMutabilityExclusionFilters: [{ filter: "*", filterType: "WILDCARD" }],
        },
      ],
    },
  },
  {
    ids: ["CKV_AWS_32"],
    title: "no repository's policy lets everybody in",
    applies: isA(repositoryPolicy),
    holds: ({ inputs }) => {
      const isEverybody = ({ Principal }: Inputs) => Principal === "*" || list(Principal?.AWS).includes("*");
      const statements = inputs.policy.Statement as Inputs[];
      return !statements.some((statement) => statement.Effect === "Allow" && isEverybody(statement));
    },
    mutants: {
      "everybody may pull": [repositoryPolicy, { "policy.Statement": [{ Effect: "Allow", Principal: "*" }] }],
      "every account may": [
        repositoryPolicy,
        { "policy.Statement[1]": { Effect: "Allow", Principal: { AWS: ["*"] } } },
      ],
    },
  },
  {
    ids: ["ECR.3"],
    title: "every repository has a lifecycle policy",
    applies: isA(repository),
    holds: (resource, all) =>
      all.some(({ type, inputs }) => type === lifecyclePolicy && inputs.repository === named(resource)),
    mutants: {
      "there is none": [lifecyclePolicy],
      "it is another repository's": [lifecyclePolicy, { repository: "other" }],
    },
  },
  {
    ids: ["CKV_AWS_136"],
    title: "images are encrypted by a KMS key",
    ...says([repository], "encryptionConfigurations[0].encryptionType", (type) => type === "KMS", "AES256"),
  },
  {
    // Nor everything on everything, as IAM.1 has it.
    ids: ["IAM.1", "IAM.21", "CKV_AWS_62", "CKV_AWS_63"],
    title: "no policy allows actions by a wildcard",
    applies: isA(rolePolicy),
    holds: (resource) => !allowed(resource).some(({ actions }) => actions.some((action) => /[*?]/.test(action))),
    mutants: {
      "every action of a service": allow({ Action: "ecr:*", Resource: aRepository }),
      "every action that starts so": allow({ Action: "ecr:Get*", Resource: aRepository }),
      "every action": allow({ Action: "*", Resource: "*" }),
      "every action, among others": allow({ Action: ["ecr:GetAuthorizationToken", "*"], Resource: aRepository }),
      "all actions but one": allow({ NotAction: "iam:DeleteUser", Resource: aRepository }),
    },
  },
  {
    ids: ["CKV_AWS_355"],
    title: `no policy is for every resource, ${unrestrictable.join(", ")} alone excepted`,
    applies: isA(rolePolicy),
    holds: (resource) => {
      const wide = allowed(resource).filter(({ resources }) => resources.includes("*"));
      return wide.every(({ actions }) => actions.every((action) => unrestrictable.includes(action)));
    },
    mutants: {
      "pulling from every repository": allow({ Action: "ecr:BatchGetImage", Resource: "*" }),
      "another action beside the excepted one": allow({
        Action: [...unrestrictable, "ecr:BatchGetImage"],
        Resource: "*",
      }),
      "all resources but one": allow({ Action: "ecr:BatchGetImage", NotResource: "x" }),
    },
  },
  {
    ids: ["SSM.1", "CKV2_AWS_41"],
    title: "Systems Manager manages every machine",
    applies: isA(instance, template),
    holds: ({ inputs: { iamInstanceProfile } }, all) => {
      const used = iamInstanceProfile?.name ?? iamInstanceProfile;
      const profile = all.find((each) => each.type === instanceProfile && named(each) === used);
      return all.some(
        (each) =>
          each.type === rolePolicy &&
          each.inputs.role === profile?.inputs.role &&
          allowed(each).some(({ actions }) => sessionActions.every((action) => actions.includes(action))),
      );
    },
    mutants: {
      "its role has no policy": [rolePolicy],
      "the policy is another role's": [rolePolicy, { role: "other" }],
      "its role may not open a session's channel": [
        rolePolicy,
        { "policy.Statement[3].Action": sessionActions.slice(1) },
      ],
      "the machine has no profile": [instance, { iamInstanceProfile: undefined }],
      "a group's machines have no profile": [template, { iamInstanceProfile: undefined }],
    },
  },
  {
    ids: ["AutoScaling.1", "CKV_AWS_153"],
    title: "a group behind a load balancer goes by its health checks",
    applies: isA(scalingGroup),
    holds: ({ inputs }) => inputs.targetGroupArns?.length > 0 && inputs.healthCheckType === "ELB",
    mutants: {
      "it asks EC2": [scalingGroup, { healthCheckType: "EC2" }],
      "nothing is said about it": [scalingGroup, { healthCheckType: undefined }],
      "it is behind none": [scalingGroup, { targetGroupArns: undefined }],
    },
  },
  {
    ids: ["AutoScaling.2"],
    title: "a group covers more than one zone",
    applies: isA(scalingGroup),
    holds: ({ inputs }) => new Set(inputs.vpcZoneIdentifiers).size > 1,
    mutants: { "it is in one subnet": [scalingGroup, { vpcZoneIdentifiers: ["subnet-1"] }] },
  },
  {
    ids: ["AutoScaling.9", "CKV_AWS_315"],
    title: "a group launches from a launch template",
    applies: isA(scalingGroup),
    holds: ({ inputs }) => inputs.launchTemplate?.id,
    mutants: {
      "it has a launch configuration": [scalingGroup, { launchTemplate: undefined, launchConfiguration: "x" }],
    },
  },
  {
    ids: ["ELB.4", "CKV_AWS_131"],
    title: "a load balancer drops headers that are not valid",
    ...says([balancer], "dropInvalidHeaderFields", (isOn) => isOn === true, false),
  },
  {
    ids: ["ELB.12", "CKV_AWS_328"],
    title: "a load balancer guards against requests that are read in two ways",
    ...says([balancer], "desyncMitigationMode", (mode) => mode === "defensive" || mode === "strictest", "monitor"),
  },
  {
    ids: ["ELB.13"],
    title: "a load balancer is in more than one zone",
    applies: isA(balancer),
    holds: ({ inputs }) => new Set(inputs.subnets).size > 1,
    mutants: { "it is in one": [balancer, { subnets: ["subnet-1"] }] },
  },
  {
    ids: ["ELB.17", "CKV_AWS_103"],
    title: "HTTPS is spoken by a policy that AWS recommends",
    applies: ({ type, inputs }) => type === listener && inputs.protocol === "HTTPS",
    holds: ({ inputs }) => /^ELBSecurityPolicy-TLS13-1-[23]-Res(-FIPS)?-PQ-2025-09$/.test(inputs.sslPolicy),
    mutants: {
      "it has the API's default, with TLS 1.0": [
        listener,
        { protocol: "HTTPS", sslPolicy: "ELBSecurityPolicy-2016-08" },
      ],
    },
  },
];

/**
 * What the program does against a control's word, on purpose. Of the pair's addresses components/machine.ts says why; a fleet's are there
 * with the setting `egress: public` alone.
 */
export const exceptions: readonly Exception[] = [
  {
    ids: ["EC2.25"],
    title: "no launch template gives public addresses",
    applies: isA(template),
    holds: ({ inputs }) =>
      inputs.networkInterfaces?.every(({ associatePublicIpAddress }: Inputs) => associatePublicIpAddress === "false"),
  },
  {
    // A group of types of several architectures would launch those that cost least, and so none of the other architecture.
    ids: ["AutoScaling.6"],
    title: "a group has more than one type of machine",
    applies: isA(scalingGroup),
    holds: ({ inputs }) => inputs.mixedInstancesPolicy,
  },
  {
    // A certificate needs a name that somebody owns: with the setting `domain` there is nothing but HTTPS.
    ids: ["ELB.1", "CKV_AWS_2"],
    title: "HTTP leads to HTTPS",
    applies: isA(listener),
    holds: ({ inputs: { protocol, defaultActions } }) =>
      protocol === "HTTPS" || defaultActions?.every(({ redirect }: Inputs) => redirect?.protocol === "HTTPS"),
  },
  {
    // An S3 bucket of logs would outlive the stack; the app logs each request.
    ids: ["ELB.5", "CKV_AWS_91"],
    title: "a load balancer logs requests",
    applies: isA(balancer),
    holds: ({ inputs }) => inputs.accessLogs?.enabled,
  },
  {
    // With the setting `protect`, for production.
    ids: ["ELB.6", "CKV_AWS_150"],
    title: "a load balancer cannot be deleted",
    applies: isA(balancer),
    holds: ({ inputs }) => inputs.enableDeletionProtection === true,
  },
  {
    ids: ["EC2.9", "CKV_AWS_88"],
    title: "no machine has a public address",
    applies: isA(instance),
    holds: ({ inputs }) => inputs.associatePublicIpAddress === false,
  },
];

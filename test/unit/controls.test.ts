// The controls for this program's resources, by the ids of those who wrote them: AWS Foundational Security Best Practices (EC2.2), on
// whose rules CIS's rest, and checkov (CKV_AWS_8).
// https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-controls-reference.html
// https://www.checkov.io/5.Policy%20Index/terraform.html

import { expect, test } from "vitest";
import { registryHost, secret } from "../support/mocks.ts";
import { type Registered, registered, type Variant, variants } from "../support/programs.ts";

const instance = "aws:ec2/instance:Instance";
const template = "aws:ec2/launchTemplate:LaunchTemplate";
const scalingGroup = "aws:autoscaling/group:Group";
const balancer = "aws:lb/loadBalancer:LoadBalancer";
const listener = "aws:lb/listener:Listener";
const repository = "aws:ecr/repository:Repository";
const rolePolicy = "aws:iam/rolePolicy:RolePolicy";
const group = "aws:ec2/securityGroup:SecurityGroup";
const ingressRule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const egressRule = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule";

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

interface Statement {
  readonly Effect: string;
  readonly Action?: string | string[];
  readonly Resource?: string | string[];
}
/** A policy whose statements all allow, and are good. One that says what it does not mean is taken for one that means everything else. */
const statements = (isGood: (actions: string[], resources: string[]) => boolean) => {
  const isGoodOne = ({ Effect, Action = "*", Resource = "*" }: Statement) =>
    Effect === "Allow" && isGood([Action].flat(), [Resource].flat());
  return { policy: { Statement: expect.toSatisfy((list: Statement[]) => list.every(isGoodOne)) } };
};
const session = { Effect: "Allow", Action: expect.arrayContaining(sessionActions) };
const several = expect.toSatisfy((ids: string[]) => new Set(ids).size > 1);
const webPort = expect.toBeOneOf([80, 443]);
/** Not the provider's own, which is there where the program gives none. */
const described = { description: expect.stringMatching(/^(?!Managed by Pulumi$)./) };
const recommended = expect.stringMatching(/^ELBSecurityPolicy-TLS13-1-[23]-Res(-FIPS)?-PQ-2025-09$/);
const latestAlone = expect.toBeOneOf([undefined, [{ filter: "latest", filterType: "WILDCARD" }]]);

/** What inputs must have, each by its name; one that must not be given is undefined. */
type Asked = object | ((resource: Registered) => object);

/** What each control asks of every resource of a type, or of that type and name. */
const controls: Record<string, Record<string, Asked>> = {
  "EC2.2, CKV2_AWS_12: the default security group of every VPC is closed": {
    "aws:ec2/vpc:Vpc hono-app": {},
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": { vpcId: "hono-app-id", ingress: [], egress: [] },
  },
  "EC2.3, CKV_AWS_8: every volume of a machine is encrypted": {
    [instance]: { rootBlockDevice: { encrypted: true }, ebsBlockDevices: undefined },
    [template]: { blockDeviceMappings: [{ ebs: { encrypted: "true" } }] },
  },
  "EC2.6, CKV2_AWS_11: every VPC has a flow log of at least the refused traffic": {
    "aws:ec2/flowLog:FlowLog": { vpcId: "hono-app-id", trafficType: "REJECT", iamRoleArn: expect.any(String) },
  },
  "EC2.15, CKV_AWS_130: no subnet gives out public addresses by itself": {
    "aws:ec2/subnet:Subnet": { mapPublicIpOnLaunch: undefined },
  },
  // AutoScaling.3 is of launch configurations, EC2.170 the same of launch templates.
  "EC2.8, EC2.170, AutoScaling.3, CKV_AWS_79: instance metadata is given to holders of a token only (IMDSv2)": {
    [instance]: { metadataOptions: { httpTokens: "required" } },
    [template]: { metadataOptions: { httpTokens: "required" } },
  },
  // A container's bridge is one hop more; 2 is also what the AMI has where nothing is said.
  "CKV_AWS_341: instance metadata does not reach a container: one hop": {
    [instance]: { metadataOptions: { httpPutResponseHopLimit: 1 } },
    [template]: { metadataOptions: { httpPutResponseHopLimit: 1 } },
  },
  // Neither SSH (EC2.13), nor RDP (EC2.14), nor another port of high risk (EC2.19). A rule inline is one that no control sees.
  "EC2.13, EC2.14, EC2.18, EC2.19, CKV_AWS_24, CKV_AWS_25: TCP 80 and 443 alone may be reached": {
    [ingressRule]: ({ inputs }) => ({ ipProtocol: "tcp", fromPort: webPort, toPort: inputs.fromPort }),
    [group]: { ingress: undefined },
  },
  "CKV_AWS_23: every security group and rule says what it is for": {
    [group]: described,
    [ingressRule]: described,
    [egressRule]: described,
  },
  "CKV_AWS_382: no group lets everything out": {
    [egressRule]: ({ inputs }) => ({ ipProtocol: "tcp", fromPort: webPort, toPort: inputs.fromPort }),
    [group]: { egress: undefined },
  },
  "ECR.1, CKV_AWS_163: images are scanned when they are pushed": {
    [repository]: { imageScanningConfiguration: { scanOnPush: true } },
  },
  // The guide has a `latest`, which moves; nothing is deployed by it, and no other tag may.
  "ECR.2, CKV_AWS_51: tags are immutable, `latest` alone excluded": {
    [repository]: {
      imageTagMutability: expect.stringMatching(/^IMMUTABLE/),
      imageTagMutabilityExclusionFilters: latestAlone,
    },
  },
  "CKV_AWS_32: no repository's policy lets anybody in": {
    "aws:ecr/repositoryPolicy:RepositoryPolicy": { policy: { Statement: [{ Effect: "Deny" }] } },
  },
  "ECR.3: every repository has a lifecycle policy": {
    [repository]: { name: "hono-app-dev" },
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": { repository: "hono-app-dev" },
  },
  "CKV_AWS_136: images are encrypted by a KMS key": {
    [repository]: { encryptionConfigurations: [{ encryptionType: "KMS" }] },
  },
  // Nor everything on everything, as IAM.1 has it.
  "IAM.1, IAM.21, CKV_AWS_62, CKV_AWS_63: no policy allows actions by a wildcard": {
    [rolePolicy]: statements((actions) => !actions.some((action) => /[*?]/.test(action))),
  },
  "CKV_AWS_355: no policy is for every resource, but for actions that know none": {
    [rolePolicy]: statements(
      (actions, resources) => !resources.includes("*") || actions.every((action) => unrestrictable.includes(action)),
    ),
  },
  "SSM.1, CKV2_AWS_41: Systems Manager manages every machine": {
    [instance]: { iamInstanceProfile: "hono-app" },
    [template]: { iamInstanceProfile: { name: "hono-app" } },
    "aws:iam/instanceProfile:InstanceProfile hono-app": { role: "hono-app" },
    [`${rolePolicy} hono-app`]: {
      role: "hono-app",
      policy: { Statement: expect.arrayContaining([expect.objectContaining(session)]) },
    },
  },
  "AutoScaling.1, CKV_AWS_153: a group behind a load balancer goes by its health checks": {
    [scalingGroup]: { targetGroupArns: [expect.any(String)], healthCheckType: "ELB" },
  },
  "AutoScaling.2: a group covers more than one zone": { [scalingGroup]: { vpcZoneIdentifiers: several } },
  "AutoScaling.9, CKV_AWS_315: a group launches from a launch template": {
    [scalingGroup]: { launchTemplate: { id: expect.any(String) }, launchConfiguration: undefined },
  },
  "ELB.4, CKV_AWS_131: a load balancer drops headers that are not valid": {
    [balancer]: { dropInvalidHeaderFields: true },
  },
  "ELB.12, CKV_AWS_328: a load balancer guards against requests that are read in two ways": {
    [balancer]: { desyncMitigationMode: "defensive" },
  },
  "ELB.13: a load balancer is in more than one zone": { [balancer]: { subnets: several } },
  "ELB.17, CKV_AWS_103: HTTPS is spoken by a policy that AWS recommends": {
    [listener]: ({ inputs }) => ({ sslPolicy: inputs.protocol === "HTTPS" ? recommended : undefined }),
    [`${listener} hono-app-https`]: { protocol: "HTTPS" },
  },
  // What follows is against a control's word, on purpose, as far as its title says. Of the pair's addresses components/machine.ts says why.
  "EC2.9, CKV_AWS_88: every machine of a pair has a public address": { [instance]: { associatePublicIpAddress: true } },
  "EC2.25: launch templates give public addresses with `egress: public` alone": {
    [template]: ({ variant }) => ({
      networkInterfaces: [{ associatePublicIpAddress: String(variant === "fleet with addresses") }],
    }),
  },
  // A group of types of several architectures would launch those that cost least, and so none of the other architecture.
  "AutoScaling.6: a group has one type of machine": { [scalingGroup]: { mixedInstancesPolicy: undefined } },
  // A certificate needs a name that somebody owns: with the setting `domain` there is nothing but HTTPS.
  "ELB.1, CKV_AWS_2: HTTP leads to HTTPS with `domain` alone": {
    [`${listener} hono-app-http`]: ({ variant }) => ({
      defaultActions: [isForProduction(variant) ? { redirect: { protocol: "HTTPS" } } : { type: "forward" }],
    }),
  },
  // An S3 bucket of logs would outlive the stack; the app logs each request.
  "ELB.5, CKV_AWS_91: a load balancer does not log requests": { [balancer]: { accessLogs: undefined } },
  "ELB.6, CKV_AWS_150: a load balancer cannot be deleted with `protect` alone": {
    [balancer]: ({ variant }) => ({ enableDeletionProtection: isForProduction(variant) }),
  },
};
const isForProduction = (variant: Variant) => variant === "protected fleet with a domain";

test.each(Object.entries(controls))("%s", async (_, of) => {
  for (const [key, asked] of Object.entries(of)) {
    const found = await registered(key);
    expect(found).not.toEqual([]);
    for (const resource of found) {
      const expected = typeof asked === "function" ? asked(resource) : asked;
      const inputs = Object.fromEntries(Object.keys(expected).map((name) => [name, resource.inputs[name]]));
      expect(inputs, `${resource.name}, ${resource.variant}`).toMatchObject(expected);
    }
  }
});

// Another type may have some of its own: look them up when you add its row.
test("the types that have no control are these", async () => {
  const named = Object.values(controls).flatMap((of) => Object.keys(of).map((key) => key.split(" ")[0]));
  const types = [...new Set((await registered()).map(({ type }) => type))].filter((type) => type.startsWith("aws:"));
  expect(types.filter((type) => !named.includes(type)).sort()).toEqual([
    "aws:autoscaling/policy:Policy",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:ec2/eip:Eip",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/route:Route",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:iam/role:Role",
    "aws:lb/targetGroup:TargetGroup",
  ]);
});

test("the registry's token goes to the builder's login, as a secret, and nowhere else", async () => {
  const logins = (await registered("docker-build:index:Image")).map(({ inputs }) => inputs.registries);
  const login = secret([{ address: registryHost, username: "AWS", password: "canary-token" }]);
  expect(logins).toEqual(Object.keys(variants).map(() => login));
  const others = JSON.stringify(await registered(), (_, value) => (logins.includes(value) ? undefined : value));
  expect(others).not.toContain("canary-token");
});

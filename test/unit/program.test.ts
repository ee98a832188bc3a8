import { beforeEach, describe, expect, test } from "vitest";
import {
  account,
  all,
  configure,
  digest,
  mock,
  type Registration,
  registryHost,
  runProgram,
} from "../support/mocks.ts";

/** The whole program, as index.ts wires it. */
let resources: readonly Registration[];
// For each test, so that mutation testing knows which test covers what.
beforeEach(async () => {
  resources = [...(await runProgram())];
});

function one(type: string, name = "hono-app", from = resources): Registration {
  const found = from.filter((each) => each.type === type && each.name === name);
  expect(found, `${type} ${name}`).toHaveLength(1);
  return found[0] as Registration;
}

const components = () => resources.filter(({ type }) => type.startsWith("hono-app:index:"));

test("fails on a wrong configuration before anything is registered", async () => {
  await mock();
  configure({ port: "22" });
  // Another query is another module for Node.
  const program = "../../index.ts?wrong";
  await expect(import(program)).rejects.toThrow("hono-app:port");
  expect(all()).toEqual([]);
});

test("what the engine starts has a default export and no other: Pulumi refuses both kinds", async () => {
  expect(Object.keys(await import("../../program.js"))).toEqual(["default"]);
});

/** What the stack and each component make, with the names that people see of it in AWS, and the outputs that they register. */
function tree(from: readonly Registration[]): string[] {
  const made = (owner: string) =>
    from
      .filter(({ parent }) => parent === owner)
      .map(({ type, name, inputs }) => `${type.split(/[:/]/).at(-1)} ${name}${nameTag(inputs)}`);
  return from
    .filter(({ outputs }) => outputs)
    .map(({ type, name, outputs = {} }) => {
      const owner = `${type} ${name}`;
      return `${owner} (${Object.keys(outputs).sort().join(", ")}): ${made(owner).sort().join(", ")}`;
    })
    .sort();
}
const nameTag = ({ tags }: Registration["inputs"]) => {
  const { Name } = { ...(tags as { Name?: string }) };
  return Name ? ` = ${Name}` : "";
};

test("every resource has its name, without which it would be replaced, and its component", () => {
  expect(tree(resources)).toMatchSnapshot();
});

/** What a machine has to prove, and by the mocks proves. */
const proofOf = (name: string, machine: string, image: string, process: string) => {
  return { digest, machine, image, process, imageId: `sha256:${image}`, instanceId: `hono-app-${name}-id` };
};
const proofs = {
  graviton: proofOf("graviton", "aarch64", "arm64", "arm64"),
  intel: proofOf("intel", "x86_64", "amd64", "x64"),
};
const newestAmi = (architecture: string) =>
  `ami-of-/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;

test("every component registers as outputs what others read of it", () => {
  const outputs = components().map(({ type, name, outputs }) => [`${type.split(":").at(-1)} ${name}`, outputs]);
  const instance = (name: string, instanceType: string, ami: string) => {
    return { instanceId: `hono-app-${name}-id`, instanceType, ami: newestAmi(ami), url: "http://203.0.113.7" };
  };
  const [graviton, intel] = [instance("graviton", "t4g.small", "arm64"), instance("intel", "t3.small", "x86_64")];
  const image = { registry: registryHost, digest };
  const tag = expect.stringMatching(/^content-[0-9a-f]{16}$/);
  expect(Object.fromEntries(outputs)).toEqual({
    "Repository hono-app": {
      arn: `arn:aws:ecr:ap-northeast-2:${account}:repository/hono-app-dev`,
      url: `${registryHost}/hono-app-dev`,
    },
    "Image hono-app": {
      ...image,
      platforms: ["linux/arm64", "linux/amd64"],
      reference: { ...image, repository: "hono-app-dev", tag },
      repositoryName: "hono-app-dev",
      tags: [tag, "latest"],
    },
    "Network hono-app": {
      securityGroupId: "hono-app-id",
      subnetIds: { graviton: "hono-app-public-a-id", intel: "hono-app-public-c-id" },
      vpcId: "hono-app-id",
    },
    "Vpc hono-app": {
      vpcId: "hono-app-id",
      public: { routeTableId: "hono-app-public-id", subnetIds: ["hono-app-public-a-id", "hono-app-public-c-id"] },
    },
    "FlowLogs hono-app": {},
    "InstanceRole hono-app": { instanceProfile: "hono-app" },
    "Machine hono-app-graviton": { ...graviton, proof: proofs.graviton },
    "Machine hono-app-intel": { ...intel, proof: proofs.intel },
  });
});

test("the stack's outputs have the shape that scripts read", () => {
  const { outputs } = one("pulumi:pulumi:Stack", "hono-app-dev");
  const image = expect.stringMatching(/^sha256:d{64}$/);
  const machine = (name: string, type: string, ami: string) => ({
    id: `hono-app-${name}-id`,
    type,
    ami: newestAmi(ami),
    url: "http://203.0.113.7",
  });
  expect(outputs).toMatchObject({
    repositoryUrl: "123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/hono-app-dev",
    imageRef: expect.stringMatching(
      /^123456789012\.dkr\.ecr\.ap-northeast-2\.amazonaws\.com\/hono-app-dev:content-[0-9a-f]{16}@sha256:d{64}$/,
    ),
    imageDigest: image,
    imagePlatforms: ["linux/arm64", "linux/amd64"],
    logGroup: "hono-app-machines-dev",
    graviton: machine("graviton", "t4g.small", "arm64"),
    intel: machine("intel", "t3.small", "x86_64"),
    verifiedArchitectures: { graviton: "arm64", intel: "amd64" },
  });
});

test("each instance is proven to be of its own architecture, by its own address, with the index's digests", () => {
  for (const name of ["graviton", "intel"] as const) {
    expect(one("pulumi-nodejs:dynamic/hono-app:Verification", `hono-app-${name}`).inputs).toMatchObject({
      ...{ url: "http://203.0.113.7", logGroup: "hono-app-machines-dev", timeout: 600, expected: proofs[name] },
    });
  }
});

test("what must be there first is waited for", () => {
  expect(one("hono-app:index:Image").dependsOn).toContain("aws:ecr/repository:Repository hono-app");
  expect(one("aws:ec2/flowLog:FlowLog").dependsOn).toContain("aws:iam/rolePolicy:RolePolicy hono-app-flow-logs");
});

test("an image alone stays when it leaves the stack", () => {
  expect(resources.filter(({ retainOnDelete }) => retainOnDelete).map(({ type }) => type)).toEqual([
    "docker-build:index:Image",
  ]);
});

test("the flow log is of refused traffic, of the VPC, kept for 30 days, and written by its own role", () => {
  expect(one("aws:ec2/flowLog:FlowLog").inputs).toMatchObject({
    vpcId: "hono-app-id",
    trafficType: "REJECT",
    logDestination: "arn:aws:logs:ap-northeast-2:123456789012:log-group:hono-app-flow-logs-dev",
    iamRoleArn: "arn:aws:iam::123456789012:role/hono-app-flow-logs",
  });
  expect(one("aws:cloudwatch/logGroup:LogGroup", "hono-app-flow-logs-dev").inputs.retentionInDays).toBe(30);
  expect(one("aws:iam/rolePolicy:RolePolicy", "hono-app-flow-logs").inputs.policy).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "WriteLog",
        Effect: "Allow",
        Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
        Resource: "arn:aws:logs:ap-northeast-2:123456789012:log-group:hono-app-flow-logs-dev:*",
      },
    ],
  });
});

test("every resource of AWS that takes tags has the stack's, and an instance's volume has its instance's", () => {
  const stack = { project: "hono-app", stack: "dev", app: "hono-app" };
  // The tags of an image are Docker's.
  const aws = resources.filter(({ type }) => type.startsWith("aws:"));
  const tagged = aws.filter(({ inputs }) => inputs.tags !== undefined);
  for (const { type, name, inputs } of tagged) expect(inputs.tags, `${type} ${name}`).toMatchObject(stack);
  const others = aws.filter(({ inputs }) => inputs.tags === undefined);
  expect([...new Set(others.map(({ type }) => type))].sort()).toEqual([
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", // AWS's own
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:iam/rolePolicy:RolePolicy",
  ]);
  const { inputs } = one("aws:ec2/instance:Instance", "hono-app-intel");
  expect(inputs.tags).toEqual({ ...stack, Name: "hono-app-intel" });
  expect(inputs.volumeTags).toEqual(inputs.tags);
});

test("a component's inputs hold no token, and nothing that an up with nothing to do could change", () => {
  for (const { type, name, inputs } of components()) {
    expect(JSON.stringify(inputs), `${type} ${name}`).not.toMatch(/canary-token|ami-/);
  }
  expect(one("hono-app:index:Machine", "hono-app-graviton").inputs).toMatchObject({
    instanceType: "t4g.small",
    architecture: "arm64",
    subnetId: "hono-app-public-a-id",
    image: { repository: "hono-app-dev" },
  });
  expect(one("hono-app:index:Network").inputs).toMatchObject({ cidrBlock: "10.0.0.0/16", port: 80 });
});

describe("with other settings", () => {
  const publishing = {
    publishTo: "ghcr.io/owner/app",
    publishVersion: "1.0.0",
    publishUsername: "me",
    publishToken: "canary-publish",
  };

  const protectedOnes = (from: readonly Registration[]) =>
    from.filter(({ protect }) => protect).map(({ type, name }) => `${type.split(":").at(-1)} ${name}`);

  test("protect refuses destroy, and lets a release replace the instances", async () => {
    expect(protectedOnes(resources)).toEqual([]);
    const found = await runProgram({ protect: "true", latestTag: "false" });
    expect(protectedOnes(found).sort()).toEqual([
      "LifecyclePolicy hono-app",
      "Machine hono-app-graviton",
      "Machine hono-app-intel",
      "Repository hono-app",
      "Repository hono-app",
      "RepositoryPolicy hono-app",
      "Verification hono-app-graviton",
      "Verification hono-app-intel",
    ]);
    for (const name of ["hono-app-graviton", "hono-app-intel"]) {
      expect(one("aws:ec2/instance:Instance", name, found).protect).toBe(false);
    }
  });

  test("what machines log and what the flow log records is kept for the days that are set", async () => {
    expect(one("aws:cloudwatch/logGroup:LogGroup", "hono-app-machines-dev").inputs.retentionInDays).toBe(30);
    const found = await runProgram({ logRetentionDays: "365" });
    for (const name of ["hono-app-machines-dev", "hono-app-flow-logs-dev"]) {
      expect(one("aws:cloudwatch/logGroup:LogGroup", name, found).inputs.retentionInDays).toBe(365);
    }
  });

  test("a newer AMI replaces an instance with amiUpdate latest alone", async () => {
    expect(one("aws:ec2/instance:Instance", "hono-app-intel").ignoreChanges).toEqual(["ami"]);
    const found = await runProgram({ amiUpdate: "latest" });
    expect(one("aws:ec2/instance:Instance", "hono-app-intel", found).ignoreChanges).toEqual([]);
  });

  test("another registry gets the image once both instances have proven it", async () => {
    const found = await runProgram(publishing);
    expect(one("hono-app:index:Image", "hono-app-published", found).dependsOn).toEqual(
      expect.arrayContaining([
        "pulumi-nodejs:dynamic/hono-app:Verification hono-app-graviton",
        "pulumi-nodejs:dynamic/hono-app:Verification hono-app-intel",
      ]),
    );
    expect(one("docker-build:index:Image", "hono-app-published", found).inputs.tags).toEqual([
      "ghcr.io/owner/app:1.0.0",
      "ghcr.io/owner/app:latest",
    ]);
    const { outputs } = one("pulumi:pulumi:Stack", "hono-app-dev", found);
    expect(outputs?.publishedImage).toEqual({ ref: `ghcr.io/owner/app:1.0.0@${digest}`, digest });
  });

  describe("with a fleet", () => {
    let found: readonly Registration[];
    beforeEach(async () => {
      found = [...(await runProgram({ fleet: "true" }))];
    });

    test("every resource has its name and its component, with all that a fleet can have", async () => {
      const alarmTopic = `arn:aws:sns:ap-northeast-2:${account}:alarms`;
      const more = { egress: "endpoints", cpuTarget: "60", domain: "app.example.com", alarmTopic };
      expect(tree(await runProgram({ fleet: "true", ...more }))).toMatchSnapshot();
    });

    test("its outputs are one address, the machines with their proofs, and the same architectures", () => {
      const { outputs } = one("pulumi:pulumi:Stack", "hono-app-dev", found);
      const machines = (machine: string) => [{ id: "i-1", zone: "a", proof: expect.objectContaining({ machine }) }];
      expect(outputs).toMatchObject({
        url: "http://balancer.example",
        graviton: { group: "hono-app-graviton", type: "t4g.small", machines: machines("aarch64") },
        intel: { group: "hono-app-intel", type: "t3.small", machines: machines("x86_64") },
        verifiedArchitectures: { graviton: "arm64", intel: "amd64" },
      });
    });

    test("machines are launched when there is a load balancer that finds them healthy, which waits for their way out", () => {
      const { dependsOn } = one("hono-app:index:Balancer", "hono-app", found);
      expect(dependsOn).toContain("aws:ec2/route:Route hono-app-private");
      for (const name of ["hono-app-graviton", "hono-app-intel"]) {
        const group = one("hono-app:index:MachineGroup", name, found);
        expect(group.dependsOn).toContain("aws:lb/listener:Listener hono-app-http");
      }
    });

    test("what a template and a group make has the stack's tags too", () => {
      const stack = { project: "hono-app", stack: "dev", app: "hono-app" };
      const tags = { ...stack, Name: "hono-app-intel" };
      const { inputs } = one("aws:ec2/launchTemplate:LaunchTemplate", "hono-app-intel", found);
      expect(inputs.tagSpecifications).toEqual(
        ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
      );
      const group = one("aws:autoscaling/group:Group", "hono-app-intel", found).inputs.tags as object[];
      expect(group).toEqual(Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true })));
    });

    test("a component's inputs hold nothing that an up with nothing to do could change", () => {
      for (const { type, name, inputs } of found.filter((each) => each.type.startsWith("hono-app:index:"))) {
        expect(JSON.stringify(inputs), `${type} ${name}`).not.toMatch(/canary-token|ami-/);
      }
    });

    test("protect refuses destroy, at AWS too, and lets all that belongs to the load balancer and the groups change", async () => {
      const kept = await runProgram({ fleet: "true", protect: "true", latestTag: "false" });
      expect(one("aws:lb/loadBalancer:LoadBalancer", "hono-app", kept).inputs.enableDeletionProtection).toBe(true);
      expect(protectedOnes(kept).sort()).toEqual([
        "Group hono-app-graviton",
        "Group hono-app-intel",
        "LifecyclePolicy hono-app",
        "LoadBalancer hono-app",
        "Repository hono-app",
        "Repository hono-app",
        "RepositoryPolicy hono-app",
      ]);
    });

    test("another registry gets the image once every machine of both groups has proven it", async () => {
      const published = await runProgram({ fleet: "true", ...publishing });
      expect(one("hono-app:index:Image", "hono-app-published", published).dependsOn).toEqual(
        expect.arrayContaining([
          "pulumi-nodejs:dynamic/hono-app:GroupVerification hono-app-graviton",
          "pulumi-nodejs:dynamic/hono-app:GroupVerification hono-app-intel",
        ]),
      );
    });
  });
});

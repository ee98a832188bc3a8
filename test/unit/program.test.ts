import { beforeEach, describe, expect, test } from "vitest";
import { account, all, digest, only, registryHost, runProgram, secret } from "../support/mocks.ts";
import { one, registered } from "../support/programs.ts";

// The whole program, as index.ts wires it; for each test, so that mutation testing knows which test covers what.

const components = () => all().filter(({ type }) => type.startsWith("hono-app:index:"));

const wrongAmi = { "aws:ec2/getAmi:getAmi": () => ({ id: "ami-1", architecture: "x86_64" }) };
test.each([
  ["a wrong configuration", { port: "22" }, {}, "hono-app:port"],
  ["a wrong AMI", {}, wrongAmi, "graviton: AMI ami-1 is of architecture x86_64; it must be arm64"],
])("fails on %s before anything is registered", async (_, values, answers, message) => {
  await expect(runProgram(values, answers)).rejects.toThrow(message);
  expect(all().map(({ type }) => type)).toEqual(["pulumi:pulumi:Stack"]);
});

test("what the engine starts has a default export and no other: Pulumi refuses both kinds", async () => {
  expect(Object.keys(await import("../../program.js"))).toEqual(["default"]);
});

test("every resource of AWS that takes tags has the stack's, and so has what an instance, a template and a group make", async () => {
  const stack = { project: "hono-app", stack: "dev", app: "hono-app" };
  const { inputs } = await one("aws:ec2/instance:Instance hono-app-intel");
  // The tags of an image are Docker's.
  const aws = (await registered()).filter(({ type }) => type.startsWith("aws:"));
  const tagged = aws.filter(({ inputs }) => inputs.tags !== undefined);
  for (const { type, name, inputs } of tagged) {
    // A group has a list of them.
    const { tags } = inputs as { tags: object };
    const own = Array.isArray(tags) ? Object.fromEntries(tags.map(({ key, value }) => [key, value])) : tags;
    expect(own, `${type} ${name}`).toMatchObject(stack);
  }
  const others = aws.filter(({ inputs }) => inputs.tags === undefined);
  expect([...new Set(others.map(({ type }) => type))].sort()).toEqual([
    "aws:autoscaling/policy:Policy",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", // AWS's own
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy",
    "aws:iam/rolePolicy:RolePolicy",
  ]);
  const tags = { ...stack, Name: "hono-app-intel" };
  expect([inputs.tags, inputs.volumeTags]).toEqual([tags, tags]);
  const template = await one("aws:ec2/launchTemplate:LaunchTemplate hono-app-intel");
  const made = ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags }));
  expect(template.inputs.tagSpecifications).toEqual(made);
  const group = await one("aws:autoscaling/group:Group hono-app-intel");
  const launched = Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true }));
  expect(group.inputs.tags).toEqual(launched);
});

/** What the stack and each component make, with the names that people see of it in AWS, and the outputs that they register. */
function tree(): string[] {
  const made = (owner: string) =>
    all()
      .filter(({ parent }) => parent === owner)
      .map(({ type, name, inputs }) => `${type.split(/[:/]/).at(-1)} ${name}${nameTag(inputs)}`);
  return all()
    .filter(({ outputs }) => outputs)
    .map(({ type, name, outputs = {} }) => {
      const owner = `${type} ${name}`;
      return `${owner} (${Object.keys(outputs).sort().join(", ")}): ${made(owner).sort().join(", ")}`;
    })
    .sort();
}
const nameTag = ({ tags }: Record<string, unknown>) => {
  const { Name } = { ...(tags as { Name?: string }) };
  return Name ? ` = ${Name}` : "";
};

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

/** What a machine is, by its outputs. */
const machine = (name: string, type: string, ami: string) => {
  return { id: `hono-app-${name}-id`, type, ami: newestAmi(ami), url: "http://203.0.113.7" };
};
const [graviton, intel] = [machine("graviton", "t4g.small", "arm64"), machine("intel", "t3.small", "x86_64")];

describe("with the defaults", () => {
  beforeEach(async () => void (await runProgram()));

  test("every resource has its name, without which it would be replaced, and its component", () => {
    expect(tree()).toMatchSnapshot();
  });

  test("every component registers as outputs what others read of it", () => {
    const outputs = components().map(({ type, name, outputs }) => [`${type.split(":").at(-1)} ${name}`, outputs]);
    const instance = ({ id, type, ...more }: typeof graviton) => ({ instanceId: id, instanceType: type, ...more });
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
      "Machine hono-app-graviton": { ...instance(graviton), proof: proofs.graviton },
      "Machine hono-app-intel": { ...instance(intel), proof: proofs.intel },
    });
  });

  test("the stack's outputs have the shape that scripts read", () => {
    const { outputs } = only("pulumi:pulumi:Stack");
    expect(outputs).toMatchObject({
      repositoryUrl: `${registryHost}/hono-app-dev`,
      imageRef: expect.stringMatching(`^${registryHost}/hono-app-dev:content-[0-9a-f]{16}@${digest}$`),
      imageDigest: digest,
      imagePlatforms: ["linux/arm64", "linux/amd64"],
      logGroup: "hono-app-machines-dev",
      graviton,
      intel,
      verifiedArchitectures: { graviton: "arm64", intel: "amd64" },
    });
  });

  test("a component's inputs hold no token, and nothing that an up with nothing to do could change", async () => {
    expect(only("hono-app:index:Machine", "hono-app-graviton").inputs).toMatchObject({
      instanceType: "t4g.small",
      architecture: "arm64",
      subnetId: "hono-app-public-a-id",
      image: { repository: "hono-app-dev" },
    });
    expect(only("hono-app:index:Network").inputs).toMatchObject({ cidrBlock: "10.0.0.0/16", port: 80 });
    const ofPair = components();
    await runProgram({ fleet: "true" });
    for (const { type, name, inputs } of [...ofPair, ...components()]) {
      expect(JSON.stringify(inputs), `${type} ${name}`).not.toMatch(/canary-token|ami-/);
    }
  });
});

describe("with other settings", () => {
  const protectedOnes = () =>
    all()
      .filter(({ protect }) => protect)
      .map(({ type, name, inputs }) => {
        return `${type.split(":").at(-1)} ${name}${inputs.enableDeletionProtection ? ", at AWS too" : ""}`;
      });

  test.each([
    [
      "a pair, and lets a release replace the instances",
      {},
      ["Machine hono-app-graviton", "Machine hono-app-intel"],
      ["Verification hono-app-graviton", "Verification hono-app-intel"],
    ],
    [
      "a fleet, and lets all that belongs to the load balancer and the groups change",
      { fleet: "true" },
      ["Group hono-app-graviton", "Group hono-app-intel"],
      ["LoadBalancer hono-app, at AWS too"],
    ],
  ])("protect refuses to destroy %s", async (_, settings, machines, others) => {
    await runProgram(settings);
    expect(protectedOnes()).toEqual([]);
    await runProgram({ ...settings, protect: "true", latestTag: "false" });
    const repository = ["Repository hono-app", "Repository hono-app", "RepositoryPolicy hono-app"];
    expect(protectedOnes().sort()).toEqual([...machines, ...others, ...repository].sort());
  });

  test("a newer AMI replaces an instance with amiUpdate latest", async () => {
    await runProgram({ amiUpdate: "latest" });
    expect(only("aws:ec2/instance:Instance", "hono-app-intel").ignoreChanges).toEqual([]);
  });

  test.each([
    ["both instances have", {}, "Verification"],
    ["every machine of both groups has", { fleet: "true" }, "GroupVerification"],
  ])("another registry gets the image once %s proven it", async (_, settings, type) => {
    await runProgram({
      ...settings,
      publishTo: "ghcr.io/owner/app",
      publishVersion: "1.0.0",
      publishUsername: "me",
      publishToken: "canary-publish",
    });
    const proofs = ["graviton", "intel"].map((name) => `pulumi-nodejs:dynamic/hono-app:${type} hono-app-${name}`);
    const { dependsOn } = only("hono-app:index:Image", "hono-app-published");
    expect(dependsOn).toEqual(expect.arrayContaining(proofs));
    expect(only("docker-build:index:Image", "hono-app-published").inputs).toMatchObject({
      builder: { name: "multiplatform" },
      registries: secret([{ address: "ghcr.io", username: "me", password: "canary-publish" }]),
      exports: [{ image: { push: true, ociMediaTypes: true, pushByDigest: false } }],
      tags: ["ghcr.io/owner/app:1.0.0", "ghcr.io/owner/app:latest"],
    });
    const { outputs } = only("pulumi:pulumi:Stack");
    expect(outputs?.publishedImage).toEqual({ ref: `ghcr.io/owner/app:1.0.0@${digest}`, digest });
  });

  test("every resource has its name and its component, with all that a fleet can have", async () => {
    await runProgram({
      fleet: "true",
      egress: "endpoints",
      cpuTarget: "60",
      domain: "app.example.com",
      alarmTopic: `arn:aws:sns:ap-northeast-2:${account}:alarms`,
    });
    expect(tree()).toMatchSnapshot();
    expect(only("pulumi:pulumi:Stack").outputs?.url).toBe("https://app.example.com");
  });

  test("a fleet's outputs are one address, the machines with their proofs, and the same architectures; its way out has names", async () => {
    await runProgram({ fleet: "true" });
    const { outputs } = only("pulumi:pulumi:Stack");
    const machines = (machine: string) => [{ id: "i-1", zone: "a", proof: expect.objectContaining({ machine }) }];
    expect(outputs).toMatchObject({
      url: "http://balancer.example",
      graviton: { group: "hono-app-graviton", type: "t4g.small", machines: machines("aarch64") },
      intel: { group: "hono-app-intel", type: "t3.small", machines: machines("x86_64") },
      verifiedArchitectures: { graviton: "arm64", intel: "amd64" },
    });
    expect(tree().join()).toMatch(/Eip hono-app-a = hono-app-a, .*NatGateway hono-app-a = hono-app-a, /);
  });
});

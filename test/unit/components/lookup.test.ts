import { RunError } from "@pulumi/pulumi";
import { beforeEach, expect, test } from "vitest";
import { commonZones, lookup } from "../../../components/lookup.ts";
import { certificate, mock, registryHost } from "../../support/mocks.ts";

const args = {
  instanceTypes: { graviton: "t4g.small", intel: "t3.small" },
  availabilityZones: [],
  repository: { name: "app-dev" },
  registryLogin: "program" as const,
};
beforeEach(() => mock());

const refusing = (message: string) => () => {
  throw new Error(message);
};

test("each machine gets its architecture's newest AMI, zones that offer both types, and the registry's login", async () => {
  expect(await lookup(args)).toEqual({
    amis: {
      graviton: "ami-of-/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
      intel: "ami-of-/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    },
    availabilityZones: ["ap-northeast-2a", "ap-northeast-2c"],
    registry: { address: registryHost, login: { username: "AWS", password: expect.anything() } },
  });
});

test("a login that is left to Docker is not in the program", async () => {
  const { registry } = await lookup({ ...args, registryLogin: "docker" });
  expect(registry).toEqual({ address: registryHost, login: undefined });
});

test("a question that AWS refuses ends with a sentence, not with a stack", async () => {
  await mock({ "aws:ecr/getAuthorizationToken:getAuthorizationToken": refusing("") });
  const error = await lookup(args).catch((reason: unknown) => reason);
  expect(RunError.isInstance(error)).toBe(true);
  expect(String(error)).toMatch(/, so nothing was changed\nWhat to do: npm run doctor -- --stack dev$/);
});

test("an AMI of the wrong architecture is refused", async () => {
  const asked: object[] = [];
  await mock({ "aws:ec2/getAmi:getAmi": (inputs) => ({ id: `ami-${asked.push(inputs)}`, architecture: "x86_64" }) });
  await expect(lookup(args)).rejects.toThrow(
    "graviton: AMI ami-1 is of architecture x86_64; it must be arm64, so nothing was created",
  );
  const values = [expect.stringMatching(/^ami-of-.*arm64$/)];
  expect(asked[0]).toEqual({ owners: ["amazon"], filters: [{ name: "image-id", values }] });
});

/** The zones that offer each machine's type. */
const offering = (graviton: string[], intel: string[]) => [
  { type: "t4g.small", zones: graviton },
  { type: "t3.small", zones: intel },
];

test("zones: the region's first two that offer every type", () => {
  const zones = ["d", "c", "b", "a"];
  expect(commonZones(zones, offering(["d", "c", "b"], zones))).toEqual(["b", "c"]);
  expect(() => commonZones(zones, offering(["a", "b"], ["b", "c"]))).toThrow(
    "offered: t4g.small in a, b; t3.small in b, c. Choose other types or another region",
  );
  expect(() => commonZones(zones, offering([], ["b"]))).toThrow("t4g.small in none");
});

test("zones that are chosen stay, in their order, while they offer both types", () => {
  const zones = ["a", "b", "c"];
  expect(commonZones(zones, offering(zones, zones), ["c", "b"])).toEqual(["c", "b"]);
  expect(() => commonZones(zones, offering(["a", "b"], zones), ["c", "b"])).toThrow(
    'availabilityZones is ["c","b"]; allowed: zones that offer every instance type; offered: t4g.small in a, b; t3.small',
  );
});

test("the zones that a stack sets are those of its subnets", async () => {
  const availabilityZones = ["ap-northeast-2c", "ap-northeast-2a"];
  expect(await lookup({ ...args, availabilityZones })).toMatchObject({ availabilityZones });
});

test("zones: none that the account has opted in to, a Local Zone, although it offers the types and is the first by name", async () => {
  const local = "us-west-2-lax-1a";
  await mock({
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": ({ locationType, filters }) => {
      const [{ name, values }] = filters as [{ name: string; values: string[] }];
      const isAsked = locationType === "availability-zone" && name === "instance-type";
      return { locations: isAsked ? [local, values[0] === "t4g.small" ? "us-west-2b" : "us-west-2a"] : [] };
    },
    "aws:index/getAvailabilityZones:getAvailabilityZones": ({ state, filters }) => {
      const [{ name, values }] = filters as [{ name: string; values: string[] }];
      const asked = state === undefined && name === "opt-in-status" ? values : ["opt-in-not-required", "opted-in"];
      const all = { "opt-in-not-required": ["us-west-2a", "us-west-2b"], "opted-in": [local] };
      return { names: asked.flatMap((status) => all[status as keyof typeof all]) };
    },
  });
  await expect(lookup(args)).rejects.toThrow("offered: t4g.small in us-west-2b; t3.small in us-west-2a. Choose");
});

test("an earlier release is found by its tag or digest", async () => {
  const asked: object[] = [];
  await mock({
    "aws:ecr/getImage:getImage": (inputs) => {
      const imageTags = ["latest", "content-b", "content-a"];
      // ECR lists them in no order.
      return { imageDigest: "sha256:old", imageTags: asked.push(inputs) > 2 ? imageTags.reverse() : imageTags };
    },
  });
  const digest = "sha256:old";
  expect((await lookup({ ...args, release: "content-b" })).release).toEqual({ tag: "content-b", digest });
  for (let time = 0; time < 2; time++) {
    expect((await lookup({ ...args, release: digest })).release).toEqual({ tag: "content-a", digest });
  }
  expect(asked.slice(0, 2)).toEqual([
    { repositoryName: "app-dev", imageTag: "content-b" },
    { repositoryName: "app-dev", imageDigest: digest },
  ]);
});

test.each([
  ["latest, x", ["latest", "x"]],
  ["no tag", []],
])("an image without a release's tag is refused: %s", async (tags, imageTags) => {
  await mock({ "aws:ecr/getImage:getImage": () => ({ imageDigest: "sha256:x", imageTags }) });
  await expect(lookup({ ...args, release: "sha256:x" })).rejects.toThrow(
    `sha256:x in app-dev has ${tags}; a release has a tag content-…, so nothing was changed`,
  );
});

test("a release that the registry does not have is refused, with where releases are listed", async () => {
  await mock({ "aws:ecr/getImage:getImage": refusing("couldn't find resource") });
  await expect(lookup({ ...args, release: "content-old" })).rejects.toThrow(
    /^release is content-old, which app-dev does not have \(.*\), so nothing was changed\nWhat to do: .*"First aid"/s,
  );
});

test("the certificate of a fleet's domain must have been issued, and be for it; every kind of key that a load balancer takes is looked for", async () => {
  const asked: object[] = [];
  const token = "aws:acm/getCertificate:getCertificate";
  const primary = "*.example.com";
  const fleet = { certificate: { primary, domain: "app.example.com" } };
  await mock({ [token]: (inputs) => ({ arn: `arn of ${asked.push(inputs)}`, certificate }) });
  expect((await lookup(args)).certificateArn).toBeUndefined();
  expect((await lookup({ ...args, fleet: {} })).certificateArn).toBeUndefined();
  expect((await lookup({ ...args, fleet })).certificateArn).toBe("arn of 1");
  expect(asked).toEqual([
    {
      domain: primary,
      statuses: ["ISSUED"],
      mostRecent: true,
      keyTypes: ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"],
    },
  ]);
  await expect(lookup({ ...args, fleet: { certificate: { primary, domain: "a.b.example.com" } } })).rejects.toThrow(
    "domain is a.b.example.com, and the newest certificate for *.example.com in ACM, arn of 2, is for *.example.com, so nothing was changed. " +
      "Request one for a.b.example.com, or set certificateDomain to the primary domain name of one that is for it",
  );
  await mock({ [token]: refusing("no matching certificate") });
  await expect(lookup({ ...args, fleet })).rejects.toThrow(
    /^no certificate for \*\.example\.com has been issued in ACM, in the stack's region \(.*\), so nothing was changed\. Request one/,
  );
});

import fs, { readFileSync } from "node:fs";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { estimate, main, planned, type Resource, toMarkdown, toText } from "../../../cli/cost.ts";
import { architectures } from "../../../components/architecture.ts";
import { prices } from "../../../local/providers/aws/prices.ts";
import { projectName } from "../../../tools/project.ts";
import { readConfig, stackConfig } from "../../../tools/stack-config.ts";
import { configOf } from "../../support/mocks.ts";
import { everywhere } from "../../support/process.ts";

const of = (type: string, name: string, inputs: Resource["inputs"] = {}): Resource => ({ type, name, inputs });
const instance = (inputs: Resource["inputs"] = {}) =>
  of("aws:ec2/instance:Instance", "machine", {
    instanceType: "t4g.small",
    rootBlockDevice: { volumeType: "gp3", volumeSize: 8 },
    associatePublicIpAddress: true,
    monitoring: true,
    ...inputs,
  });

/** What a document and its translation say. */
function expectIn(name: string, english: string | RegExp, korean: string | RegExp): void {
  expect(readFileSync(`${name}.md`, "utf8")).toMatch(english);
  expect(readFileSync(`${name}.ko.md`, "utf8")).toMatch(korean);
}

let program: readonly Resource[];
beforeAll(async () => {
  program = await planned("dev", stackConfig());
});

test("the program's price, part by part, and in the documents", () => {
  const result = estimate(program, prices.region);
  expect(result.unknown).toEqual([]);
  const parts = Object.fromEntries(
    result.lines.map(({ resource, what, monthly }) => [`${resource}: ${what}`, Number(monthly.toFixed(3))]),
  );
  expect(parts).toEqual({
    "hono-app: ECR storage, GB (assumed: 0.12)": 0.012,
    "hono-app-graviton: EC2 t4g.small, on demand, Linux": 15.184,
    "hono-app-graviton: EBS gp3, GiB": 0.73,
    "hono-app-graviton: public IPv4 address": 3.65,
    "hono-app-graviton: CloudWatch detailed monitoring, metrics": 2.1,
    "hono-app-intel: EC2 t3.small, on demand, Linux": 18.98,
    "hono-app-intel: EBS gp3, GiB": 0.73,
    "hono-app-intel: public IPv4 address": 3.65,
    "hono-app-intel: CloudWatch detailed monitoring, metrics": 2.1,
  });
  expect(result.total).toBeCloseTo(47.135, 2);
  for (const name of ["README", "docs/operation"]) expectIn(name, "$47 a month", "월 약 47달러");
  for (const each of ["$15.18", "$18.98"]) expectIn("docs/guide", each, each);
});

test("a stack's own configuration comes before the project's", () => {
  const config = readConfig("config:\n  volumeSizeGiB: 100\n");
  expect(config).toMatchObject({
    [`${projectName}:volumeSizeGiB`]: "100",
    [`${projectName}:intelInstanceType`]: "t3.small",
    [`${projectName}:allowedCidrs`]: '["0.0.0.0/0"]',
    "aws:region": "ap-northeast-2",
  });
});

test("that a stack has settings in Pulumi ESC, which is not asked, is said", () => {
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  readConfig("environment:\n  - prod\n");
  expect(stderr.mock.calls).toEqual([[expect.stringContaining("a Pulumi ESC environment")]]);
});

test.each<[what: string, resources: Resource[], why: string]>([
  ["a type", [of("aws:ec2/vpnGateway:VpnGateway", "vpn")], "its type has no price in local/providers/aws"],
  ["an instance type", [instance({ instanceType: "m7g.large" })], "no price is known for the instance type m7g.large"],
  ["another volume type", [instance({ rootBlockDevice: { volumeType: "io2", volumeSize: 8 } })], "gp3"],
  ["a faster volume", [instance({ rootBlockDevice: { volumeType: "gp3", volumeSize: 8, iops: 6000 } })], "gp3"],
  [
    "a group without a launch template of its name",
    [
      of("aws:autoscaling/group:Group", "machines", { minSize: 2, maxSize: 5 }),
      of("aws:ec2/launchTemplate:LaunchTemplate", "other"),
    ],
    "no launch template of its name",
  ],
])("without a price, %s is named, and fails the estimate", (_, resources, why) => {
  const [first] = resources as [Resource];
  expect(estimate([instance(), ...resources], prices.region).unknown).toEqual([
    { resource: `${first.type} ${first.name}`, why: expect.stringContaining(why) },
  ]);
});

test("what is not switched on is not charged", () => {
  const { lines } = estimate([instance({ associatePublicIpAddress: false, monitoring: false })], prices.region);
  expect(lines.map(({ what }) => what)).toEqual(["EC2 t4g.small, on demand, Linux", "EBS gp3, GiB"]);
});

test("a NAT gateway has a price by the hour, and one by what passes it", () => {
  const nat = [of("aws:ec2/natGateway:NatGateway", "nat"), of("aws:ec2/eip:Eip", "nat")];
  const { total, notIncluded } = estimate(nat, prices.region);
  expect(total).toBeCloseTo(46.72, 2);
  expect(notIncluded).toContain("what passes the NAT gateway, as machines that boot pull: $0.059 per GB");
});

test("the zones that the stack chooses change no price", async () => {
  const zones = ["ap-northeast-2c", "ap-northeast-2d"];
  const resources = await planned("dev", configOf({ availabilityZones: JSON.stringify(zones) }, projectName));
  const subnets = resources.filter(({ type }) => type === "aws:ec2/subnet:Subnet");
  expect(subnets.map(({ inputs }) => inputs.availabilityZone)).toEqual(zones);
  expect(estimate(resources, prices.region).total).toBe(estimate(program, prices.region).total);
});

test.each([
  ["fleet: true", {}, 110.28, 110.28],
  ["egress: public", { egress: "public" }, 70.86, 70.86],
  // HTTPS costs nothing.
  ["egress: endpoints", { egress: "endpoints", domain: "app.example.com" }, 120.5, 120.5],
  [
    "scaled, with alarms",
    { machinesMin: "2", machinesMax: "4", cpuTarget: "60", alarmTopic: "arn:aws:sns:ap-northeast-2:123456789012:x" },
    151,
    230.65,
  ],
])("a fleet's price, here and in the documents that name it: %s", async (setting, own, least, most) => {
  const result = estimate(await planned("dev", configOf({ fleet: "true", ...own }, projectName)), prices.region);
  expect(result.unknown).toEqual([]);
  expect([result.total, result.most]).toEqual([expect.closeTo(least, 2), expect.closeTo(most, 2)]);
  const [price, machines] =
    least === most ? [`$${least.toFixed(2)}`, "1 | 15.18"] : ["$151.00 to $230.65", "2 to 4 | 30.37 to 60.74"];
  for (const shown of [`<b>${price}</b>`, `Linux | ${machines} |`, "(assumed: 0.12) | 0.12 | 0.01 |"])
    expect(toMarkdown(result)).toContain(shown);
  if (least !== most) return;
  const sum = Math.round(result.total);
  const row = (text: string) => new RegExp(`^\\| \`${setting}\` .* ${text} \\|$`, "m");
  expectIn("docs/fleet", row(`\\$${sum} in all`), row(`모두 ${sum}달러`));
  if (setting !== "egress: endpoints") expectIn("README", `$${sum}`, `${sum}달러`);
});

test("a load balancer has an address in each zone, unless it is internal", () => {
  const balancer = (inputs: Resource["inputs"]) =>
    estimate([of("aws:lb/loadBalancer:LoadBalancer", "b", inputs)], prices.region).total;
  expect(balancer({ subnets: ["a", "b", "c"] })).toBeCloseTo(16.43 + 3 * 3.65, 1);
  expect(balancer({ subnets: ["a", "b"], internal: true })).toBeCloseTo(16.43, 1);
});

test("another region has other prices", () => {
  expect(estimate([], "us-east-1").unknown).toEqual([
    { resource: "region us-east-1", why: expect.stringContaining("ap-northeast-2") },
  ]);
});

test("the region is the stack's; a sum that leaves something out is shown, and is no success", async () => {
  const read = fs.readFileSync;
  const abroad = (file: string | URL, options: "utf8") =>
    String(file).endsWith("/Pulumi.dev.yaml") ? "config:\n  aws:region: us-east-1\n" : read(file, options);
  everywhere(vi.spyOn(fs, "readFileSync").mockImplementation(abroad as typeof read));
  const shown = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => {
    process.exitCode = undefined;
  });
  await main([]);
  expect(process.exitCode).toBe(1);
  expect(shown).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("WITHOUT A PRICE: region us-east-1"));
});

test("the table has every size of the families that the program takes", () => {
  for (const { instanceFamily } of Object.values(architectures)) {
    for (const size of ["micro", "small", "medium", "large", "xlarge", "2xlarge"]) {
      expect(prices.instances[`${instanceFamily}.${size}`]).toBeGreaterThan(0);
    }
  }
});

test("as text and as Markdown, with what is not in the sum", () => {
  const free = of("aws:ec2/vpc:Vpc", "network");
  const result = estimate([{ ...instance(), name: "a|b" }, free, of("x:y:Z", "z")], prices.region);
  const text = toText(result);
  expect(text).toMatch(/total.*21\.66/);
  expect(text).toContain("WITHOUT A PRICE: x:y:Z z");
  expect(text).toContain("\n1 further resources cost nothing");
  expect(text).toContain("not included: data transfer to the internet");
  const markdown = toMarkdown(result);
  expect(markdown).toContain("<b>$21.66</b> a month and what has no known price");
  expect(markdown).toContain("| a\\|b | EBS gp3, GiB | 8 | 0.73 |");
  // GitHub takes a table only after an empty line.
  expect(markdown).toContain("</summary>\n\n| resource");
});

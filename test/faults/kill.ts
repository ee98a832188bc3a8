import { expect } from "vitest";
import { type Result, succeed } from "../e2e/stack.ts";
import {
  expectConsistent,
  expectServing,
  expectUpConverges,
  finished,
  killed,
  standing,
  state,
  type Victim,
  withNewRelease,
} from "./faults.ts";

/** The stack's resources, as the engine's output names them, in the order in which they are made. */
export const resources = [
  "aws:ecr:Repository hono-app",
  "aws:ecr:LifecyclePolicy hono-app",
  "aws:ecr:RepositoryPolicy hono-app",
  "aws:iam:Role hono-app",
  "aws:iam:RolePolicy hono-app-pull",
  "aws:iam:RolePolicyAttachment hono-app-session",
  "aws:iam:InstanceProfile hono-app",
  "aws:ec2:Vpc hono-app",
  "aws:ec2:DefaultSecurityGroup hono-app",
  "aws:ec2:InternetGateway hono-app",
  "aws:ec2:Subnet hono-app-public-1",
  "aws:ec2:Subnet hono-app-public-2",
  "aws:ec2:RouteTable hono-app-public-1",
  "aws:ec2:RouteTable hono-app-public-2",
  "aws:ec2:Route hono-app-public-1",
  "aws:ec2:Route hono-app-public-2",
  "aws:ec2:RouteTableAssociation hono-app-public-1",
  "aws:ec2:RouteTableAssociation hono-app-public-2",
  "aws:cloudwatch:LogGroup hono-app-flow-logs",
  "aws:iam:Role hono-app-flow-logs",
  "aws:iam:RolePolicy hono-app-flow-logs",
  "aws:ec2:FlowLog hono-app",
  "aws:ec2:SecurityGroup hono-app",
  "aws:vpc:SecurityGroupIngressRule hono-app-0.0.0.0/0",
  "aws:vpc:SecurityGroupEgressRule hono-app-https",
  "docker-build:index:Image hono-app",
  "pulumi-nodejs:dynamic/hono-app:ImageIndex hono-app",
  "aws:ec2:Instance hono-app-graviton",
  "aws:ec2:Instance hono-app-intel",
  "pulumi-nodejs:dynamic/hono-app:Verification hono-app-graviton",
  "pulumi-nodejs:dynamic/hono-app:Verification hono-app-intel",
] as const;

/** What an `up` after an edit of the app does to them. */
export const updates = [
  "docker-build:index:Image hono-app updating",
  "pulumi-nodejs:dynamic/hono-app:ImageIndex hono-app updating",
  "aws:ec2:Instance hono-app-graviton creating replacement",
  "aws:ec2:Instance hono-app-intel creating replacement",
  "pulumi-nodejs:dynamic/hono-app:Verification hono-app-graviton updating",
  "pulumi-nodejs:dynamic/hono-app:Verification hono-app-intel updating",
  "aws:ec2:Instance hono-app-graviton deleting original",
  "aws:ec2:Instance hono-app-intel deleting original",
] as const;

/** Who has a part in a step. */
export function victimsOf(step: string): Victim[] {
  const provider = step.startsWith("aws:") ? "aws" : step.startsWith("docker-build:") ? "docker-build" : "dynamic";
  return ["engine", "program", provider];
}

const at = (step: string) => new RegExp(`${step.replaceAll(/[.*+?^${"$"}{}()|[\]\\]/g, "\\$&")} `);

/** A command whose program was killed can say nothing any more; any other says who ended, and how. */
function expectFailure(victim: Victim, step: string, { status, output }: Result): void {
  // A provider may have done its part between the line and the kill; then nothing has failed.
  const [resource = ""] = step.split(/ (?:creating|updating|deleting)/);
  if (status === 0 && victim !== "engine" && victim !== "program") {
    expect(output).toMatch(new RegExp(`${at(resource).source}(?:created|updated|deleted)`));
    return;
  }
  expect(status).toBe(victim === "program" ? null : 1);
  if (victim === "engine") expect(output).toMatch(/the engine was ended by SIGKILL.*run .* again/s);
  else if (victim !== "program")
    expect(output).toMatch(/exited prematurely|error reading from server|connection error/);
}

/** The command after a killed one finds out what there is: nothing is lost, doubled or pending. */
export async function expectRecovered(): Promise<void> {
  await succeed("refresh");
  await expectConsistent();
}

/** Killed while it makes a resource; what there was before stays. */
export async function killAtCreate(victim: Victim, resource: string, expectNext = expectRecovered): Promise<void> {
  await finished();
  if (has(resource)) await succeed("destroy");
  const step = `${resource} creating`;
  expectFailure(victim, step, await killed(victim, at(step), "up"));
  await expectNext();
}

/** Killed while it replaces the machines: the old ones serve until they are deleted, and the next `up` does the rest. */
export async function killAtUpdate(victim: Victim, step: string): Promise<void> {
  const before = await standing();
  await withNewRelease(async () => {
    expectFailure(victim, step, await killed(victim, at(step), "up"));
    if (!step.endsWith("deleting original")) await expectServing(before);
    const after = await expectUpConverges();
    expect(after.imageRef).not.toBe(before.imageRef);
  });
}

/** Killed while it deletes a resource. */
export async function killAtDestroy(victim: Victim, resource: string, expectNext = expectRecovered): Promise<void> {
  await finished();
  // The machines take the longest, and are made only where they are what is deleted.
  const machines = /:(?:Instance|Verification) /;
  if (!has(resource) && !machines.test(resource)) await killed("engine", /aws:ec2:Instance \S+ creating/, "up");
  if (!has(resource)) await succeed("up");
  const step = `${resource} deleting`;
  expectFailure(victim, step, await killed(victim, at(step), "destroy"));
  await expectNext();
}

/** Whether the state has a resource, as the engine's output names it. */
function has(resource: string): boolean {
  const [type = "", name = ""] = resource.split(" ");
  const [module, path, noun] = type.split(":");
  // The output leaves out the file of a type: aws:ec2/vpc:Vpc is aws:ec2:Vpc.
  const urn = new RegExp(`[:$]${module}:${path}(?:/\\w+)?:${noun}::${name.replaceAll(".", "\\.")}$`);
  return state().resources.some((each) => urn.test(each.urn));
}

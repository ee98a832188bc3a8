import { expect, test } from "vitest";
import { MachineGroup, type MachineGroupArgs } from "../../../components/machine-group.ts";
import { launchArgs } from "../../support/machine.ts";
import { mock, only, settle } from "../../support/mocks.ts";

const args = {
  ...launchArgs,
  subnetIds: ["subnet-3", "subnet-4"],
  publicAddress: false,
  min: 2,
  max: 5,
  address: "balancer.example",
  targetGroupArn: "arn:targets",
  configs: {},
  verificationTimeout: 300,
  protect: false,
} satisfies MachineGroupArgs;

async function group(more: Partial<MachineGroupArgs> = {}) {
  await mock();
  await settle(new MachineGroup("app-graviton", { ...args, ...more }).proof);
}

test("what a newer AMI is kept back until", async () => {
  const kept = () => only("pulumi-nodejs:dynamic/hono-app:KeptAmi").inputs;
  const occasion = () => kept().occasion;
  await group();
  const first = occasion();
  for (const [more, isSame] of [
    [{ ami: "ami-2", min: 1 }, true],
    [{ instanceType: "t4g.large" }, false],
    [{ volumeSize: 9 }, false],
    [{ publicAddress: true }, false],
    [{ securityGroupId: "sg-2" }, false],
    [{ instanceProfile: "other" }, false],
    [{ image: { ...args.image, digest: "sha256:other" } }, false],
  ] as const) {
    await group(more);
    expect(occasion() === first, JSON.stringify(more)).toBe(isSame);
  }
  await group({ amiUpdate: "latest" });
  expect(kept()).toMatchObject({ newest: args.ami, amiUpdate: "latest" });
});

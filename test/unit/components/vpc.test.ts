import { BlockList } from "node:net";
import { expect, test } from "vitest";
import { subnetBlock, Vpc } from "../../../components/vpc.ts";
import { find, mock, settle } from "../../support/mocks.ts";

test("in other zones no new subnet has the block of one that is still there, and what stays is as it was", async () => {
  const subnetsIn = async (...availabilityZones: string[]) => {
    await mock();
    await settle(new Vpc("app", { cidrBlock: "10.0.0.0/16", availabilityZones, egress: "nat" }).vpcId);
    return find("aws:ec2/subnet:Subnet");
  };
  const before = await subnetsIn("us-east-1a", "us-east-1c");
  const after = await subnetsIn("us-east-1d", "us-east-1c", "us-east-1h");
  expect(after).toHaveLength(6);
  const stay = after.filter(({ name }) => before.some((each) => each.name === name));
  expect(stay.map(({ name }) => name).sort()).toEqual(["app-private-c", "app-public-c"]);
  for (const { name, inputs } of stay) expect(before.find((each) => each.name === name)?.inputs).toEqual(inputs);
  const blocks = [...before, ...after.filter((each) => !stay.includes(each))].map(({ inputs }) => inputs.cidrBlock);
  expect(new Set(blocks).size).toBe(8);
});

test.each([16, 17, 18, 19, 20])("a VPC of /%i has 16 blocks, all its own", (length) => {
  for (let third = 0; third < 256; third += 2 ** (24 - length)) {
    const first = `10.7.${third}.0`;
    const vpc = new BlockList();
    vpc.addSubnet(first, length);
    const blocks = Array.from({ length: 16 }, (_, index) => subnetBlock(`${first}/${length}`, index));
    expect(new Set(blocks).size).toBe(16);
    for (const block of blocks) expect(vpc.check(block.replace(".0/24", ".255")), block).toBe(true);
  }
});

import { expect, test, vi } from "vitest";
import { ec2 } from "../../../local/providers/aws/clients.ts";
import { prices } from "../../../local/providers/aws/prices.ts";
import { provider } from "../../../local/providers/aws/provider.ts";
import { define, type Row } from "../../../local/providers/aws/row.ts";
import { schemas } from "../../../local/providers/aws/schemas.ts";

const token = "aws:ec2/eip:Eip";

/** All that a new type takes, beside its schema, which `schemas.py` fetches. */
const row: Row = {
  type: "AWS::EC2::EIP",
  without: ["instanceId", "transferAddress"],
  replace: ["domain", "publicIpv4Pool"],
  price: () => [{ what: "public IPv4 address", quantity: 1, each: prices.publicIpv4 * prices.hoursPerMonth }],
  id: "AllocationId",
  tagType: "elastic-ip",
  list: ["describeAddresses", "Addresses"],
  calls: { create: "allocateAddress", delete: "releaseAddress" },
  outputs: { publicIp: "PublicIp" },
};

// What schemas.py prints for the type.
Object.assign(schemas.resources, {
  [row.type]: {
    additionalProperties: false,
    createOnlyProperties: ["NetworkBorderGroup", "TransferAddress", "IpamPoolId", "Address"].map(
      (name) => `/properties/${name}`,
    ),
    readOnlyProperties: ["/properties/PublicIp", "/properties/AllocationId"],
    properties: {
      Address: { type: "string" },
      AllocationId: { type: "string" },
      Domain: { enumCaseInsensitive: ["standard", "vpc"], type: "string" },
      InstanceId: { type: "string" },
      IpamPoolId: { type: "string" },
      NetworkBorderGroup: { type: "string" },
      PublicIp: { type: "string" },
      PublicIpv4Pool: { type: "string" },
      Tags: { items: { type: "object" }, type: "array", uniqueItems: false },
      TransferAddress: { type: "string" },
    },
    allOf: [{ $ref: "E3024" }],
  },
});

const resource = define(token, row);
const aws = provider("", { [token]: resource }, {}, async () => {});
const urn = `urn:pulumi:dev::app::${token}::address`;

test("a type that is added is one row: AWS's schema says what its inputs are", async () => {
  expect(resource.label).toBe("EC2 Eip");
  expect(resource.inputs).toEqual({
    address: ["replace"],
    domain: ["replace"],
    ipamPoolId: ["replace"],
    networkBorderGroup: ["replace"],
    publicIpv4Pool: ["replace"],
    tags: [],
  });
  const check = async (inputs: object) => (await aws.check?.(urn, {}, inputs))?.failures?.map(({ reason }) => reason);
  expect(await check({ domain: "VPC", tags: { app: "hono" } })).toEqual([]);
  expect(await check({ domain: "moon" })).toEqual([expect.stringContaining('Domain of AWS::EC2::EIP is "moon"')]);
  expect(await check({ instance: "i-1" })).toEqual([expect.stringContaining('unknown property "instance"')]);
  expect(await aws.diff?.("id", urn, { __inputs: { domain: "vpc" } }, { domain: "standard" })).toMatchObject({
    replaces: ["domain"],
  });
});

test("a type that is added is one row: it is made, read, listed, tagged and deleted", async () => {
  vi.stubEnv("AWS_REGION", "ap-northeast-2");
  const api = await ec2();
  const Tags = [{ Key: "app", Value: "hono" }];
  const address = { AllocationId: "eipalloc-1", PublicIp: "203.0.113.7", Domain: "vpc" as const, Tags };
  const other = { ...address, AllocationId: "eipalloc-2" };
  const create = vi.spyOn(api, "allocateAddress").mockImplementation(() => address);
  const list = vi.spyOn(api, "describeAddresses").mockImplementation(() => ({ Addresses: [other, address] }));
  const tag = vi.spyOn(api, "createTags").mockImplementation(() => ({}));
  const gone = Object.assign(new Error(), { name: "InvalidAllocationID.NotFound" });
  const remove = vi.spyOn(api, "releaseAddress").mockImplementation(() => Promise.reject(gone));

  const inputs = { domain: "vpc", tags: { app: "hono" } };
  const made = await aws.create?.(urn, inputs);
  const TagSpecifications = [{ ResourceType: "elastic-ip", Tags }];
  expect(create).toHaveBeenCalledWith({ Domain: "vpc", TagSpecifications });
  expect(list).toHaveBeenCalledWith({ AllocationIds: ["eipalloc-1"] });
  expect(made).toMatchObject({ id: "eipalloc-1", outs: { publicIp: "203.0.113.7", domain: "vpc", tags: inputs.tags } });

  expect((await resource.list()).map(({ id }) => id)).toEqual(["eipalloc-2", "eipalloc-1"]);
  expect((await aws.read?.("eipalloc-3", urn, made?.outs))?.id).toBe("");

  await aws.update?.("eipalloc-1", urn, made?.outs, { ...inputs, tags: { app: "bun" } });
  expect(tag).toHaveBeenCalledWith({ Resources: ["eipalloc-1"], Tags: [{ Key: "app", Value: "bun" }] });

  await aws.delete?.("eipalloc-1", urn, made?.outs);
  expect(remove).toHaveBeenCalledWith({ AllocationId: "eipalloc-1" });
});

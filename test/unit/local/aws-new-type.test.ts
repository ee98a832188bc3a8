import { afterAll, expect, test } from "vitest";
import { prices } from "../../../local/providers/aws/prices.ts";
import { provider } from "../../../local/providers/aws/provider.ts";
import { define, type Row } from "../../../local/providers/aws/row.ts";
import { schemas } from "../../../local/providers/aws/schemas.ts";

const token = "aws:ebs/volume:Volume";

/** All that a new type takes, beside its schema, which `schemas.py` fetches. */
const row: Row = {
  type: "AWS::EC2::Volume",
  names: { type: "VolumeType" },
  required: ["availabilityZone"],
  replace: ["availabilityZone", "encrypted"],
  price: ({ size }) => [{ what: "EBS gp3, GiB", quantity: Number(size), each: prices.gp3 }],
  calls: { create: "createVolume", update: ["modifyVolume"], delete: "deleteVolume" },
  outputs: { createTime: "CreateTime" },
};

// How a row is made, read, listed, changed, tagged and deleted: test/e2e/network.test.ts. What schemas.py prints for the type.
Object.assign(schemas.resources, {
  [row.type]: {
    additionalProperties: false,
    createOnlyProperties: ["/properties/SnapshotId"],
    primaryIdentifier: ["/properties/VolumeId"],
    readOnlyProperties: ["/properties/VolumeId"],
    properties: {
      AvailabilityZone: { type: "string" },
      Encrypted: { type: "boolean" },
      Size: { type: "integer" },
      SnapshotId: { type: "string" },
      Tags: { items: { type: "object" }, type: "array", uniqueItems: false },
      VolumeId: { type: "string" },
      VolumeType: { enum: ["gp2", "gp3", "io1"], type: "string" },
    },
    allOf: [{ $ref: "E3024" }],
  },
});

// A worker keeps them for the next file.
afterAll(() => void Reflect.deleteProperty(schemas.resources, row.type));

const resource = define(token, row);
const aws = provider("", { [token]: resource }, {}, async () => {});
const urn = `urn:pulumi:dev::app::${token}::disk`;

test("a type that is added is one row: AWS's schema says what its inputs are", async () => {
  expect(resource.label).toBe("EC2 Volume");
  expect(resource.inputs).toEqual({
    availabilityZone: ["required", "replace"],
    encrypted: ["replace"],
    size: [],
    snapshotId: ["replace"],
    tags: [],
    type: [],
  });
  const check = async (inputs: object) =>
    (await aws.check?.(urn, {}, { availabilityZone: "ap-northeast-2a", ...inputs }))?.failures?.map(
      ({ reason }) => reason,
    );
  expect(await check({ type: "gp3", tags: { app: "hono" } })).toEqual([]);
  expect(await check({ type: "moon" })).toEqual([expect.stringContaining('VolumeType of AWS::EC2::Volume is "moon"')]);
  expect(await check({ iops: 1 })).toEqual([expect.stringContaining('unknown property "iops"')]);
  expect(await check({ availabilityZone: undefined })).toEqual(['missing required property "availabilityZone"']);
  expect(await aws.diff?.("id", urn, { __inputs: { size: 8, encrypted: true } }, { size: 9 })).toMatchObject({
    replaces: ["encrypted"],
  });
});

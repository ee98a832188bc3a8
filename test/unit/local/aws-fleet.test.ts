import { ACMClient } from "@aws-sdk/client-acm";
import { AutoScalingClient } from "@aws-sdk/client-auto-scaling";
import { beforeEach, describe, expect, test } from "vitest";
import { functions } from "../../../local/providers/aws/functions.ts";
import { provider } from "../../../local/providers/aws/provider.ts";
import { resources } from "../../../local/providers/aws/rows.ts";
import { type Asked, answering, changes } from "../../support/sdk.ts";

const aws = provider("", resources, {}, async () => {});
const urn = (type: string) => `urn:pulumi:dev::app::${type}::app`;

describe("a group", () => {
  const type = "aws:autoscaling/group:Group";
  const inputs = {
    name: "app",
    minSize: 1,
    maxSize: 2,
    waitForCapacityTimeout: "0",
    launchTemplate: { id: "lt-1", version: "1" },
    vpcZoneIdentifiers: ["s-1", "s-2"],
    targetGroupArns: ["tg"],
    tags: [{ key: "app", value: "hono", propagateAtLaunch: true }],
  };
  const AutoScalingGroupName = "app";
  const group = {
    AutoScalingGroupName,
    MinSize: 1,
    MaxSize: 2,
    DesiredCapacity: 1,
    TargetGroupARNs: ["tg"],
    LaunchTemplate: { LaunchTemplateId: "lt-1", Version: "1" },
    VPCZoneIdentifier: "s-2,s-1",
    Tags: [{ Key: "app", Value: "hono", PropagateAtLaunch: true, ResourceId: "app" }],
  };
  let asked: Asked[];

  beforeEach(() => {
    const machine = { HealthStatus: "Healthy", LifecycleState: "InService" };
    let Instances = ["i-1", "i-2"].map((InstanceId) => ({
      ...machine,
      InstanceId,
      ProtectedFromScaleIn: InstanceId === "i-2",
    }));
    let isThere = true;
    asked = answering([AutoScalingClient], (action) => {
      // One that is protected from it is not scaled in.
      if (action === "SetInstanceProtection") Instances = [];
      if (action === "DeleteAutoScalingGroup") isThere = false;
      return { AutoScalingGroups: isThere ? [{ ...group, Instances }] : [] };
    });
  });

  test("is updated without what scaling and releases decide, and its tags one by one", async () => {
    const state = { ...inputs, __inputs: inputs };
    const tags = [{ key: "stack", value: "dev", propagateAtLaunch: false }];
    const of = { ResourceId: "app", ResourceType: "auto-scaling-group" };
    const added = { ...of, Key: "stack", Value: "dev", PropagateAtLaunch: false };
    await aws.update?.("app", urn(type), state, { ...inputs, maxSize: 3, tags });
    expect(changes(asked)).toEqual([
      { action: "UpdateAutoScalingGroup", AutoScalingGroupName, MinSize: 1, MaxSize: 3, VPCZoneIdentifier: "s-1,s-2" },
      { action: "DeleteTags", Tags: [{ ...of, Key: "app" }] },
      { action: "CreateOrUpdateTags", Tags: [added] },
    ]);
    await aws.update?.("app", urn(type), state, { ...inputs, tags: [...inputs.tags, ...tags] });
    expect(changes(asked).slice(3)).toEqual([{ action: "CreateOrUpdateTags", Tags: [added] }]);
  });

  test("is emptied before it is deleted", async () => {
    await aws.delete?.("app", urn(type), inputs);
    expect(changes(asked)).toEqual([
      { action: "UpdateAutoScalingGroup", AutoScalingGroupName, MinSize: 0, MaxSize: 0, DesiredCapacity: 0 },
      { action: "SetInstanceProtection", AutoScalingGroupName, InstanceIds: ["i-2"], ProtectedFromScaleIn: false },
      { action: "DeleteAutoScalingGroup", AutoScalingGroupName, ForceDelete: false },
    ]);
  });
});

test("a certificate is the newest issued one of the domain, or an error that names the domain", async () => {
  const domains = ["other.example", "app.example", "app.example"];
  const CertificateSummaryList = domains.map((DomainName, index) => ({ DomainName, CertificateArn: `arn-${index}` }));
  const asked = answering([ACMClient], (action, { CertificateArn = "" }) => {
    const NotBefore = new Date(Number(CertificateArn.slice(4)));
    const Certificate = action === "GetCertificate" ? "PEM" : { CertificateArn, Status: "ISSUED", NotBefore };
    return action === "ListCertificates" ? { CertificateSummaryList } : { Certificate };
  });
  const find = (args: object) => functions["aws:acm/getCertificate:getCertificate"]?.run(args);
  const found = await find({ domain: "app.example", mostRecent: true, keyTypes: ["EC_prime256v1"] });
  expect(found).toMatchObject({ arn: "arn-2" });
  expect(asked[0]).toEqual({
    action: "ListCertificates",
    CertificateStatuses: ["ISSUED"],
    Includes: { keyTypes: ["EC_prime256v1"] },
  });
  await expect(find({ domain: "app.example" })).rejects.toThrow(
    "multiple ACM Certificates matching domain (app.example)",
  );
  await expect(find({ domain: "none.example" })).rejects.toThrow("no ACM Certificate matching domain (none.example)");
});

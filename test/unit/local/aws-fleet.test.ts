import { beforeEach, describe, expect, test, vi } from "vitest";
import { acm, autoscaling, elb } from "../../../local/providers/aws/clients.ts";
import { functions } from "../../../local/providers/aws/functions.ts";
import { provider } from "../../../local/providers/aws/provider.ts";
import { resources } from "../../../local/providers/aws/resources.ts";
import { pages } from "../../support/sdk.ts";

beforeEach(() => vi.stubEnv("AWS_REGION", "ap-northeast-2"));

const aws = provider("", resources, {}, async () => {});
const urn = (type: string) => `urn:pulumi:dev::app::${type}::app`;

describe("a load balancer", () => {
  const type = "aws:lb/loadBalancer:LoadBalancer";
  const LoadBalancerArn = "arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:loadbalancer/app/app/1";
  const inputs = {
    name: "app",
    internal: false,
    subnets: ["s-1", "s-2"],
    idleTimeout: 60,
    dropInvalidHeaderFields: true,
  };

  async function fake() {
    const api = await elb();
    const LoadBalancers = [
      {
        ...{ LoadBalancerArn, LoadBalancerName: "app", DNSName: "127.18.0.4", Scheme: "internet-facing" as const },
        ...{ State: { Code: "active" as const }, AvailabilityZones: [{ SubnetId: "s-2" }, { SubnetId: "s-1" }] },
      },
    ];
    const Attributes = [
      { Key: "idle_timeout.timeout_seconds", Value: "60" },
      { Key: "routing.http.drop_invalid_header_fields.enabled", Value: "true" },
      { Key: "deletion_protection.enabled", Value: "false" },
    ];
    vi.spyOn(api, "paginateDescribeLoadBalancers").mockImplementation(() => pages({ LoadBalancers, $metadata: {} }));
    vi.spyOn(api, "describeLoadBalancerAttributes").mockImplementation(() => ({ Attributes }));
    const Tags = [{ Key: "app", Value: "hono" }];
    vi.spyOn(api, "describeTags").mockImplementation(() => ({
      TagDescriptions: [{ ResourceArn: LoadBalancerArn, Tags }],
    }));
    const spy = (name: "modifyLoadBalancerAttributes" | "setSubnets" | "addTags" | "removeTags") =>
      vi.spyOn(api, name).mockImplementation(() => ({ LoadBalancers }));
    const modify = spy("modifyLoadBalancerAttributes");
    return { modify, subnets: spy("setSubnets"), tag: spy("addTags"), untag: spy("removeTags") };
  }

  test("is changed by the calls that what changed needs, and an attribute that is left out goes back to AWS's default", async () => {
    const { modify, subnets, tag, untag } = await fake();
    const state = { __inputs: { ...inputs, tags: { app: "hono" } }, arn: LoadBalancerArn, tags: { app: "hono" } };
    const { dropInvalidHeaderFields, ...rest } = inputs;
    await aws.update?.(LoadBalancerArn, urn(type), state, { ...rest, tags: { stack: "dev" } });
    expect(modify.mock.lastCall?.[0]).toMatchObject({
      Attributes: expect.arrayContaining([{ Key: "routing.http.drop_invalid_header_fields.enabled", Value: "false" }]),
    });
    expect(subnets).not.toHaveBeenCalled();
    expect(untag).toHaveBeenCalledWith({ ResourceArns: [LoadBalancerArn], TagKeys: ["app"] });
    expect(tag).toHaveBeenCalledWith({ ResourceArns: [LoadBalancerArn], Tags: [{ Key: "stack", Value: "dev" }] });
    await aws.update?.(LoadBalancerArn, urn(type), state, { ...state.__inputs, subnets: ["s-1", "s-3"] });
    expect(subnets).toHaveBeenCalledExactlyOnceWith({ LoadBalancerArn, Subnets: ["s-1", "s-3"] });
    const diff = (news: object) => aws.diff?.("id", urn(type), state, { ...state.__inputs, ...news });
    expect(await diff({ subnets: ["s-2", "s-1"] })).toMatchObject({ changes: false });
    expect(await diff({ internal: true })).toMatchObject({ replaces: ["internal"] });
  });
});

describe("a group", () => {
  const type = "aws:autoscaling/group:Group";
  const inputs = {
    ...{ name: "app", minSize: 1, maxSize: 2, waitForCapacityTimeout: "0" },
    launchTemplate: { id: "lt-1", version: "1" },
    ...{ vpcZoneIdentifiers: ["s-1", "s-2"], targetGroupArns: ["tg"] },
    tags: [{ key: "app", value: "hono", propagateAtLaunch: true }],
  };

  async function fake() {
    const api = await autoscaling();
    const group = {
      ...{ AutoScalingGroupName: "app", MinSize: 1, MaxSize: 2, DesiredCapacity: 1, TargetGroupARNs: ["tg"] },
      ...{ LaunchTemplate: { LaunchTemplateId: "lt-1", Version: "1" }, VPCZoneIdentifier: "s-2,s-1" },
      Instances: [{ InstanceId: "i-1", HealthStatus: "Healthy", LifecycleState: "InService" }],
      Tags: [{ Key: "app", Value: "hono", PropagateAtLaunch: true, ResourceId: "app" }],
    };
    const answer = { AutoScalingGroups: [group] as (typeof group)[], $metadata: {} };
    vi.spyOn(api, "describeAutoScalingGroups").mockImplementation(() => answer);
    vi.spyOn(api, "paginateDescribeAutoScalingGroups").mockImplementation(() => pages(answer) as never);
    const update = vi.spyOn(api, "updateAutoScalingGroup").mockImplementation((request) => {
      if ((request as { MaxSize?: number }).MaxSize === 0) group.Instances = [];
      return {};
    });
    const remove = vi.spyOn(api, "deleteAutoScalingGroup").mockImplementation(() => {
      answer.AutoScalingGroups = [];
      return {};
    });
    const tag = vi.spyOn(api, "createOrUpdateTags").mockImplementation(() => ({}));
    const untag = vi.spyOn(api, "deleteTags").mockImplementation(() => ({}));
    return { update, remove, tag, untag };
  }

  test("is updated without what scaling and releases decide, and its tags one by one", async () => {
    const { update, tag, untag } = await fake();
    const state = { ...inputs, __inputs: inputs };
    const tags = [{ key: "stack", value: "dev", propagateAtLaunch: false }];
    await aws.update?.("app", urn(type), state, { ...inputs, maxSize: 3, tags });
    expect(update).toHaveBeenCalledExactlyOnceWith({
      ...{ AutoScalingGroupName: "app", MinSize: 1, MaxSize: 3, VPCZoneIdentifier: "s-1,s-2" },
    });
    const of = { ResourceId: "app", ResourceType: "auto-scaling-group" };
    expect(untag).toHaveBeenCalledWith({ Tags: [{ ...of, Key: "app" }] });
    const added = { Tags: [{ ...of, Key: "stack", Value: "dev", PropagateAtLaunch: false }] };
    expect(tag).toHaveBeenCalledExactlyOnceWith(added);
    await aws.update?.("app", urn(type), state, { ...inputs, tags: [...inputs.tags, ...tags] });
    expect(tag).toHaveBeenLastCalledWith(added);
  });

  test("is emptied before it is deleted", async () => {
    const { update, remove } = await fake();
    await aws.delete?.("app", urn(type), inputs);
    expect(update).toHaveBeenCalledWith({ AutoScalingGroupName: "app", MinSize: 0, MaxSize: 0, DesiredCapacity: 0 });
    expect(remove).toHaveBeenCalledWith({ AutoScalingGroupName: "app", ForceDelete: false });
    expect(update.mock.invocationCallOrder[0]).toBeLessThan(remove.mock.invocationCallOrder[0] as number);
  });
});

describe("a certificate", () => {
  const find = (args: object) => functions["aws:acm/getCertificate:getCertificate"]?.run(args);

  async function fake(...domains: string[]) {
    const api = await acm();
    const CertificateSummaryList = domains.map((DomainName, index) => ({ DomainName, CertificateArn: `arn-${index}` }));
    const list = vi
      .spyOn(api, "paginateListCertificates")
      .mockImplementation(() => pages({ CertificateSummaryList, $metadata: {} }));
    vi.spyOn(api, "describeCertificate").mockImplementation((request) => {
      const { CertificateArn } = request as { CertificateArn: string };
      return {
        Certificate: { CertificateArn, Status: "ISSUED", NotBefore: new Date(Number(CertificateArn.slice(4))) },
      };
    });
    vi.spyOn(api, "getCertificate").mockImplementation(() => ({ Certificate: "PEM" }));
    vi.spyOn(api, "listTagsForCertificate").mockImplementation(() => ({ Tags: [] }));
    return list;
  }

  test("is the newest issued one of the domain, or an error that names the domain", async () => {
    const list = await fake("other.example", "app.example", "app.example");
    expect(await find({ domain: "app.example", mostRecent: true, keyTypes: ["EC_prime256v1"] })).toMatchObject({
      arn: "arn-2",
    });
    expect(list).toHaveBeenCalledWith({ CertificateStatuses: ["ISSUED"], Includes: { keyTypes: ["EC_prime256v1"] } });
    await expect(find({ domain: "app.example" })).rejects.toThrow(
      "multiple ACM Certificates matching domain (app.example)",
    );
    await expect(find({ domain: "none.example" })).rejects.toThrow("no ACM Certificate matching domain (none.example)");
  });
});

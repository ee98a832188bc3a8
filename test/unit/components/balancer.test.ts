import { expect, test } from "vitest";
import { Balancer, type BalancerArgs } from "../../../components/balancer.ts";
import { find, mock, only, settle } from "../../support/mocks.ts";

const args: BalancerArgs = {
  vpcId: "vpc-1",
  subnetIds: ["subnet-1", "subnet-2"],
  machineSecurityGroupId: "sg-machines",
  port: 8080,
  allowedCidrs: ["203.0.113.0/24", "198.51.100.7/32"],
  protect: false,
};
const domain = { domain: "app.example.com", certificateArn: "arn:aws:acm:certificate" };

async function balancer(more: Partial<BalancerArgs> = {}) {
  await mock();
  const { url, targetGroupArn } = new Balancer("app", { ...args, ...more });
  return settle(url, targetGroupArn);
}

const rules = (direction: "Ingress" | "Egress") =>
  find(`aws:vpc/securityGroup${direction}Rule:SecurityGroup${direction}Rule`).map(({ inputs }) => [
    inputs.securityGroupId,
    inputs.cidrIpv4 ?? inputs.referencedSecurityGroupId,
    inputs.ipProtocol,
    inputs.fromPort,
    inputs.toPort,
  ]);

test("people reach the load balancer alone, and it alone reaches the app on the machines", async () => {
  await balancer();
  expect(rules("Ingress").sort()).toEqual([
    ["app-balancer-id", "198.51.100.7/32", "tcp", 80, 80],
    ["app-balancer-id", "203.0.113.0/24", "tcp", 80, 80],
    ["sg-machines", "app-balancer-id", "tcp", 8080, 8080],
  ]);
  expect(rules("Egress")).toEqual([["app-balancer-id", "sg-machines", "tcp", 8080, 8080]]);
});

test("a load balancer in both subnets that asks machines for their health, and waits for requests in flight", async () => {
  await balancer();
  expect(only("aws:lb/loadBalancer:LoadBalancer").inputs).toMatchObject({
    loadBalancerType: "application",
    subnets: ["subnet-1", "subnet-2"],
    securityGroups: ["app-balancer-id"],
    // The app keeps a connection for 75 s: test/unit/app/app.test.ts.
    idleTimeout: 60,
    enableDeletionProtection: false,
  });
  expect(only("aws:lb/targetGroup:TargetGroup").inputs).toMatchObject({
    vpcId: "vpc-1",
    targetType: "instance",
    protocol: "HTTP",
    port: 8080,
    healthCheck: {
      path: "/health",
      matcher: "200",
      interval: 5,
      timeout: 4,
      healthyThreshold: 2,
      unhealthyThreshold: 2,
    },
    deregistrationDelay: 30,
    loadBalancingAlgorithmType: "least_outstanding_requests",
  });
});

test("without a domain: HTTP, under the load balancer's own name", async () => {
  const [url] = await balancer();
  const targetGroupArn = "arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:targetgroup/app/1";
  expect(find("aws:lb/listener:Listener").map(({ inputs }) => inputs)).toMatchObject([
    {
      loadBalancerArn: "arn:aws:elasticloadbalancing:ap-northeast-2:123456789012:loadbalancer/app/app/1",
      port: 80,
      protocol: "HTTP",
      defaultActions: [{ type: "forward", targetGroupArn }],
    },
  ]);
  expect(url).toBe("http://balancer.example");
});

test("with a domain: HTTPS, and HTTP leads there", async () => {
  const [url] = await balancer(domain);
  expect(only("aws:lb/listener:Listener", "app-https").inputs).toMatchObject({
    port: 443,
    protocol: "HTTPS",
    certificateArn: domain.certificateArn,
    sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    defaultActions: [{ type: "forward" }],
  });
  const http = only("aws:lb/listener:Listener", "app-http");
  expect(http.inputs).toMatchObject({
    port: 80,
    defaultActions: [{ type: "redirect", redirect: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" } }],
  });
  // Nobody is sent to HTTPS before it answers, and lets everybody in.
  const rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule app-balancer";
  const open = args.allowedCidrs.map((cidr) => `${rule}-${cidr}-443`);
  expect(http.dependsOn).toEqual(expect.arrayContaining(["aws:lb/listener:Listener app-https", ...open]));
  expect(rules("Ingress").filter(([group]) => group === "app-balancer-id")).toHaveLength(4);
  expect(url).toBe("https://app.example.com");
});

test("alarms go to the topic, where there is one, and end there too", async () => {
  await balancer();
  expect(find("aws:cloudwatch/metricAlarm:MetricAlarm")).toEqual([]);
  await balancer({ alarmTopic: "arn:topic" });
  const alarms = find("aws:cloudwatch/metricAlarm:MetricAlarm").map(({ inputs }) => inputs);
  const target = { LoadBalancer: "app/app/1", TargetGroup: "targetgroup/app/1" };
  const seen = alarms.map(({ metricName, statistic, threshold, evaluationPeriods, dimensions }) => [
    metricName,
    [statistic, threshold, evaluationPeriods, dimensions],
  ]);
  expect(Object.fromEntries(seen)).toEqual({
    UnHealthyHostCount: ["Maximum", 0, 5, target],
    HTTPCode_Target_5XX_Count: ["Sum", 5, 1, target],
    HTTPCode_ELB_5XX_Count: ["Sum", 5, 1, { LoadBalancer: "app/app/1" }],
  });
  for (const alarm of alarms) {
    expect(alarm).toMatchObject({
      period: 60,
      namespace: "AWS/ApplicationELB",
      alarmDescription: expect.stringMatching(/^app, stack dev: [A-Z].*: docs\/fleet\.md, "At night"$/),
      alarmActions: ["arn:topic"],
      okActions: ["arn:topic"],
      comparisonOperator: "GreaterThanThreshold",
      treatMissingData: "notBreaching",
    });
  }
});

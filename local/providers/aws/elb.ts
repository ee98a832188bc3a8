import { elb } from "./clients.ts";
import { loadBalancerPrice } from "./prices.ts";
import { until } from "./provider.ts";
import type { Row } from "./row.ts";
import type { Props } from "./values.ts";

// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html, and API_CreateTargetGroup.html
const name = { type: "string", maxLength: 32, pattern: "^(?!-)(?!internal-)[A-Za-z0-9-]+(?<!-)$" };

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const balancerAttributes = {
  idleTimeout: "idle_timeout.timeout_seconds",
  enableDeletionProtection: "deletion_protection.enabled",
  dropInvalidHeaderFields: "routing.http.drop_invalid_header_fields.enabled",
  desyncMitigationMode: "routing.http.desync_mitigation_mode",
  enableHttp2: "routing.http2.enabled",
};

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
const targetGroupAttributes = {
  deregistrationDelay: "deregistration_delay.timeout_seconds",
  slowStart: "slow_start.duration_seconds",
  loadBalancingAlgorithmType: "load_balancing.algorithm.type",
};

const balancerNames = { name: ["Name", "LoadBalancerName"], internal: "Scheme", loadBalancerType: "Type" } as const;

const targetGroupNames = {
  name: ["Name", "TargetGroupName"],
  "healthCheck.enabled": "HealthCheckEnabled",
  "healthCheck.healthyThreshold": "HealthyThresholdCount",
  "healthCheck.interval": "HealthCheckIntervalSeconds",
  "healthCheck.matcher": "Matcher.HttpCode",
  "healthCheck.path": "HealthCheckPath",
  "healthCheck.port": "HealthCheckPort",
  "healthCheck.protocol": "HealthCheckProtocol",
  "healthCheck.timeout": "HealthCheckTimeoutSeconds",
  "healthCheck.unhealthyThreshold": "UnhealthyThresholdCount",
} as const;

const redirect = (input: string, property: string) =>
  [`defaultActions.redirect.${input}`, `DefaultActions[].RedirectConfig.${property}`] as const;

const listenerNames = {
  certificateArn: "Certificates[].CertificateArn",
  "defaultActions.type": "DefaultActions[].Type",
  "defaultActions.order": "DefaultActions[].Order",
  "defaultActions.targetGroupArn": "DefaultActions[].TargetGroupArn",
  ...Object.fromEntries([
    redirect("protocol", "Protocol"),
    redirect("port", "Port"),
    redirect("host", "Host"),
    redirect("path", "Path"),
    redirect("query", "Query"),
    redirect("statusCode", "StatusCode"),
  ]),
};

/** As the real provider does: what is made next is refused before that. */
async function active(id: string): Promise<void> {
  await until(async () => {
    const { LoadBalancers } = await (await elb()).describeLoadBalancers({ LoadBalancerArns: [id] });
    return LoadBalancers?.[0]?.State?.Code === "active";
  });
}

/** The end of an ARN, which is the dimension's value in CloudWatch. */
const suffix = (arn: string) => ({ arnSuffix: arn.replace(/.*:(loadbalancer\/)?/, "") });

export const elbRows = {
  "aws:lb/loadBalancer:LoadBalancer": {
    type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
    nested: true,
    names: balancerNames,
    only: ["securityGroups", "subnets", "tags"],
    attributes: balancerAttributes,
    spelled: { internal: { true: "internal", false: "internet-facing" } },
    inPlace: ["securityGroups", "subnets"],
    sets: ["securityGroups", "subnets"],
    rules: { properties: { Name: name } },
    price: loadBalancerPrice,
    id: "LoadBalancerArn",
    list: ["describeLoadBalancers", "LoadBalancers"],
    calls: {
      create: "createLoadBalancer",
      update: ["setSecurityGroups", "setSubnets", "modifyLoadBalancerAttributes"],
      delete: "deleteLoadBalancer",
      attributes: "describeLoadBalancerAttributes",
    },
    created: active,
    // AWS's defaults, and what it gives a text as.
    absent: {
      ...{ idleTimeout: 60, enableDeletionProtection: false, dropInvalidHeaderFields: false, enableHttp2: true },
      desyncMitigationMode: "defensive",
    },
    more: async ({ availabilityZones = [], loadBalancerArn }) => ({
      subnets: availabilityZones.map(({ subnetId }: Props) => subnetId),
      ...suffix(loadBalancerArn),
    }),
    outputs: {
      ...{ arn: "LoadBalancerArn", dnsName: "DNSName", zoneId: "CanonicalHostedZoneId", vpcId: "VpcId" },
      arnSuffix: "ArnSuffix",
    },
  },
  "aws:lb/targetGroup:TargetGroup": {
    type: "AWS::ElasticLoadBalancingV2::TargetGroup",
    nested: true,
    names: targetGroupNames,
    only: ["port", "protocol", "protocolVersion", "targetType", "vpcId", "tags"],
    attributes: targetGroupAttributes,
    rules: { properties: { Name: name } },
    price: "part of the load balancer",
    id: "TargetGroupArn",
    list: ["describeTargetGroups", "TargetGroups"],
    calls: {
      create: "createTargetGroup",
      update: ["modifyTargetGroup", "modifyTargetGroupAttributes"],
      delete: "deleteTargetGroup",
      attributes: "describeTargetGroupAttributes",
    },
    absent: { deregistrationDelay: 300, slowStart: 0, loadBalancingAlgorithmType: "round_robin" },
    more: async ({ targetGroupArn }) => suffix(targetGroupArn),
    outputs: { arn: "TargetGroupArn", arnSuffix: "ArnSuffix", loadBalancerArns: "LoadBalancerArns" },
  },
  "aws:lb/listener:Listener": {
    type: "AWS::ElasticLoadBalancingV2::Listener",
    nested: true,
    names: listenerNames,
    only: ["loadBalancerArn", "port", "protocol", "sslPolicy", "tags"],
    price: "part of the load balancer",
    partOf: "aws:lb/loadBalancer:LoadBalancer",
    id: "ListenerArn",
    list: ["describeListeners", "Listeners"],
    calls: { create: "createListener", update: ["modifyListener"], delete: "deleteListener" },
    outputs: { arn: "ListenerArn" },
  },
} satisfies Record<string, Row>;

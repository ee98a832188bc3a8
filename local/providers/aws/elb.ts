import { loadBalancerPrice } from "./prices.ts";
import type { Row } from "./row.ts";
import { when } from "./schemas.ts";
import type { Props } from "./values.ts";

// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html, and API_CreateTargetGroup.html
const name = { type: "string", maxLength: 32, pattern: "^(?!-)(?!internal-)[A-Za-z0-9-]+(?<!-)$" };

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
const balancerAttributes = {
  idleTimeout: ["idle_timeout.timeout_seconds", 60],
  enableDeletionProtection: ["deletion_protection.enabled", false],
  dropInvalidHeaderFields: ["routing.http.drop_invalid_header_fields.enabled", false],
  desyncMitigationMode: ["routing.http.desync_mitigation_mode", "defensive"],
} as const;

// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
const targetGroupAttributes = {
  deregistrationDelay: ["deregistration_delay.timeout_seconds", 300],
  slowStart: ["slow_start.duration_seconds", 0],
  loadBalancingAlgorithmType: ["load_balancing.algorithm.type", "round_robin"],
} as const;

const targetGroupNames = {
  name: ["Name", "TargetGroupName"],
  "healthCheck.healthyThreshold": "HealthyThresholdCount",
  "healthCheck.interval": "HealthCheckIntervalSeconds",
  "healthCheck.matcher": "Matcher.HttpCode",
  "healthCheck.path": "HealthCheckPath",
  "healthCheck.timeout": "HealthCheckTimeoutSeconds",
  "healthCheck.unhealthyThreshold": "UnhealthyThresholdCount",
} as const;

const listenerNames = {
  certificateArn: "Certificates[].CertificateArn",
  "defaultActions.type": "DefaultActions[].Type",
  "defaultActions.targetGroupArn": "DefaultActions[].TargetGroupArn",
  "defaultActions.redirect.protocol": "DefaultActions[].RedirectConfig.Protocol",
  "defaultActions.redirect.port": "DefaultActions[].RedirectConfig.Port",
  "defaultActions.redirect.statusCode": "DefaultActions[].RedirectConfig.StatusCode",
};

/** The end of an ARN, which is the dimension's value in CloudWatch. */
const arnSuffix = ({ targetGroupArn, loadBalancerArn = targetGroupArn }: Props) =>
  loadBalancerArn.replace(/.*:(loadbalancer\/)?/, "");

export const elbRows = {
  "aws:lb/loadBalancer:LoadBalancer": {
    type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
    names: { name: ["Name", "LoadBalancerName"], internal: "Scheme", loadBalancerType: "Type" },
    only: ["securityGroups", "subnets", "tags"],
    attributes: balancerAttributes,
    spelled: { internal: { true: "internal", false: "internet-facing" } },
    sets: ["securityGroups", "subnets"],
    rules: {
      properties: {
        Name: name,
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
        "idle_timeout.timeout_seconds": { minimum: 1, maximum: 4000 },
        "routing.http.desync_mitigation_mode": { enum: ["monitor", "defensive", "strictest"] },
      },
    },
    price: loadBalancerPrice,
    calls: { create: "createLoadBalancer", update: ["setSecurityGroups", "setSubnets"], delete: "deleteLoadBalancer" },
    isReady: ({ state }) => state.code === "active",
    more: async ({ availabilityZones = [] }) => ({ subnets: availabilityZones.map(({ subnetId }: Props) => subnetId) }),
    outputs: { dnsName: "DNSName", arnSuffix },
  },
  "aws:lb/targetGroup:TargetGroup": {
    type: "AWS::ElasticLoadBalancingV2::TargetGroup",
    names: targetGroupNames,
    only: ["port", "protocol", "protocolVersion", "targetType", "vpcId", "tags"],
    attributes: targetGroupAttributes,
    rules: {
      properties: {
        Name: name,
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
        "deregistration_delay.timeout_seconds": { minimum: 0, maximum: 3600 },
        "slow_start.duration_seconds": { minimum: 0, maximum: 900, not: { exclusiveMinimum: 0, exclusiveMaximum: 30 } },
        "load_balancing.algorithm.type": { enum: ["round_robin", "least_outstanding_requests", "weighted_random"] },
        HealthCheckPath: { pattern: "^/" },
        HealthCheckTimeoutSeconds: { exclusiveMaximum: { $data: "1/HealthCheckIntervalSeconds" } },
      },
      // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
      ...when(
        {
          properties: { "load_balancing.algorithm.type": { const: "least_outstanding_requests" } },
          required: ["load_balancing.algorithm.type"],
        },
        { properties: { "slow_start.duration_seconds": { maximum: 0 } } },
      ),
    },
    price: "part of the load balancer",
    calls: { create: "createTargetGroup", update: ["modifyTargetGroup"], delete: "deleteTargetGroup" },
    outputs: { arnSuffix },
  },
  "aws:lb/listener:Listener": {
    type: "AWS::ElasticLoadBalancingV2::Listener",
    names: listenerNames,
    only: ["loadBalancerArn", "port", "protocol", "sslPolicy", "tags"],
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
    rules: when(
      { properties: { Protocol: { const: "HTTP" } } },
      { properties: { Certificates: false, SslPolicy: false } },
    ),
    price: "part of the load balancer",
    partOf: "aws:lb/loadBalancer:LoadBalancer",
    calls: { create: "createListener", update: ["modifyListener"], delete: "deleteListener" },
  },
} satisfies Record<string, Row>;

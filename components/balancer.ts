import { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import { Listener } from "@pulumi/aws/lb/listener.js";
import { LoadBalancer } from "@pulumi/aws/lb/loadBalancer.js";
import { TargetGroup } from "@pulumi/aws/lb/targetGroup.js";
import { SecurityGroupEgressRule } from "@pulumi/aws/vpc/securityGroupEgressRule.js";
import { SecurityGroupIngressRule } from "@pulumi/aws/vpc/securityGroupIngressRule.js";
import * as pulumi from "@pulumi/pulumi";
import { Alarms } from "./alarms.ts";
import { tcp } from "./tcp.ts";

export interface BalancerArgs {
  vpcId: pulumi.Input<string>;
  /** A public subnet in each of two zones at least. */
  subnetIds: pulumi.Input<string>[];
  /** Security group of the machines; it lets the load balancer in, and nobody else. */
  machineSecurityGroupId: pulumi.Input<string>;
  /** TCP port of the app on the machines. */
  port: number;
  /** IPv4 blocks that may reach the load balancer. */
  allowedCidrs: readonly string[];
  /**
   * Name that people use. With it the load balancer speaks HTTPS, and sends HTTP there.
   * @default none: HTTP, under the load balancer's own name
   */
  domain?: string;
  /** ARN of the domain's certificate. */
  certificateArn?: string;
  /** ARN of the SNS topic that gets alarms. @default no alarms */
  alarmTopic?: string;
  /** Whether Pulumi and AWS refuse to delete the load balancer. What belongs to it can change. */
  protect: boolean;
}

/** The one address of all machines: it asks each whether it is well, and sends requests to those that are. */
export class Balancer extends pulumi.ComponentResource {
  /** The app's address, without a path. */
  readonly url: pulumi.Output<string>;
  /** The load balancer's own name, which answers before the domain leads to it. */
  readonly dnsName: pulumi.Output<string>;
  readonly targetGroupArn: pulumi.Output<string>;

  constructor(name: string, args: BalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Balancer", name, args, opts);
    const { vpcId, domain, certificateArn } = args;
    const tags = { Name: name };

    const group = new SecurityGroup(
      `${name}-balancer`,
      { vpcId, description: "HTTP and HTTPS in, the app on the machines out", tags: { Name: `${name}-balancer` } },
      { parent: this },
    );
    const open = (port: number) =>
      args.allowedCidrs.map(
        (cidrIpv4) =>
          new SecurityGroupIngressRule(
            `${name}-balancer-${cidrIpv4}-${port}`,
            { ...tcp(port), securityGroupId: group.id, description: "Clients, from allowedCidrs", cidrIpv4 },
            { parent: this },
          ),
      );
    open(80);
    const app = tcp(args.port);
    new SecurityGroupEgressRule(
      `${name}-balancer`,
      {
        ...app,
        securityGroupId: group.id,
        description: "The app on the machines",
        referencedSecurityGroupId: args.machineSecurityGroupId,
      },
      { parent: this },
    );
    new SecurityGroupIngressRule(
      `${name}-from-balancer`,
      {
        ...app,
        securityGroupId: args.machineSecurityGroupId,
        description: "The app, from the load balancer",
        referencedSecurityGroupId: group.id,
      },
      { parent: this },
    );

    const balancer = new LoadBalancer(
      name,
      {
        loadBalancerType: "application",
        subnets: args.subnetIds,
        securityGroups: [group.id],
        // The app keeps idle connections longer: app/src/main.ts.
        idleTimeout: 60,
        dropInvalidHeaderFields: true,
        desyncMitigationMode: "defensive",
        enableDeletionProtection: args.protect,
        tags,
      },
      // It does not leave its VPC.
      { parent: this, protect: args.protect, replacementTrigger: vpcId },
    );
    const targets = new TargetGroup(
      name,
      {
        vpcId,
        targetType: "instance",
        protocol: "HTTP",
        port: args.port,
        // A machine that died gets no more requests after 10 s, and a new one its first ones as soon as it is well.
        healthCheck: {
          path: "/health",
          matcher: "200",
          interval: 5,
          timeout: 4,
          healthyThreshold: 2,
          unhealthyThreshold: 2,
        },
        // Longer than the app takes for the requests in flight when it is stopped: app/src/shutdown.ts.
        deregistrationDelay: 30,
        // Machines of two architectures are not equally fast.
        loadBalancingAlgorithmType: "least_outstanding_requests",
        tags,
      },
      { parent: this },
    );
    const forward = [{ type: "forward", targetGroupArn: targets.arn }];
    const redirect = [{ type: "redirect", redirect: { protocol: "HTTPS", port: "443", statusCode: "HTTP_301" } }];
    const dependsOn: pulumi.Resource[] = [];
    if (domain) {
      const https = new Listener(
        `${name}-https`,
        {
          loadBalancerArn: balancer.arn,
          port: 443,
          protocol: "HTTPS",
          certificateArn,
          // What AWS recommends: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html
          sslPolicy: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
          defaultActions: forward,
          tags,
        },
        { parent: this },
      );
      dependsOn.push(https, ...open(443));
    }
    // Nobody is sent to HTTPS before it answers.
    const http = { port: 80, protocol: "HTTP", defaultActions: domain ? redirect : forward };
    new Listener(`${name}-http`, { ...http, loadBalancerArn: balancer.arn, tags }, { parent: this, dependsOn });

    if (args.alarmTopic) {
      const dimensions = { LoadBalancer: balancer.arnSuffix, TargetGroup: targets.arnSuffix };
      new Alarms(name, { topicArn: args.alarmTopic, dimensions }, { parent: this });
    }

    this.dnsName = balancer.dnsName;
    this.url = domain ? pulumi.output(`https://${domain}`) : pulumi.interpolate`http://${balancer.dnsName}`;
    this.targetGroupArn = targets.arn;
    this.registerOutputs({ url: this.url, dnsName: this.dnsName, targetGroupArn: this.targetGroupArn });
  }
}

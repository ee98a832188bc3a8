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
  /** ARN of the domain's certificate in ACM. @default none: without a domain none is needed */
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
    const { vpcId, domain, certificateArn, machineSecurityGroupId: machines } = args;
    const parent = { parent: this };
    const tags = { Name: name };

    const { id: securityGroupId } = new SecurityGroup(
      `${name}-balancer`,
      { vpcId, description: "HTTP and HTTPS in, the app on the machines out", tags: { Name: `${name}-balancer` } },
      parent,
    );
    const open = (port: number) =>
      args.allowedCidrs.map((cidrIpv4) => {
        const rule = { ...tcp(port), securityGroupId, description: "Clients, from allowedCidrs", cidrIpv4 };
        return new SecurityGroupIngressRule(`${name}-balancer-${cidrIpv4}-${port}`, rule, parent);
      });
    open(80);
    const app = tcp(args.port);
    const toMachines = { description: "The app on the machines", referencedSecurityGroupId: machines };
    new SecurityGroupEgressRule(`${name}-balancer`, { ...app, ...toMachines, securityGroupId }, parent);
    const fromHere = { description: "The app, from the load balancer", referencedSecurityGroupId: securityGroupId };
    const ofMachines = { ...app, ...fromHere, securityGroupId: machines };
    new SecurityGroupIngressRule(`${name}-from-balancer`, ofMachines, parent);

    const balancer = new LoadBalancer(
      name,
      {
        loadBalancerType: "application",
        subnets: args.subnetIds,
        securityGroups: [securityGroupId],
        // The app keeps idle connections longer: app/src/main.ts.
        idleTimeout: 60,
        dropInvalidHeaderFields: true,
        desyncMitigationMode: "defensive",
        enableDeletionProtection: args.protect,
        tags,
      },
      // A load balancer cannot move to another VPC.
      { ...parent, protect: args.protect, replacementTrigger: vpcId },
    );
    const targets = new TargetGroup(
      name,
      {
        vpcId,
        targetType: "instance",
        protocol: "HTTP",
        port: args.port,
        // A machine that died gets no more requests after 10 s; a new one gets its first ones after two answers.
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
      parent,
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
        parent,
      );
      dependsOn.push(https, ...open(443));
    }
    // Nobody is sent to HTTPS before it answers.
    const http = { port: 80, protocol: "HTTP", defaultActions: domain ? redirect : forward };
    new Listener(`${name}-http`, { ...http, loadBalancerArn: balancer.arn, tags }, { ...parent, dependsOn });

    if (args.alarmTopic) {
      const parts = { LoadBalancer: balancer.arnSuffix, TargetGroup: targets.arnSuffix };
      const dimensions = { ...parts, CertificateArn: certificateArn };
      new Alarms(name, { topicArn: args.alarmTopic, dimensions }, parent);
    }

    this.dnsName = balancer.dnsName;
    this.url = domain ? pulumi.output(`https://${domain}`) : pulumi.interpolate`http://${balancer.dnsName}`;
    this.targetGroupArn = targets.arn;
    this.registerOutputs({ url: this.url, dnsName: this.dnsName, targetGroupArn: this.targetGroupArn });
  }
}

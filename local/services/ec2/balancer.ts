import { hash } from "node:crypto";
import type { EC2, Instance } from "@aws-sdk/client-ec2";
import type {
  ElasticLoadBalancingV2,
  Listener as ListenerOfAws,
  LoadBalancer,
  TargetGroup,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { localAddressOf } from "../../address.ts";
import { every } from "../../lists.ts";
import type { Backend, HAProxy, Server } from "./haproxy.ts";

type Attributes = readonly { readonly Key?: string; readonly Value?: string }[];
const attribute = (attributes: Attributes, key: string) => attributes.find(({ Key }) => Key === key)?.Value;

/** What Elastic Load Balancing says of a target: its state, and the reason. */
type Health = readonly [state: string, reason?: string, description?: string];

type Group = Awaited<ReturnType<typeof groupOf>>;

interface Apis {
  readonly ec2: EC2;
  readonly elb: ElasticLoadBalancingV2;
  /** Tells the API what the targets' health is; null for one that has drained. */
  readonly report: (health: Record<string, Record<string, Health | null>>) => Promise<void>;
}

/** The data plane of the load balancers: HAProxy, which gets what the API has, and whose checks the API gets. */
export function balancersOf({ ec2, elb, report }: Apis, haproxy: HAProxy, certificates: string) {
  let now = { groups: [] as Group[], frontends: [] as string[] };
  /** When each target was added, and when it began to drain; and what was reported of it. */
  const added = new Map<string, number>();
  const drained = new Map<string, number>();
  const reported = new Map<string, string>();

  /** Has HAProxy send requests to a target. */
  async function serve({ arn, backend }: Group, id: string, address: string, server?: Server): Promise<Health> {
    const key = `${backend.name}/${id}`;
    drained.delete(key);
    if (server?.address === address) {
      if (/^(DRAIN|MAINT)/.test(server.status)) await haproxy.ready(server);
      return healthOf(server, backend, Date.now() - (added.get(key) ?? 0));
    }
    if (server) await haproxy.remove(server);
    // An HAProxy that was killed has forgotten that this target was healthy.
    const before: Health = JSON.parse(reported.get(`${arn} ${id}`) ?? "[]");
    const isHealthy = before[0] === "healthy";
    await haproxy.add(backend, id, address, isHealthy);
    added.set(key, Date.now());
    return isHealthy ? before : initial;
  }

  /** Has HAProxy finish the requests of what is no target any more, then removes it. */
  async function release({ arn, backend, outside, draining, delay }: Group, server: Server): Promise<void> {
    const { name, sessions } = server;
    const key = `${backend.name}/${name}`;
    const since = drained.get(key) ?? Date.now();
    // One look after it began: a request that is on its way has then arrived.
    const isDrained = drained.has(key) && (sessions === 0 || Date.now() - since > delay * 1000);
    // AWS does not say what becomes of requests that are under way in a zone that the load balancer leaves.
    if (!isDrained && (draining.has(name) || outside.has(name))) {
      await haproxy.drain(server);
      drained.set(key, since);
    } else {
      await haproxy.remove(server);
      reported.delete(`${arn} ${name}`);
    }
  }

  async function targetsOf(group: Group, own: readonly Server[]): Promise<Map<string, Health | null>> {
    const { targets, outside, draining } = group;
    const serverOf = (id: string) => own.find(({ name }) => name === id);
    const found = new Map<string, Health | null>();
    for (const [id, address] of targets) found.set(id, await serve(group, id, address, serverOf(id)));
    for (const id of outside) found.set(id, unused);
    for (const id of draining) found.set(id, serverOf(id) ? drainingHealth : null);
    for (const server of own.filter(({ name }) => !targets.has(name))) await release(group, server);
    return found;
  }

  return {
    /** The seconds between two checks of a target, the shortest. */
    interval: (): number =>
      Math.min(...now.groups.filter(({ targets }) => targets.size > 0).map(({ backend }) => backend.interval)),

    /** Reads what there is to be balanced. */
    async read(instances: ReadonlyMap<string, Instance>): Promise<void> {
      const balancers = await every(elb.paginateDescribeLoadBalancers({}), (page) => page.LoadBalancers);
      const listed = balancers.length > 0 ? elb.paginateDescribeTargetGroups({}) : [];
      const targetGroups = await every(listed, (page) => page.TargetGroups);
      const next: typeof now = { groups: [], frontends: [] };
      for (const balancer of balancers) {
        const LoadBalancerArn = balancer.LoadBalancerArn ?? "";
        const { Attributes = [] } = await elb.describeLoadBalancerAttributes({ LoadBalancerArn });
        const listeners = await every(elb.paginateDescribeListeners({ LoadBalancerArn }), (page) => page.Listeners);
        const Filters = [{ Name: "description", Values: [`ELB ${LoadBalancerArn.split(":loadbalancer/")[1]}`] }];
        const pages = ec2.paginateDescribeNetworkInterfaces({ Filters });
        const addresses = (await every(pages, (page) => page.NetworkInterfaces))
          .map((each) => localAddressOf(each))
          .sort((a, b) => Number(b === balancer.DNSName) - Number(a === balancer.DNSName));
        const idle = Number(attribute(Attributes, "idle_timeout.timeout_seconds") ?? 60);
        for (const each of listeners)
          next.frontends.push(...frontendOf(each, Attributes, addresses, idle, certificates));
        const used = targetGroups.filter((group) => listeners.some((each) => arnOf(each) === group.TargetGroupArn));
        for (const group of used)
          next.groups.push(await groupOf(elb, group, balancer, addresses[0] ?? "", idle, instances));
      }
      now = next;
    },

    /**
     * Brings HAProxy's targets in line, and reports their health.
     *
     * @returns `changing`: whether one is on its way to another state; `changed`: whether there was something to report.
     */
    async follow(): Promise<{ readonly changing: boolean; readonly changed: boolean }> {
      const { groups, frontends } = now;
      const backends = groups.map(({ backend }) => backend);
      await haproxy.apply(frontends, backends);
      const servers = groups.length > 0 ? await haproxy.servers() : [];
      const health: Record<string, Record<string, Health | null>> = {};
      let changing = false;
      for (const group of groups) {
        const own = servers.filter(({ backend }) => backend === group.backend.name);
        const found = await targetsOf(group, own);
        changing ||= [...found.values()].some((each) => each?.[0] !== "healthy");
        for (const [id, status] of found) {
          const key = `${group.arn} ${id}`;
          if (reported.get(key) === JSON.stringify(status)) continue;
          health[group.arn] = { ...health[group.arn], [id]: status };
          if (status === null) reported.delete(key);
          else reported.set(key, JSON.stringify(status));
        }
      }
      const changed = Object.keys(health).length > 0;
      if (changed) await report(health);
      return { changing, changed };
    },
  };
}

/** A target group that a listener forwards to, with its targets and where each is reached. */
async function groupOf(
  elb: ElasticLoadBalancingV2,
  group: TargetGroup,
  { AvailabilityZones = [] }: LoadBalancer,
  source: string,
  idle: number,
  instances: ReadonlyMap<string, Instance>,
) {
  const TargetGroupArn = group.TargetGroupArn ?? "";
  const [{ Attributes = [] }, { TargetHealthDescriptions = [] }] = await Promise.all([
    elb.describeTargetGroupAttributes({ TargetGroupArn }),
    elb.describeTargetHealth({ TargetGroupArn }),
  ]);
  const zones = AvailabilityZones.map(({ ZoneName }) => ZoneName);
  /** In zones that the load balancer is not in. */
  const outside = new Set<string>();
  const draining = new Set<string>();
  const targets = new Map<string, string>();
  for (const { Target, TargetHealth } of TargetHealthDescriptions) {
    const { Id = "", Port } = Target ?? {};
    const instance = instances.get(Id);
    if (TargetHealth?.State === "draining") draining.add(Id);
    else if (instance && !zones.includes(instance.Placement?.AvailabilityZone)) outside.add(Id);
    else if (instance?.State?.Name === "running") targets.set(Id, `${localAddressOf(instance)}:${Port}`);
  }
  /** Seconds that a target may take to finish its requests. */
  const delay = Number(attribute(Attributes, "deregistration_delay.timeout_seconds"));
  const backend = backendOf(group, Attributes, source, idle);
  return { arn: TargetGroupArn, backend, delay, targets, outside, draining };
}

/** The target group that a listener forwards to. */
const arnOf = ({ DefaultActions: [action] = [] }: ListenerOfAws) =>
  action?.TargetGroupArn ?? action?.ForwardConfig?.TargetGroups?.[0]?.TargetGroupArn;

/** A name that HAProxy takes, of what may be in another load balancer by the same name. */
const nameOf = (arn = "") => `g${hash("sha256", arn).slice(0, 12)}`;

/** A listener as HAProxy has it: the lines of its section. Times are in seconds. */
export function frontendOf(
  listener: ListenerOfAws,
  attributes: Attributes,
  addresses: readonly string[],
  idle: number,
  certificates: string,
): string[] {
  const { ListenerArn, Port, Protocol, SslPolicy = "" } = listener;
  const { Certificates: [certificate] = [], DefaultActions: [action] = [] } = listener;
  const file = `${certificates}/${certificate?.CertificateArn?.split("/").at(-1)}.pem`;
  const oldest = /TLS(?:13)?-1-(\d)/.exec(SslPolicy)?.[1] ?? 0;
  const secured = Protocol === "HTTPS" ? ` ssl crt ${file} alpn h2,http/1.1 ssl-min-ver TLSv1.${oldest}` : "";
  const dropsInvalid = attribute(attributes, "routing.http.drop_invalid_header_fields.enabled") === "true";
  const { Port: to = "443", StatusCode = "" } = action?.RedirectConfig ?? {};
  const host = `%[req.hdr(host),field(1,:)]${to === "443" ? "" : `:${to}`}`;
  const backend = arnOf(listener);
  return [
    `frontend ${nameOf(ListenerArn)}`,
    ...addresses.map((address) => `  bind ${address}:${Port}${secured}`),
    `  timeout client ${idle}s`,
    `  timeout http-request ${idle}s`,
    ...(dropsInvalid ? ["  http-request del-header [^A-Za-z0-9-] -m reg"] : []),
    ...(backend
      ? [
          `  http-request set-header X-Forwarded-Proto ${Protocol?.toLowerCase()}`,
          `  http-request set-header X-Forwarded-Port ${Port}`,
          // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
          "  http-request set-header X-Amzn-Trace-Id Root=1-%[date,hex,bytes(8,8),lower]-%[uuid,regsub(-,,g),bytes(0,24)] unless { req.hdr(X-Amzn-Trace-Id) -m found }",
          `  default_backend ${nameOf(backend)}`,
        ]
      : [`  http-request redirect location https://${host}%[capture.req.uri] code ${StatusCode.replace("HTTP_", "")}`]),
  ];
}

/** A target group, as its load balancer sends to it from its own address. */
export function backendOf(group: TargetGroup, attributes: Attributes, source: string, idle: number): Backend {
  const { HealthCheckIntervalSeconds: interval = 30, HealthCheckTimeoutSeconds: timeout = 5 } = group;
  const { HealthyThresholdCount: rise = 5, UnhealthyThresholdCount: fall = 2 } = group;
  const slowStart = Number(attribute(attributes, "slow_start.duration_seconds") ?? 0);
  const isLeast = attribute(attributes, "load_balancing.algorithm.type") === "least_outstanding_requests";
  return {
    name: nameOf(group.TargetGroupArn),
    interval,
    fall,
    options: `check inter ${interval * 1000} rise ${rise} fall ${fall}${slowStart > 0 ? ` slowstart ${slowStart * 1000}` : ""}`,
    lines: [
      `  balance ${isLeast ? "leastconn" : "roundrobin"}`,
      `  source ${source}`,
      `  timeout server ${idle}s`,
      `  timeout check ${timeout}s`,
      "  option httpchk",
      `  http-check send meth GET uri ${group.HealthCheckPath ?? "/"} ver HTTP/1.1 hdr Host ${source} hdr User-Agent ELB-HealthChecker/2.0`,
      `  http-check expect status ${group.Matcher?.HttpCode ?? "200"}`,
    ],
  };
}

const drainingHealth: Health = ["draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"];
const unused: Health = [
  "unused",
  "Target.NotInUse",
  "Target is in an Availability Zone that is not enabled for the load balancer",
];
const initial: Health = ["initial", "Elb.InitialHealthChecking", "Initial health checks in progress"];

/** https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html, "Health check reason codes" */
export function healthOf(server: Server, { interval, fall }: Pick<Backend, "interval" | "fall">, age: number): Health {
  // In its first second up, some of HAProxy's threads do not send to it yet.
  if (server.status.startsWith("UP")) return server.age > 0 ? ["healthy"] : initial;
  if (server.check === "INI" || age < interval * fall * 1000) return initial;
  if (server.check === "L7STS")
    return ["unhealthy", "Target.ResponseCodeMismatch", `Health checks failed with these codes: [${server.code}]`];
  if (server.check.endsWith("TOUT")) return ["unhealthy", "Target.Timeout", "Request timed out"];
  return ["unhealthy", "Target.FailedHealthChecks", "Health checks failed"];
}

import type { InstanceRefresh } from "@aws-sdk/client-auto-scaling";
import type { Instance } from "@aws-sdk/client-ec2";
import type { Listener } from "@aws-sdk/client-elastic-load-balancing-v2";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { backendOf, balancersOf, frontendOf, healthOf } from "../../../local/services/ec2/balancer.ts";
import { type Backend, configuration, type Server, serversIn } from "../../../local/services/ec2/haproxy.ts";
import {
  type Goal,
  goalOf,
  type Member,
  plan,
  refreshed,
  scalingOf,
  subnetFor,
} from "../../../local/services/ec2/scaling.ts";
import { awsError } from "../../support/sdk.ts";

const minute = 60_000;
const now = 100 * minute;
let count = 0;
/** An instance that has been healthy for long. */
const member = (given: Partial<Member> = {}): Member => {
  count += 1;
  return {
    id: `i-${count}`,
    lifecycle: "InService",
    health: "Healthy",
    isProtected: false,
    template: "lt-1:1",
    zone: "a",
    launched: 0,
    runs: true,
    target: "healthy",
    isReady: true,
    ...given,
  };
};
const starting = { target: "initial", isReady: false, launched: now } as Partial<Member>;
const goal: Goal = {
  desired: 2,
  max: 4,
  template: "lt-1:1",
  looksAtTargets: true,
  grace: 5 * minute,
  warmup: minute,
  policy: { min: 100, max: 200 },
  zones: ["a", "b"],
};
const ids = (members: readonly Member[]) => members.map(({ id }) => id);

describe("a group", () => {
  test("launches what is missing, and nothing more", () => {
    expect(plan([], goal, now)).toMatchObject({ launch: 2, terminate: [] });
    expect(plan([member(), member({ ...starting, lifecycle: "Pending" })], goal, now)).toMatchObject({
      launch: 0,
      terminate: [],
    });
  });

  test("shrinks in the zone that has most, by another version first, then by the oldest, and never by a protected one", () => {
    const [a, b, c] = [member({ zone: "a", launched: 1 }), member({ zone: "a", launched: 2 }), member({ zone: "b" })];
    expect(ids(plan([c, b, a], goal, now).terminate)).toEqual([a.id]);
    const other = member({ zone: "b", template: "lt-1:2" });
    expect(ids(plan([a, b, other], goal, now).terminate)).toEqual([other.id]);
    const kept = member({ isProtected: true, launched: 0 });
    expect(ids(plan([kept, a, member({ zone: "b", launched: 2 })], goal, now).terminate)).toEqual([a.id]);
  });

  test("replaces at once what does not run any more", () => {
    const gone = member({ runs: false });
    expect(plan([gone, member()], goal, now)).toMatchObject({ launch: 1, terminate: [gone] });
  });

  test("replaces an unhealthy one after its grace, and terminates it only when its successor is ready", () => {
    const sick = member({ target: "unhealthy", launched: now - 4 * minute, isReady: false });
    expect(plan([sick, member()], goal, now)).toMatchObject({ launch: 0, terminate: [] });
    expect(plan([sick, member()], goal, now + 2 * minute)).toMatchObject({ launch: 1, terminate: [] });
    const successor = member(starting);
    expect(plan([sick, member(), successor], goal, now + 2 * minute)).toMatchObject({ launch: 0, terminate: [] });
    expect(plan([sick, member(), member()], goal, now + 2 * minute)).toMatchObject({ launch: 0, terminate: [sick] });
    expect(plan([sick, member()], { ...goal, looksAtTargets: false }, now + 2 * minute).launch).toBe(0);
    expect(plan([member({ health: "Unhealthy" }), member()], { ...goal, looksAtTargets: false }, now).launch).toBe(1);
  });

  test("terminates an unhealthy one first where there is no policy, or no room for its successor", () => {
    const sick = member({ target: "unhealthy", launched: 0, isReady: false });
    for (const changed of [{ policy: { min: 0, max: 100 } }, { max: 2 }]) {
      expect(plan([sick, member()], { ...goal, ...changed }, now)).toMatchObject({ launch: 0, terminate: [sick] });
    }
  });
});

test("a group whose zones have changed launches in those that are left before it terminates in others, and may exceed its maximum by one", () => {
  const [a, c] = [member(), member({ zone: "c" })];
  expect(plan([a, c], goal, now)).toMatchObject({ launch: 1, terminate: [] });
  expect(plan([a, c], { ...goal, max: 2 }, now)).toMatchObject({ launch: 1, terminate: [] });
  expect(plan([a, c, member({ ...starting, zone: "b" })], goal, now)).toMatchObject({ launch: 0, terminate: [] });
  expect(plan([a, c, member({ zone: "b" })], goal, now)).toMatchObject({ launch: 0, terminate: [c] });
});

describe("an instance refresh", () => {
  const refreshing: Goal = { ...goal, template: "lt-1:2", isOld: ({ template }) => template !== "lt-1:2" };
  const fresh = (given: Partial<Member> = {}) => member({ template: "lt-1:2", ...given });

  test("launches before it terminates, and terminates one for each that is healthy and warm", () => {
    const [a, b] = [member(), member()];
    expect(plan([a, b], refreshing, now)).toMatchObject({ launch: 2, terminate: [], isDone: false, left: 2 });
    const cold = fresh({ launched: now - minute / 2 });
    expect(plan([a, b, cold, fresh(starting)], refreshing, now)).toMatchObject({ launch: 0, terminate: [] });
    expect(plan([a, b, fresh(), fresh(starting)], refreshing, now).terminate).toHaveLength(1);
    expect(plan([a, b, fresh(), fresh()], refreshing, now).terminate).toEqual([a, b]);
    expect(plan([fresh(), fresh()], refreshing, now)).toMatchObject({
      launch: 0,
      terminate: [],
      isDone: true,
      left: 0,
    });
    expect(plan([fresh(), fresh(), member({ lifecycle: "Terminating" })], refreshing, now).isDone).toBe(false);
  });

  test("never goes above the group's maximum size, and within it takes one after the other", () => {
    const [a, b] = [member(), member()];
    expect(plan([a, b], { ...refreshing, max: 3 }, now)).toMatchObject({ launch: 1, terminate: [] });
    expect(plan([a, b, fresh()], { ...refreshing, max: 3 }, now).terminate).toHaveLength(1);
    expect(plan([a, b], { ...refreshing, max: 2 }, now)).toMatchObject({ launch: 0, terminate: [] });
  });

  test("terminates first where nothing may be above the desired capacity, unless a policy leaves no room for that", () => {
    const [a, b] = [member(), member()];
    for (const policy of [undefined, { min: 50, max: 100 }])
      expect(plan([a, b], { ...refreshing, policy }, now)).toMatchObject({ launch: 0, terminate: [a] });
    const policy = { min: 90, max: 100 };
    expect(plan([a, b], { ...refreshing, policy }, now)).toMatchObject({ launch: 1, terminate: [] });
  });

  test("that is rolled back terminates what never served, and launches nothing", () => {
    const back: Goal = { ...goal, desired: 1, isOld: ({ template }) => template !== "lt-1:1" };
    const bad = fresh(starting);
    expect(plan([member(), bad], back, now)).toMatchObject({ launch: 0, terminate: [bad], isDone: false });
    expect(plan([member()], back, now).isDone).toBe(true);
  });

  const group = {
    AutoScalingGroupName: "g",
    LaunchTemplate: { LaunchTemplateId: "lt-1", Version: "1" },
    DefaultInstanceWarmup: 60,
    HealthCheckType: "ELB",
  };
  const refresh = {
    InstanceRefreshId: "r",
    Status: "InProgress" as const,
    StartTime: new Date(now),
    DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId: "lt-1", Version: "2" } },
  };

  test("leaves those that match, unless it is to replace them too; the group's own version is what it is rolled back to", () => {
    const matching = member({ template: "lt-1:2", launched: now - 1 });
    expect(goalOf(group, { ...refresh, Preferences: { SkipMatching: true } }).isOld?.(matching)).toBe(false);
    expect(goalOf(group, refresh).isOld?.(matching)).toBe(true);
    expect(goalOf(group, refresh).template).toBe("lt-1:2");
    // Another template is another one, whatever its version: somebody has deleted the first.
    const other = { ...refresh, DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId: "lt-2", Version: "1" } } };
    expect(goalOf(group, { ...other, Preferences: { SkipMatching: true } }).isOld?.(member())).toBe(true);
    const back = goalOf(group, { ...refresh, Status: "RollbackInProgress" });
    expect([back.template, back.isOld?.(matching), back.isOld?.(member())]).toEqual(["lt-1:1", true, false]);
    expect(goalOf(group, { ...refresh, Status: "Cancelling" }).isOld).toBeUndefined();
  });

  test("waits for new machines to warm up as long as it says itself, or else the group does", () => {
    const of = (InstanceWarmup?: number) => goalOf(group, { ...refresh, Preferences: { InstanceWarmup } }).warmup;
    expect([of(5), of(), goalOf(group).warmup]).toEqual([5000, 60_000, 0]);
  });

  const progress = { isDone: false, isMoving: false, left: 1, total: 2, now };
  const done = { isDone: true, left: 0 };
  const late = { now: now + 61 * minute, failed: "no capacity" };
  const bakes = { Preferences: { BakeTime: 30 } };
  const isBack = { Status: "RollbackInProgress" as const };
  const goesDown = { PercentageComplete: 50, InstancesToUpdate: 0 };
  const hasJustBegun = { ...isBack, RollbackDetails: { RollbackStartTime: new Date(now + 2 * minute) } };
  const StatusReason = "Waiting for remaining instances to be available: 1 left.";
  test.each<[string, Partial<InstanceRefresh>, object, object | undefined]>([
    ["begins", { Status: "Pending" }, {}, { Status: "InProgress", PercentageComplete: 50 }],
    ["says nothing twice", { PercentageComplete: 50, StatusReason }, {}, undefined],
    ["ends", {}, done, { before: "InProgress", Status: "Successful" }],
    ["is cancelled", { Status: "Cancelling" }, {}, { Status: "Cancelled" }],
    ["waits for what is on its way first", { Status: "Cancelling" }, { isMoving: true }, undefined],
    ["fails after an hour", {}, late, { Status: "Failed", StatusReason: "no capacity" }],
    ["is rolled back then", { Preferences: { AutoRollback: true } }, late, { Status: "RollbackInProgress" }],
    ["has an hour for its rollback", hasJustBegun, late, { Status: "RollbackInProgress", StatusReason: "no capacity" }],
    ["goes down in its rollback", { ...isBack, PercentageComplete: 100, InstancesToUpdate: 0 }, {}, goesDown],
    ["fails in its rollback after that", isBack, late, { Status: "RollbackFailed" }],
    ["that is rolled back ends", isBack, done, { Status: "RollbackSuccessful" }],
    ["that is rolled back does not bake", { ...isBack, ...bakes }, done, { Status: "RollbackSuccessful" }],
    ["begins to bake", bakes, done, { Status: "Baking", PercentageComplete: 100 }],
    ["bakes", { ...bakes, Status: "Baking" }, { ...done, baked: 29_999 }, undefined],
    [
      "has baked",
      { ...bakes, Status: "Baking" },
      { ...done, baked: 30_000 },
      { before: "Baking", Status: "Successful" },
    ],
  ])("%s", (_, given, more, expected) => {
    const found = refreshed({ ...refresh, ...given }, { ...progress, ...more });
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });
});

test("a launch goes to the zone with the fewest", () => {
  const subnets = new Map([
    ["s-a", "a"],
    ["s-b", "b"],
  ]);
  expect(subnetFor(subnets, [])).toBe("s-a");
  expect(subnetFor(subnets, [member({ zone: "a" })])).toBe("s-b");
  expect(subnetFor(subnets, [member({ zone: "a", lifecycle: "Terminating" }), member({ zone: "b" })])).toBe("s-a");
});

describe("Auto Scaling", () => {
  const LaunchTemplate = { LaunchTemplateId: "lt-1", Version: "1" };
  const Subnets = [{ SubnetId: "s-a", AvailabilityZone: "a" }];
  /** Brings the one group, which AWS describes so, a step further. */
  const stepOf = (describe: () => object, { ec2, ...others }: { ec2: object; elb: object; report: object }) =>
    scalingOf({
      ...others,
      ec2: { describeSubnets: async () => ({ Subnets }), ...ec2 },
      autoscaling: {
        paginateDescribeAutoScalingGroups: () => [
          {
            AutoScalingGroups: [
              { AutoScalingGroupName: "g", DesiredCapacity: 1, MaxSize: 2, LaunchTemplate, ...describe() },
            ],
          },
        ],
        describeInstanceRefreshes: async () => ({}),
      },
    } as never);

  test("a launch that fails is an activity with its reason, though the target group is gone, and is tried again after a minute, then two, and at last every five, until one succeeds", async () => {
    onTestFinished(() => void vi.useRealTimers());
    vi.useFakeTimers({ toFake: ["Date"] });
    const tag = (Key: string, PropagateAtLaunch: boolean) => ({ Key, Value: "v", PropagateAtLaunch });
    const group = { Instances: [], TargetGroupARNs: ["arn"], Tags: [tag("app", true), tag("team", false)] };
    const report = vi.fn(async (_: object) => {});
    const refused = vi.fn(async (_: object) => Promise.reject(new Error("The image id '[ami-1]' does not exist")));
    const gone = () => Promise.reject(awsError("TargetGroupNotFoundException"));
    const step = stepOf(() => group, { ec2: { runInstances: refused }, elb: { describeTargetHealth: gone }, report });
    const attemptsAfter = async (seconds: number) => {
      vi.setSystemTime(Date.now() + seconds * 1000);
      expect(await step(new Map())).toBe(true);
      return refused.mock.calls.length;
    };
    expect([await attemptsAfter(0), await attemptsAfter(59)]).toEqual([1, 1]);
    const StatusMessage = "The image id '[ami-1]' does not exist. Launching EC2 instance failed.";
    const Description = `Launching a new EC2 instance.  Status Reason: ${StatusMessage}`;
    const activity = { StatusCode: "Failed", Progress: 100, Description, StatusMessage };
    expect(report).toHaveBeenCalledExactlyOnceWith({ group: "g", activities: [expect.objectContaining(activity)] });
    expect([await attemptsAfter(1), await attemptsAfter(119), await attemptsAfter(1)]).toEqual([2, 2, 3]);
    expect([await attemptsAfter(240), await attemptsAfter(299), await attemptsAfter(1)]).toEqual([4, 4, 5]);
    const own = { Key: "aws:autoscaling:groupName", Value: "g" };
    const TagSpecifications = [{ ResourceType: "instance", Tags: [{ Key: "app", Value: "v" }, own] }];
    const one = { MinCount: 1, MaxCount: 1, SubnetId: "s-a" };
    expect(refused).toHaveBeenLastCalledWith({ ...one, LaunchTemplate, TagSpecifications });
    refused.mockResolvedValueOnce({ Instances: [{ InstanceId: "i-1" }] } as never);
    expect([await attemptsAfter(300), await attemptsAfter(0), await attemptsAfter(60)]).toEqual([6, 7, 8]);
  });

  test("a group that is deleted by force goes when its last instance has gone", async () => {
    const report = vi.fn();
    await stepOf(() => ({ DesiredCapacity: 0, Status: "Delete in progress" }), { ec2: {}, elb: {}, report })(new Map());
    expect(report).toHaveBeenCalledExactlyOnceWith({ group: "g", activities: [], members: [] });
  });

  test("an instance that goes drains once and is terminated then; what takes its place is registered as soon as it runs, and protected as its group says", async () => {
    const instances = new Map<string, Instance>([["i-old", { State: { Name: "running" } }]]);
    const targets: Record<string, string> = { "i-old": "unhealthy" };
    let members: Partial<Member>[] = [{ id: "i-old", lifecycle: "InService", health: "Healthy", isProtected: false }];
    const did: string[] = [];
    const group = () => ({
      HealthCheckType: "ELB",
      AvailabilityZones: ["a"],
      NewInstancesProtectedFromScaleIn: true,
      InstanceMaintenancePolicy: { MinHealthyPercentage: 100, MaxHealthyPercentage: 200 },
      TargetGroupARNs: ["arn"],
      Instances: members.map(({ id, lifecycle, health, isProtected }) => {
        const own = {
          InstanceId: id,
          LifecycleState: lifecycle,
          HealthStatus: health,
          ProtectedFromScaleIn: isProtected,
        };
        return { ...own, AvailabilityZone: "a", LaunchTemplate };
      }),
    });
    type Call = { InstanceIds: string[]; Targets: [{ Id: string }] };
    const becoming =
      (state: string) =>
      async ({ Targets: [{ Id }] }: Call) => {
        did.push(`${Id} is ${state}`);
        targets[Id] = state;
      };
    const step = stepOf(group, {
      ec2: {
        runInstances: async () => {
          instances.set("i-new", { State: { Name: "pending" } });
          return { Instances: [{ InstanceId: "i-new" }] };
        },
        terminateInstances: async ({ InstanceIds }: Call) => did.push(`${InstanceIds} is terminated`),
      },
      elb: {
        describeTargetHealth: async () => {
          const entries = Object.entries(targets).map(([Id, State]) => ({ Target: { Id }, TargetHealth: { State } }));
          return { TargetHealthDescriptions: entries };
        },
        registerTargets: becoming("initial"),
        deregisterTargets: becoming("draining"),
      },
      report: async (given: { members?: Partial<Member>[]; activities: { Description: string }[] }) => {
        members = given.members ?? members;
        did.push(...given.activities.map(({ Description }) => Description));
      },
    });
    const next = async () => {
      await step(instances);
      return did.splice(0);
    };
    expect(await next()).toEqual(["Launching a new EC2 instance: i-new"]);
    expect(await next()).toEqual(["i-new is initial"]);
    expect(members[1]).toMatchObject({ id: "i-new", lifecycle: "InService", isProtected: true });
    targets["i-new"] = "healthy";
    expect(await next()).toEqual(["i-old is draining", "Terminating EC2 instance: i-old"]);
    expect(members[0]).toMatchObject({ id: "i-old", lifecycle: "Terminating", health: "Unhealthy" });
    expect(await next()).toEqual([]);
    delete targets["i-old"];
    expect(await next()).toEqual(["i-old is terminated"]);
    instances.delete("i-old");
    await next();
    expect(members.map(({ id }) => id)).toEqual(["i-new"]);
  });
});

const group = {
  TargetGroupArn: "arn",
  HealthCheckPath: "/health",
  HealthCheckIntervalSeconds: 5,
  HealthCheckTimeoutSeconds: 4,
  HealthyThresholdCount: 2,
};
const least = [{ Key: "load_balancing.algorithm.type", Value: "least_outstanding_requests" }];
const backend = backendOf(group, least, "127.18.0.4", 60);
const server = {
  backend: backend.name,
  name: "i-1",
  status: "DOWN",
  sessions: 0,
  age: 9,
  check: "L7STS",
  code: "503",
  address: "127.18.1.4:80",
};

test("HAProxy does what the load balancer does, and repeats nothing", () => {
  const attributes = [{ Key: "routing.http.drop_invalid_header_fields.enabled", Value: "true" }];
  const frontend = (listener: Listener) =>
    frontendOf(listener, attributes, ["127.18.0.4", "127.18.128.4"], 60, "/certificates");
  const RedirectConfig = { Port: "443", StatusCode: "HTTP_301" as const };
  const http = frontend({ Port: 80, Protocol: "HTTP", DefaultActions: [{ Type: "redirect", RedirectConfig }] });
  const https = frontend({
    Port: 443,
    Protocol: "HTTPS",
    SslPolicy: "ELBSecurityPolicy-TLS13-1-2-2021-06",
    Certificates: [{ CertificateArn: "arn:aws:acm:ap-northeast-2:123456789012:certificate/c" }],
    DefaultActions: [{ Type: "forward", TargetGroupArn: "arn" }],
  });
  const servers = [server, { ...server, backend: "other", name: "i-2" }];
  const text = configuration("/run", [...http, ...https], [backend], servers);
  const has = (...lines: string[]) => {
    for (const line of lines) expect(text.split("\n")).toContain(line);
  };
  has("  retries 0", "  no option redispatch", "  option forwardfor", "  timeout client 60s", "  timeout server 60s");
  has("  bind 127.18.128.4:80");
  has("  bind 127.18.0.4:443 ssl crt /certificates/c.pem alpn h2,http/1.1 ssl-min-ver TLSv1.2");
  has("  http-request redirect location https://%[req.hdr(host),field(1,:)]%[capture.req.uri] code 301");
  has("  http-request del-header [^A-Za-z0-9-] -m reg", "  http-request set-header X-Forwarded-Proto https");
  has("  http-request set-header X-Forwarded-Port 443", "  timeout http-request 60s", "  option httpchk");
  has("  http-check send meth GET uri /health ver HTTP/1.1 hdr Host 127.18.0.4 hdr User-Agent ELB-HealthChecker/2.0");
  has(`  default_backend ${backend.name}`, `backend ${backend.name}`);
  has("  balance leastconn", "  source 127.18.0.4", "  timeout check 4s", "  http-check expect status 200");
  has("  server i-1 127.18.1.4:80 check inter 5000 rise 2 fall 2");
  expect(text).not.toContain("i-2");
  has("  load-server-state-from-file global");
  const other = { ...group, Matcher: { HttpCode: "204" } };
  const slow = backendOf(other, [{ Key: "slow_start.duration_seconds", Value: "30" }], "127.18.0.4", 60);
  const shown = configuration("/run", [], [slow], [server]);
  expect(shown).toMatch(/balance roundrobin(.|\n)* expect status 204(.|\n)* slowstart 30000\n$/);
  const elsewhere = [{ Type: "redirect" as const, RedirectConfig: { Port: "8443", StatusCode: "HTTP_302" as const } }];
  expect(frontend({ Port: 80, Protocol: "HTTP", DefaultActions: elsewhere }).at(-1)).toMatch(/:8443%.* code 302$/);
});

test("HAProxy's statistics name its columns", () => {
  const statistics =
    "# pxname,svname,scur,status,lastchg,check_status,check_code,addr,\nf,FRONTEND,1,OPEN,,,,,\nb,i-1,2,UP,7,L7OK,200,127.18.1.4:80,\nb,BACKEND,2,UP,7,,,,\n";
  expect(serversIn(statistics)).toEqual([
    { ...server, backend: "b", sessions: 2, status: "UP", age: 7, check: "L7OK", code: "200" },
  ]);
});

const initial = ["initial", "Elb.InitialHealthChecking"];
const failing = ["unhealthy", "Target.FailedHealthChecks"];
test.each([
  ["healthy", { status: "UP", check: "L7OK" }, 60_000, ["healthy"]],
  ["initial in its first second up", { status: "UP", check: "L7OK", age: 0 }, 60_000, initial],
  ["initial before its first check", { check: "INI" }, 60_000, initial],
  ["unhealthy until enough checks have passed again", { check: "L7OK" }, 10_000, failing],
  ["initial before its second failure", {}, 9000, initial],
  [
    "unhealthy for its answers",
    {},
    10_000,
    ["unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"],
  ],
  ["unhealthy for its silence", { check: "L4TOUT" }, 10_000, ["unhealthy", "Target.Timeout", "Request timed out"]],
  ["unhealthy for a refused connection", { check: "L4CON" }, 10_000, [...failing, "Health checks failed"]],
])("a target is %s", (_, given, age, [...expected]) => {
  expect(healthOf({ ...server, ...given }, backend, age).slice(0, expected.length)).toEqual(expected);
});

test("a target in a zone of the load balancer gets requests, from the address that names it; one that is taken out, until it has none or its time is over, or it is registered again", async () => {
  onTestFinished(() => void vi.useRealTimers());
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.stubEnv("LOCAL_CLOUD_PREFIX", "127.18");
  const states = { "i-1": "healthy", "i-far": "healthy" };
  const place = (PrivateIpAddress: string, AvailabilityZone: string): Instance => {
    return { PrivateIpAddress, State: { Name: "running" }, Placement: { AvailabilityZone } };
  };
  const instances = new Map([
    ["i-1", place("10.0.1.4", "a")],
    ["i-far", place("10.0.2.4", "c")],
  ]);
  const elb = {
    paginateDescribeLoadBalancers: () => [
      { LoadBalancers: [{ DNSName: "127.18.128.4", AvailabilityZones: [{ ZoneName: "a" }] }] },
    ],
    paginateDescribeTargetGroups: () => [{ TargetGroups: [{ ...group, TargetGroupArn: "unused" }, group] }],
    paginateDescribeListeners: () => [{ Listeners: [{ DefaultActions: [{ TargetGroupArn: "arn" }] }] }],
    describeLoadBalancerAttributes: async () => ({}),
    describeTargetGroupAttributes: async () => ({
      Attributes: [{ Key: "deregistration_delay.timeout_seconds", Value: "30" }],
    }),
    describeTargetHealth: async () => ({
      TargetHealthDescriptions: Object.entries(states).map(([Id, State]) => {
        return { Target: { Id, Port: 80 }, TargetHealth: { State } };
      }),
    }),
  };
  const ec2 = {
    paginateDescribeNetworkInterfaces: () => [
      { NetworkInterfaces: [{ PrivateIpAddress: "10.0.0.4" }, { PrivateIpAddress: "10.0.128.4" }] },
    ],
  };
  let servers: Server[] = [];
  const did: string[] = [];
  const apply = vi.fn(async (_: readonly string[], _backends: readonly Backend[]) => {});
  const setting = (what: string, status: string) => async (each: Server) => {
    did.push(`${what} ${each.name}`);
    servers = servers.map((other) => ({ ...other, status }));
  };
  const haproxy = {
    apply,
    servers: async () => servers,
    add: async ({ name: backend }: Backend, name: string, address: string, isHealthy: boolean) => {
      did.push(`add ${name} ${address}${isHealthy ? ", healthy" : ""}`);
      servers = [{ ...server, backend, name, address, status: "UP", sessions: 1 }];
    },
    drain: setting("drain", "DRAIN"),
    ready: setting("ready", "UP"),
    remove: async ({ name }: Server) => {
      did.push(`remove ${name}`);
      servers = [];
    },
  };
  const report = vi.fn(async (_: object) => {});
  const balancers = balancersOf({ ec2, elb, report } as never, haproxy as never, "/certificates");
  /** The commands to HAProxy after so many seconds, and what is reported of the targets. */
  const after = async (seconds: number) => {
    vi.setSystemTime(Date.now() + seconds * 1000);
    await balancers.read(instances);
    await balancers.follow();
    const [{ arn: found = {} } = {}] = (report.mock.calls.splice(0)[0] ?? []) as { arn?: Record<string, string[]> }[];
    return [...did.splice(0), ...Object.entries(found).map(([id, health]) => `${id} is ${health?.[0] ?? "gone"}`)];
  };
  expect(await after(0)).toEqual(["add i-1 127.18.1.4:80", "i-1 is initial", "i-far is unused"]);
  expect(apply.mock.lastCall?.[1]?.[0]?.lines).toContain("  source 127.18.128.4");
  expect(await after(5)).toEqual(["i-1 is healthy"]);
  // HAProxy was killed, and knows no target any more; then another address answers for it.
  servers = [];
  expect(await after(1)).toEqual(["add i-1 127.18.1.4:80, healthy"]);
  instances.set("i-1", place("10.0.1.5", "a"));
  expect(await after(1)).toEqual(["remove i-1", "add i-1 127.18.1.5:80, healthy"]);
  states["i-1"] = "draining";
  expect(await after(1)).toEqual(["drain i-1", "i-1 is draining"]);
  expect(await after(30)).toEqual(["drain i-1"]);
  expect(await after(1)).toEqual(["remove i-1", "i-1 is draining"]);
  expect(await after(1)).toEqual(["i-1 is gone"]);
  states["i-1"] = "initial";
  await after(1);
  states["i-1"] = "draining";
  expect(await after(1)).toEqual(["drain i-1", "i-1 is draining"]);
  states["i-1"] = "initial";
  expect(await after(1)).toContain("ready i-1");
  // Its last request is answered: it is drained one look later all the same.
  servers = servers.map((each) => ({ ...each, sessions: 0 }));
  states["i-1"] = "draining";
  expect(await after(1)).toEqual(["drain i-1", "i-1 is draining"]);
  expect(await after(1)).toContain("remove i-1");
});

import { rm } from "node:fs/promises";
import { AutoScaling } from "@aws-sdk/client-auto-scaling";
import { EC2, type Instance } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Cloud } from "../../cloud.ts";
import { balancersOf } from "./balancer.ts";
import { haproxyOf } from "./haproxy.ts";
import { scalingOf } from "./scaling.ts";

/** Load balancers and Auto Scaling. While nothing changes it asks HAProxy how its checks went, as often as they are made, and nothing else. */
export function fleetOf(cloud: Pick<Cloud, "dir" | "run" | "endpoint">) {
  const certificates = `${cloud.dir}/certificates`;
  const report = (path: string) => async (body: object) => {
    const url = `${cloud.endpoint}/moto-api/${path}`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok && response.status !== 404) throw new Error(`moto takes no report of ${path}: ${response.status}`);
  };
  const apis = { ec2: new EC2({ maxAttempts: 1 }), elb: new ElasticLoadBalancingV2({ maxAttempts: 1 }) };
  const haproxy = haproxyOf(cloud);
  const balancers = balancersOf({ ...apis, report: report("targets") }, haproxy, certificates);
  const autoscaling = new AutoScaling({ maxAttempts: 1 });
  const scale = scalingOf({ ...apis, autoscaling, report: report("autoscaling") });
  let seen: number | undefined;
  let nextLook = 0;
  let nextStep = 0;
  let step = Promise.resolve();
  let isEnded = false;

  async function advance(instances: ReadonlyMap<string, Instance>, mark: number | undefined): Promise<void> {
    const isStale = mark !== seen;
    const isDue = isStale || haproxy.isDead() || Date.now() >= Math.min(nextLook, nextStep);
    if (!isDue) return;
    if (isStale) await balancers.read(instances);
    const { changing, changed } = await balancers.follow();
    if (isStale || changed || Date.now() >= nextStep) {
      nextStep = (await scale(instances)) ? Date.now() + 1000 : Number.POSITIVE_INFINITY;
    }
    seen = mark;
    nextLook = changing ? 0 : Date.now() + balancers.interval() * 1000;
  }

  return {
    /** Brings everything a step further, where the API has changed something since it was followed last, or something is under way. */
    async follow(instances: ReadonlyMap<string, Instance>, mark: number | undefined): Promise<void> {
      if (isEnded) return;
      step = advance(instances, mark);
      await step;
    },
    /** Ends it, after the step that is being made. */
    async stop(): Promise<void> {
      isEnded = true;
      await step.catch(() => {});
      await haproxy.stop();
      await rm(certificates, { recursive: true, force: true });
    },
  };
}

import { rm, stat } from "node:fs/promises";
import { AutoScaling } from "@aws-sdk/client-auto-scaling";
import { EC2, type Instance } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2 } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Cloud } from "../../cloud.ts";
import { Balancers } from "./balancer.ts";
import { HAProxy } from "./haproxy.ts";
import { Scaling } from "./scaling.ts";

/** Load balancers and Auto Scaling. While nothing changes it asks HAProxy how its checks went, as often as they are made, and nothing else. */
export class Fleet {
  readonly #cloud: Pick<Cloud, "dir" | "run" | "endpoint">;
  readonly #haproxy: HAProxy;
  readonly #balancers: Balancers;
  readonly #scaling: Scaling;
  #seen = "";
  #nextLook = 0;
  #nextStep = 0;
  #step = Promise.resolve();
  #isEnded = false;

  constructor(cloud: Pick<Cloud, "dir" | "run" | "endpoint">) {
    this.#cloud = cloud;
    const apis = { ec2: new EC2({ maxAttempts: 1 }), elb: new ElasticLoadBalancingV2({ maxAttempts: 1 }) };
    this.#haproxy = new HAProxy(cloud);
    this.#balancers = new Balancers({ ...apis, report: this.#report("targets") }, this.#haproxy, this.#certificates);
    const autoscaling = new AutoScaling({ maxAttempts: 1 });
    this.#scaling = new Scaling({ ...apis, autoscaling, report: this.#report("autoscaling") });
  }

  get #certificates(): string {
    return `${this.#cloud.dir}/certificates`;
  }

  /** Brings everything a step further, where something has changed or is under way. */
  async follow(instances: ReadonlyMap<string, Instance>): Promise<void> {
    if (this.#isEnded) return;
    this.#step = this.#follow(instances);
    await this.#step;
  }

  async #follow(instances: ReadonlyMap<string, Instance>): Promise<void> {
    const marks = ["ec2-changed", "fleet-changed"].map((name) => stat(`${this.#cloud.dir}/${name}`));
    const seen = (await Promise.all(marks)).map(({ mtimeMs }) => mtimeMs).join();
    const isMarked = seen !== this.#seen;
    const isDue = isMarked || this.#haproxy.isDead || Date.now() >= Math.min(this.#nextLook, this.#nextStep);
    if (!isDue) return;
    if (isMarked) await this.#balancers.read(instances);
    const { changing, changed } = await this.#balancers.follow();
    if (isMarked || changed || Date.now() >= this.#nextStep) {
      this.#nextStep = (await this.#scaling.step(instances)) ? Date.now() + 1000 : Number.POSITIVE_INFINITY;
    }
    this.#seen = seen;
    this.#nextLook = changing ? 0 : Date.now() + this.#balancers.interval * 1000;
  }

  /** Ends it, after the step that is being made. */
  async stop(): Promise<void> {
    this.#isEnded = true;
    await this.#step.catch(() => {});
    await this.#haproxy.stop();
    await rm(this.#certificates, { recursive: true, force: true });
  }

  #report = (path: string) => async (body: object) => {
    const url = `${this.#cloud.endpoint}/moto-api/${path}`;
    const response = await fetch(url, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok && response.status !== 404) throw new Error(`moto takes no report of ${path}: ${response.status}`);
  };
}

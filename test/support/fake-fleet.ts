import { AutoScalingClient, type InstanceRefresh } from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Activity, FleetApi, Health, Member } from "../../components/fleet-api.ts";
import { type Answer, answering } from "./sdk.ts";

/** A launch template's version, by its name `lt-…:3`, as AWS's API has it. */
const launching = (name: string) => {
  const [LaunchTemplateId, Version] = name.split(":");
  return { LaunchTemplate: { LaunchTemplateId, Version } };
};

/** Answers what a fleet's providers ask. */
export const answeringFleet = (answer: Answer) =>
  answering([AutoScalingClient, EC2Client, ElasticLoadBalancingV2Client], answer);

/** A group of Auto Scaling in memory: what AWS would answer now, and what was asked of it. */
export class FakeFleet implements FleetApi {
  min = 1;
  max = 2;
  size = 1;
  template = "lt-1:1";
  zones = ["a"];
  members: Member[] = [];
  targets: Record<string, Health> = {};
  list: InstanceRefresh[] = [];
  messages: string[] = [];
  consoles: Record<string, string> = {};
  /** The calls that change something. */
  readonly calls: string[] = [];
  /** What a call that changes something does, unless a test says otherwise: all of it at once. */
  on: Record<"start" | "cancel" | "rollback", () => void> = {
    start: () => {},
    cancel: () => this.becomes("Cancelled"),
    rollback: () => this.becomes("RollbackSuccessful"),
  };

  /** The machines that the load balancer sends requests to. */
  get serving(): string[] {
    return this.members.map(({ id }) => id).filter((id) => this.targets[id]?.state === "healthy");
  }

  /** Adds a machine, in place of one that has its id. */
  add(
    id: string,
    {
      template = this.template,
      zone = "a",
      state = "InService" as Member["state"],
      health = "healthy" as Health["state"] | "",
      reason = "",
    } = {},
  ): this {
    this.members = [...this.members.filter((each) => each.id !== id), { id, zone, template, state }];
    if (health !== "") this.targets[id] = { state: health, reason };
    return this;
  }

  /** Adds a refresh, as the newest: as this program begins it, unless more is said. */
  refreshing(Status: InstanceRefresh["Status"], template: string, more: Partial<InstanceRefresh> = {}): this {
    const own = { InstanceRefreshId: `refresh-${this.list.length + 1}`, Preferences: { BakeTime: 27 } };
    this.list.unshift({ ...own, Status, DesiredConfiguration: launching(template), ...more });
    return this;
  }

  /** Changes the newest refresh. */
  becomes(Status: InstanceRefresh["Status"], more: Partial<InstanceRefresh> = {}): void {
    this.list[0] = { ...this.list[0], Status, ...more };
  }

  /** What AWS answers to a call that reads, by the action's name. */
  answer(action: string): object {
    switch (action) {
      case "DescribeAutoScalingGroups": {
        const Instances = this.members.map(({ id, zone, template, state }) => {
          return { InstanceId: id, AvailabilityZone: zone, LifecycleState: state, ...launching(template) };
        });
        const sizes = { MinSize: this.min, MaxSize: this.max, DesiredCapacity: this.size };
        const group = { ...sizes, AvailabilityZones: this.zones, ...launching(this.template), Instances };
        return { AutoScalingGroups: [group] };
      }
      case "DescribeTargetHealth": {
        const TargetHealthDescriptions = Object.entries(this.targets).map(([Id, { state: State }]) => {
          return { Target: { Id }, TargetHealth: { State } };
        });
        return { TargetHealthDescriptions };
      }
      case "DescribeInstanceRefreshes":
        return { InstanceRefreshes: [...this.list] };
      default:
        return {};
    }
  }

  async group() {
    const { min, max, size, template, zones, members } = this;
    return { min, max, size, template, zones, members: [...members] };
  }
  async health() {
    return { ...this.targets };
  }
  async refreshes() {
    return [...this.list];
  }
  async start(template: string, bakeTime: number) {
    this.calls.push(`start ${template}`);
    this.on.start();
    this.refreshing("Pending", template, { PercentageComplete: 0, Preferences: { BakeTime: bakeTime } });
    return this.list[0]?.InstanceRefreshId ?? "";
  }
  async cancel() {
    this.calls.push("cancel");
    this.on.cancel();
  }
  async rollback() {
    this.calls.push("rollback");
    this.on.rollback();
  }
  async resize(size: number) {
    this.calls.push(`resize ${size}`);
  }
  /** Launches that fail, and fail again each minute. */
  async activities(since: Date): Promise<Activity[]> {
    const minutes = Math.floor((Date.now() - since.getTime()) / 60_000);
    return Array.from({ length: minutes + 1 }, (_, minute) => new Date(since.getTime() + minute * 60_000))
      .reverse()
      .flatMap((started) => this.messages.map((text) => ({ started, isLaunch: true, status: "Failed", text })));
  }
  async console(id: string) {
    return this.consoles[id] ?? "booted\n";
  }
  logCommand(id: string) {
    return `tail ${id}`;
  }
}

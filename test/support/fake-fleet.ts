import type { InstanceRefresh } from "@aws-sdk/client-auto-scaling";
import type { FleetApi, Health, Member } from "../../components/fleet-api.ts";

/** A group of Auto Scaling in memory: what AWS would answer now, and what was asked of it. */
export class FakeFleet implements FleetApi {
  min = 1;
  template = "lt-1:1";
  members: Member[] = [];
  targets: Record<string, Health> = {};
  list: InstanceRefresh[] = [];
  messages: string[] = [];
  consoles: Record<string, string> = {};
  /** The calls that change something. */
  readonly calls: string[] = [];
  /** What happens when a call changes something, such as a refusal. */
  on: Partial<Record<"start" | "cancel" | "rollback", () => void>> = {};

  /** Adds a machine. */
  add(id: string, { template = this.template, state = "InService", health = "healthy", reason = "" } = {}): this {
    this.members.push({ id, zone: "a", template, state });
    if (health !== "") this.targets[id] = { state: health, reason };
    return this;
  }

  /** Adds a refresh, as the newest: as this program begins it, unless more is said. */
  refreshing(Status: InstanceRefresh["Status"], template: string, more: Partial<InstanceRefresh> = {}): this {
    const [LaunchTemplateId, Version] = template.split(":");
    const DesiredConfiguration = { LaunchTemplate: { LaunchTemplateId, Version } };
    const own = { InstanceRefreshId: `refresh-${this.list.length + 1}`, Preferences: { BakeTime: 27 } };
    this.list.unshift({ ...own, Status, DesiredConfiguration, ...more });
    return this;
  }

  /** Changes the newest refresh. */
  becomes(Status: InstanceRefresh["Status"], more: Partial<InstanceRefresh> = {}): void {
    this.list[0] = { ...this.list[0], Status, ...more };
  }

  async group() {
    return { min: this.min, template: this.template, members: [...this.members] };
  }
  async health() {
    return { ...this.targets };
  }
  async refreshes() {
    return [...this.list];
  }
  async start(template: string, bakeTime: number) {
    this.calls.push(`start ${template}`);
    this.on.start?.();
    this.refreshing("Pending", template, { PercentageComplete: 0, Preferences: { BakeTime: bakeTime } });
    return this.list[0]?.InstanceRefreshId ?? "";
  }
  async cancel() {
    this.calls.push("cancel");
    this.on.cancel?.();
  }
  async rollback() {
    this.calls.push("rollback");
    this.on.rollback?.();
  }
  async failures(_since: Date) {
    return this.messages;
  }
  async console(id: string) {
    return this.consoles[id] ?? "booted\n";
  }
  logCommand(id: string) {
    return `tail ${id}`;
  }
}

/** An error of AWS. */
export const awsError = (name: string, message = name) => Object.assign(new Error(message), { name });

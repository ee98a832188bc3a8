import type { IpPermission } from "@aws-sdk/client-ec2";
import { run } from "../../../tools/process.ts";

/** What may reach an address, as its instance's security groups say. */
export interface Opening {
  address: string;
  permissions: IpPermission[];
}

/** Security groups: one iptables chain, which traffic to the cloud's addresses passes. */
export class Firewall {
  readonly #chain: string;
  readonly #jump: string[];
  #applied = "";

  constructor(chain: string, prefix: string) {
    this.#chain = chain;
    this.#jump = ["INPUT", "--destination", `${prefix}.0.0/16`, "--jump", chain];
  }

  async apply(openings: Opening[]): Promise<void> {
    const rules = openings.flatMap((opening) => rulesOf(opening)).map((rule) => `-A ${this.#chain} ${rule}`);
    const table = ["*filter", `:${this.#chain} - [0:0]`, ...rules, "COMMIT", ""].join("\n");
    if (table === this.#applied) return;
    // In one step and for this chain alone, so that at no moment anything passes that neither the old nor the new rules allow.
    await run(["iptables-restore", "--noflush", "--wait"], { input: table });
    await iptables("--check", ...this.#jump).catch(() => iptables("--insert", ...this.#jump));
    this.#applied = table;
  }

  async remove(): Promise<void> {
    this.#applied = "";
    await iptables("--delete", ...this.#jump).catch(() => {}); // not there: nothing was ever applied
    for (const step of ["--flush", "--delete-chain"]) await iptables(step, this.#chain).catch(() => {});
  }
}

/** Drops everything to the address that no rule allows. EC2 drops too: a client gets a time-out, not a refusal. */
export function rulesOf({ address, permissions }: Opening): string[] {
  const allowed = permissions.flatMap(({ IpProtocol = "-1", FromPort, ToPort, IpRanges = [] }) =>
    IpRanges.map(({ CidrIp }) => {
      const ports = FromPort === undefined || IpProtocol === "icmp" ? "" : ` --dport ${FromPort}:${ToPort}`;
      const protocol = IpProtocol === "-1" ? "" : ` -p ${IpProtocol}${ports}`;
      return `-s ${CidrIp} -d ${address}${protocol} -j ACCEPT`;
    }),
  );
  return [...allowed, `-d ${address} -j DROP`];
}

const iptables = (...args: string[]) => run(["iptables", "--wait", ...args]);

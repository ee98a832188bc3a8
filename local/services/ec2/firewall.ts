import { run } from "../../../tools/process.ts";
import { ports } from "../../cloud.ts";
import type { Allowed, Opening, Reach } from "./network.ts";

/** What the requests of a machine, which all have its group (`groupOf`), come to. */
type Sender = { readonly group: number; readonly reach: Reach };

/** Security groups and routes: iptables chains that traffic to the cloud's addresses passes. */
export function firewallOf(chain: string, prefix: string) {
  const services = `${prefix}.0.1`;
  const jumps = [
    ["INPUT", "--destination", `${prefix}.0.0/16`, "--jump", chain],
    ["OUTPUT", "--destination", services, "--jump", `${chain}-out`],
  ];
  let applied = "";
  return {
    async apply(openings: readonly Opening[], senders: readonly Sender[]): Promise<void> {
      const table = tableOf(chain, services, openings, senders);
      if (table === applied) return;
      // In one step and for these chains alone, so that at no moment anything passes that neither the old nor the new rules allow.
      await run(["iptables-restore", "--noflush", "--wait"], { input: table });
      for (const jump of jumps) await iptables("--check", ...jump).catch(() => iptables("--insert", ...jump));
      applied = table;
    },
    async remove(): Promise<void> {
      applied = "";
      for (const jump of jumps) await iptables("--delete", ...jump).catch(() => {}); // not there: nothing was ever applied
      for (const each of chainsOf(chain)) await iptables("--flush", each).catch(() => {});
      for (const each of chainsOf(chain)) await iptables("--delete-chain", each).catch(() => {});
    },
  };
}

/** To the cloud's addresses; from those that may not send everything; to its own services. */
const chainsOf = (chain: string) => [chain, `${chain}-from`, `${chain}-out`] as const;

/** The chains, as iptables-restore takes them. EC2 drops what it does not allow: a client gets a time-out, not a refusal. */
export function tableOf(chain: string, services: string, openings: readonly Opening[], senders: readonly Sender[]) {
  const [to, from, out] = chainsOf(chain);
  const limited = openings.filter(({ egress }) => egress !== undefined);
  const rules = [
    // What was accepted goes on, and answers come back.
    `-A ${to} -p tcp ! --syn -j ACCEPT`,
    ...limited.map(({ address }) => `-A ${to} -s ${address} -j ${from}`),
    ...openings.flatMap(({ address, ingress }) =>
      [
        ...ingress.flatMap((each) => matches(each, (range) => `-s ${range} -d ${address}`, "ACCEPT")),
        `-d ${address} -j DROP`,
      ].map((rule) => `-A ${to} ${rule}`),
    ),
    ...limited.flatMap(({ address, egress = [] }) =>
      [
        ...egress.flatMap((each) => matches(each, (range) => `-s ${address} -d ${range}`, "RETURN")),
        `-s ${address} -j DROP`,
      ].map((rule) => `-A ${from} ${rule}`),
    ),
    ...senders.flatMap((sender) => blocked(sender, services)).map((rule) => `-A ${out} ${rule}`),
  ];
  return ["*filter", ...chainsOf(chain).map((each) => `:${each} - [0:0]`), ...rules, "COMMIT", ""].join("\n");
}

function matches({ protocol, ports, ranges }: Allowed, between: (range: string) => string, verdict: string): string[] {
  const port = ports ? ` --dport ${ports[0]}:${ports[1]}` : "";
  return ranges.map((range) => `${between(range)}${protocol === "-1" ? "" : ` -p ${protocol}${port}`} -j ${verdict}`);
}

const blocked = ({ group, reach }: Sender, address: string) =>
  (Object.keys(ports) as (keyof Reach)[])
    .filter((service) => !reach[service])
    .map((service) => `-d ${address} -p tcp --dport ${ports[service]} -m owner --gid-owner ${group} -j DROP`);

const iptables = (...args: string[]) => run(["iptables", "--wait", ...args]);

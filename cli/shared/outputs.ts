import { machineNames } from "../../components/architecture.ts";
import type { GroupProof } from "../../components/group-proof.ts";
import type { Proof } from "../../components/proof.ts";

/** What the stack's output says of an architecture: its machine or, in a fleet, its group's machines, which share the stack's address. */
interface Output {
  readonly type: string;
  readonly url?: string;
  readonly proof: Proof;
  readonly machines?: GroupProof["machines"];
}

/** Every machine in the stack's outputs: its name, its type, where it is reached, and its proof. */
export function machinesIn(outputs: Readonly<Record<string, unknown>>) {
  return machineNames.flatMap((name) => {
    const { type, url = outputs.url as string, proof, machines } = outputs[name] as Output;
    const proven = machines?.map((each) => ({ of: `${name} ${each.id}`, proof: each.proof })) ?? [{ of: name, proof }];
    return proven.map((each) => ({ ...each, type, url }));
  });
}

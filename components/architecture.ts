import { ARCHITECTURES } from "../app/src/architecture.ts";

/**
 * The machines of the stack, one per architecture, with the architecture's names and what EC2 has for it.
 *
 * - `ec2`: EC2's name, of AMIs and instance types
 * - `instanceFamily`: the one that the guide puts this architecture on
 * - `amiParameter`: public SSM parameter that names the newest Amazon Linux 2023 AMI, https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
 */
export const architectures = {
  graviton: {
    ...ARCHITECTURES.arm64,
    ec2: "arm64",
    instanceFamily: "t4g",
    amiParameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
  },
  intel: {
    ...ARCHITECTURES.x86_64,
    ec2: "x86_64",
    instanceFamily: "t3",
    amiParameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
  },
} as const;

/** Name of a machine: `graviton` or `intel`. */
export type MachineName = keyof typeof architectures;

/** One CPU architecture. */
export type Architecture = (typeof architectures)[MachineName];

/** The machines' names, in the order in which outputs and tables show them. */
export const machineNames = Object.keys(architectures) as MachineName[];

/** A value for each machine. */
export function eachMachine<T>(make: (machine: MachineName, index: number) => T): Record<MachineName, T> {
  const made = machineNames.map((machine, index) => [machine, make(machine, index)]);
  return Object.fromEntries(made) as Record<MachineName, T>;
}

/** The platforms of the image, one per machine. */
export const platforms = machineNames.map((name) => architectures[name].platform);

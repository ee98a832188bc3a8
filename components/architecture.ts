/** What one CPU architecture is called by each of the systems that the image passes through. */
export interface Architecture {
  /** EC2's name, of AMIs and instance types. */
  readonly ec2: "arm64" | "x86_64";
  /** EC2 instance family that the guide puts this architecture on. */
  readonly instanceFamily: string;
  /** Docker's platform, as given to `--platform`. */
  readonly platform: "linux/arm64" | "linux/amd64";
  /** The image configuration's `architecture`, as `docker image inspect` prints it. */
  readonly image: "arm64" | "amd64";
  /** What `uname -m` prints on the machine. */
  readonly machine: "aarch64" | "x86_64";
  /** Node's and Bun's `process.arch`. */
  readonly process: "arm64" | "x64";
  /**
   * Public SSM parameter that names the newest Amazon Linux 2023 AMI.
   * @see https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
   */
  readonly amiParameter: string;
}

/** The machines of the stack, one per architecture. Every name of an architecture in this project is read from this table. */
export const architectures = {
  graviton: {
    ec2: "arm64",
    instanceFamily: "t4g",
    platform: "linux/arm64",
    image: "arm64",
    machine: "aarch64",
    process: "arm64",
    amiParameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64",
  },
  intel: {
    ec2: "x86_64",
    instanceFamily: "t3",
    platform: "linux/amd64",
    image: "amd64",
    machine: "x86_64",
    process: "x64",
    amiParameter: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
  },
} as const satisfies Record<string, Architecture>;

/** Name of a machine: `graviton` or `intel`. */
export type MachineName = keyof typeof architectures;

/** The machines' names, in the order in which outputs and tables show them. */
export const machineNames = Object.keys(architectures) as MachineName[];

/** A value for each machine. */
export function eachMachine<T>(make: (machine: MachineName, index: number) => T): Record<MachineName, T> {
  const made = machineNames.map((machine, index) => [machine, make(machine, index)]);
  return Object.fromEntries(made) as Record<MachineName, T>;
}

/** A value for each machine, made at the same time. */
export async function eachMachineAtOnce<T>(
  make: (machine: MachineName) => Promise<T>,
): Promise<Record<MachineName, T>> {
  const made = await Promise.all(machineNames.map(make));
  return eachMachine((_, index) => made[index] as T);
}

/** The platforms of the image, one per machine. */
export const platforms = machineNames.map((name) => architectures[name].platform);

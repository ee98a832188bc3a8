/** A number that nobody could measure here, and who says it. */
export interface Fact {
  readonly value: number;
  readonly source: string;
}

const coldBoot =
  "https://github.com/brevdev/ec2-coldboot-research, docs/instance-type-sweep-results.md: t3.medium, unlimited CPU credits as here";
const throttling = "https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html";

/** What EC2 and AWS's own services take, in seconds where nothing else is said. */
export const facts = {
  api: { value: 3.7, source: `${coldBoot}, API call` },
  pending: { value: 16.6, source: `${coldBoot}, pending → running` },
  boot: { value: 2.7, source: `${coldBoot}, boot → SSH; cloud-init runs user data at about that time` },
  installDocker: {
    value: 12,
    source: "assumption, no public measurement found: repository metadata and about 100 MB of packages, unpacked",
  },
  startDocker: { value: 2, source: "assumption: systemctl enable --now docker, until its socket answers" },
  /** Bytes per second of one connection; ECR's layers are in S3. */
  download: { value: 85e6, source: "assumption: what one connection to S3 gives within a region; a pull has several" },
  /** Launches at once, and then each second. */
  launchBurst: {
    value: 5,
    source: `assumption: RunInstances' bucket of requests; ${throttling} has it beside that of instances`,
  },
  launchRate: {
    value: 2,
    source: `assumption, as above; of instances ${throttling} says 1000, and two more each second`,
  },
  /** Steps of the engine at a time, for each processor of the machine that it runs on. */
  stepsPerProcessor: { value: 4, source: "Pulumi's default for --parallel: pkg/cmd/pulumi/operations/up.go, 3.259" },
} as const satisfies Record<string, Fact>;

/** Processors of the machine that runs `up`: a hosted runner's. */
const processors = 4;

export interface Step {
  readonly what: string;
  readonly seconds: number;
  readonly source: string;
}

/** What is measured here and goes into the budget of a machine. */
export interface Measured {
  /** Bytes that a machine pulls. */
  readonly pull: number;
  /** Seconds in which this machine's engine pulls and unpacks them over loopback. */
  readonly unpack: number;
  /** Seconds from `docker create` to the first 200. */
  readonly start: number;
}

/** A machine's way from `up`'s call to its proof, step by step. */
export function launchToVerified({ pull, unpack, start }: Measured): Step[] {
  const fact = (what: string, { value, source }: Fact): Step => ({ what, seconds: value, source });
  return [
    fact("RunInstances answers", facts.api),
    fact("pending → running", facts.pending),
    fact("boot → user data", facts.boot),
    fact("dnf install docker", facts.installDocker),
    fact("Docker Engine starts", facts.startDocker),
    {
      what: `download of ${Math.round(pull / 1e6)} MB`,
      seconds: pull / facts.download.value,
      source: facts.download.source,
    },
    { what: "unpacking", seconds: unpack, source: "measured here: docker pull over loopback" },
    { what: "container start → first 200", seconds: start, source: "measured here" },
    { what: "verification asks again", seconds: 0.25, source: "components/proof.ts" },
  ];
}

/** Seconds of an `up` that makes so many machines at once: EC2 throttles launches, and the engine holds its steps at a time. */
export function upOnPaper(
  machines: number,
  each: number,
  parallel = processors * facts.stepsPerProcessor.value,
): number {
  const waves = Math.ceil(machines / parallel);
  const throttled = Math.max(0, Math.min(machines, parallel) - facts.launchBurst.value) / facts.launchRate.value;
  return waves * each + throttled;
}

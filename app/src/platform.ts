/** Facts about the running process; main.ts gathers them, so that everything else gets values. */
export interface ProcessFacts {
  architecture: string;
  machine: string;
  /** Machine in the ELF header of the running binary; null where it cannot be read. */
  elf: string | null;
  runtime: string;
  version: string;
  pid: number;
  startedAt: Date;
}

/** Where the app runs, from its environment and its process. A fact that is not given is null, never guessed. */
export type Platform = ReturnType<typeof readPlatform>;

type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as absent: `docker run -e NAME=` and compose's `${NAME:-}` both set it to "". */
function read(env: Environment, name: string): string | null {
  return env[name]?.trim() || null;
}

export function readPlatform(env: Environment, { startedAt, ...process }: ProcessFacts) {
  return {
    app: { name: read(env, "APP_NAME"), version: read(env, "APP_VERSION") },
    machine: {
      architecture: read(env, "MACHINE_ARCHITECTURE"),
      instanceId: read(env, "INSTANCE_ID"),
      instanceType: read(env, "INSTANCE_TYPE"),
    },
    image: {
      architecture: read(env, "IMAGE_ARCHITECTURE"),
      digest: read(env, "IMAGE_DIGEST"),
      id: read(env, "IMAGE_ID"),
      ref: read(env, "IMAGE_REF"),
    },
    process: { ...process, startedAt: startedAt.toISOString() },
    startedAt,
  };
}

export function readPort(env: Environment): number {
  const given = read(env, "PORT") ?? "3000";
  const port = Number(given);
  if (!/^\d+$/.test(given) || port < 1 || port > 65535) {
    throw new Error(`PORT is ${JSON.stringify(given)}; allowed is a whole number from 1 to 65535.`);
  }
  return port;
}

/** The age of the process at `now`. */
export const uptimeOf = ({ startedAt }: Platform, now: Date) =>
  Math.max(0, Math.floor((now.getTime() - startedAt.getTime()) / 1000));

/** The platform as sent. */
export function report({ app, machine, image, process }: Platform, uptimeSeconds: number) {
  return { app, machine, image, process: { ...process, uptimeSeconds } };
}

export type Report = ReturnType<typeof report>;

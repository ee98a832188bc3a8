import { join } from "node:path";
import type { Cloud } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";
import { home } from "../paths.ts";
import { accepts } from "../ready.ts";
import { ensureVenv } from "../venv.ts";

const venv = join(home, "moto");

/** moto, from PyPI, in a virtual environment of its own. */
export async function ensureMoto(): Promise<void> {
  await ensureVenv("moto", "moto, the AWS API of the local cloud, from PyPI");
}

/** AWS's API. Its state is in its memory: when it ends, what ran in the local cloud is gone. */
export function moto(cloud: Cloud): Daemon {
  const [host = "", port = ""] = new URL(cloud.endpoint).host.split(":");
  return {
    name: "moto",
    command: [join(venv, "bin", "python"), join(import.meta.dirname, "server.py"), host, port],
    env: cloud.env,
    ...cloud.files("moto"),
    ready: () => accepts(`${host}:${port}`),
  };
}

import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Cloud } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";
import { home } from "../paths.ts";
import { accepts } from "../ready.ts";
import { run, step } from "../step.ts";

const venv = join(home, "moto");

/** moto, from PyPI, in a virtual environment of its own. */
export async function ensureMoto(): Promise<void> {
  const requirements = join(import.meta.dirname, "requirements.txt");
  const wanted = createHash("sha256").update(readFileSync(requirements)).digest("hex");
  const stamp = join(venv, ".installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  await step("moto, the AWS API of the local cloud, from PyPI", async () => {
    rmSync(venv, { recursive: true, force: true });
    await run(["python3", "-m", "venv", venv]);
    await run([
      join(venv, "bin", "pip"),
      "install",
      "--quiet",
      "--no-deps",
      "--disable-pip-version-check",
      "-r",
      requirements,
    ]);
    writeFileSync(stamp, wanted);
  });
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

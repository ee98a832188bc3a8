import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { vi } from "vitest";
import { accepts } from "../../tools/ready.ts";
import { cloud } from "./stack.ts";

/**
 * Starts another registry, as Docker Hub or GHCR; on loopback BuildKit speaks plain HTTP to it.
 *
 * @param login User and token, where it asks for a login.
 * @returns What ends it, and all that was pushed to it.
 */
export async function startRegistry(address: string, ...login: [string, string] | []): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "other-registry-"));
  const htpasswd = join(folder, "htpasswd");
  const [user, token = ""] = login;
  writeFileSync(htpasswd, `${user}:${hashSync(token, 4)}\n`);
  const config = join(folder, "config.json");
  const storage = { filesystem: { rootdirectory: join(folder, "data") } };
  const auth = user && { htpasswd: { realm: "other", path: htpasswd } };
  writeFileSync(
    config,
    JSON.stringify({ version: "0.1", log: { level: "error" }, storage, http: { addr: address }, auth }),
  );
  const registry = spawn("registry", ["serve", config], { env: cloud.env, stdio: "ignore" });
  await vi.waitUntil(() => accepts(address), { timeout: 10_000 });
  return async () => {
    registry.kill();
    await once(registry, "exit");
    rmSync(folder, { recursive: true });
  };
}

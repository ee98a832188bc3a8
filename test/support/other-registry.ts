import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import { startDaemon, stopDaemon } from "../../local/daemon.ts";
import { type Distribution, distribution } from "../../local/services/distribution.ts";
import { cloud, manifestTypes } from "./stack.ts";

/**
 * Starts another registry, such as Docker Hub or GHCR; BuildKit speaks plain HTTP to it on loopback, unless it has a certificate.
 *
 * @param login User and token. @default no login
 * @returns What stops it, and removes what was pushed to it.
 */
export async function startRegistry(
  address: string,
  login: readonly [user: string, token: string] | [] = [],
  tls?: Distribution["tls"],
): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), "other-registry-"));
  const passwords = join(folder, "htpasswd");
  const [user, token = ""] = login;
  writeFileSync(passwords, `${user}:${hashSync(token, 4)}\n`);
  const data = join(folder, "data");
  mkdirSync(data);
  const daemon = distribution({ dir: folder, run: folder, env: cloud.env }, "registry", {
    address,
    data,
    tls,
    passwords: user && passwords,
  });
  await startDaemon(daemon);
  return async () => {
    await stopDaemon(daemon);
    rmSync(folder, { recursive: true });
  };
}

/** Sends a GET with a login to such a registry, for a path below /v2/. */
export function getFrom(address: string, user: string, token: string, path: string): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`;
  return fetch(`http://${address}/v2/${path}`, { headers: { authorization, accept: manifestTypes } });
}

import { hash } from "node:crypto";

/**
 * A caller of the local cloud's API: `root` is the cloud itself, which no policy limits; `deployer` and `previewer` are users with the
 * policies that `npm run policies` prints.
 */
export type Identity = "root" | "deployer" | "previewer";

/**
 * The access key of an identity: derived from the folder, so each local cloud has its own at every start. It is no secret: the local cloud
 * listens on loopback alone.
 *
 * @param dir The folder of the local cloud.
 */
export function keysOf(dir: string, identity: Identity) {
  const key = hash("sha256", `${identity} of ${dir}`);
  return { AWS_ACCESS_KEY_ID: `AKIA${key.slice(0, 16).toUpperCase()}`, AWS_SECRET_ACCESS_KEY: key.slice(-40) };
}

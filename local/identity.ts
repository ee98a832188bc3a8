import { createHash } from "node:crypto";

/**
 * Who calls the API of a local cloud: `root` is the cloud itself, which no policy limits; `deployer` and `previewer` are users with the
 * policies that `npm run policies` prints.
 */
export type Identity = "root" | "deployer" | "previewer";

/**
 * The access key of an identity: each local cloud has its own, and the same one whenever it starts. Nothing needs to be kept for it, and
 * nothing secret is opened by it: the local cloud listens on this machine alone.
 *
 * @param dir The folder of the local cloud.
 */
export function keysOf(dir: string, identity: Identity) {
  const hash = createHash("sha256").update(`${identity} of ${dir}`).digest("hex");
  return { AWS_ACCESS_KEY_ID: `AKIA${hash.slice(0, 16).toUpperCase()}`, AWS_SECRET_ACCESS_KEY: hash.slice(-40) };
}

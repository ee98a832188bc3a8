import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accepts } from "../../tools/ready.ts";
import { type Cloud, filesOf } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";

/** A registry of images: https://distribution.github.io/distribution/about/configuration/ */
export interface Distribution {
  /** `host:port` */
  readonly address: string;
  /** Folder of what is pushed. */
  readonly data: string;
  /** Certificate and key. @default plain HTTP */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** File of users and passwords. @default no login */
  readonly passwords?: string;
}

/** A registry as a daemon of the local cloud; its configuration is written into a folder of the daemon's name. */
export function distribution(
  cloud: Pick<Cloud, "dir" | "run" | "env">,
  name: string,
  { address, data, tls, passwords }: Distribution,
): Daemon {
  mkdirSync(join(cloud.dir, name), { recursive: true });
  const config = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: address, tls },
    auth: passwords && { htpasswd: { realm: name, path: passwords } },
  };
  // YAML is a superset of JSON.
  writeFileSync(configFile(cloud, name), JSON.stringify(config));
  return {
    command: ["registry", "serve", configFile(cloud, name)],
    env: { ...cloud.env, OTEL_TRACES_EXPORTER: "none" },
    ...filesOf(cloud, name),
    ready: () => accepts(address),
  };
}

export const configFile = ({ dir }: Pick<Cloud, "dir">, name: string) => join(dir, name, "config.json");

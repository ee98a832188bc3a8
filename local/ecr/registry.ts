import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashSync } from "bcryptjs";
import type { Cloud } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";
import { accepts } from "../ready.ts";
import { run } from "../step.ts";

/**
 * ECR's data plane: an OCI registry behind TLS that lets in who brings the token that moto's GetAuthorizationToken gives. Unlike ECR it
 * makes a repository when one is pushed to, and does not itself hold a tag immutable.
 */
export async function registry(cloud: Cloud): Promise<Daemon> {
  const folder = join(cloud.dir, "registry");
  mkdirSync(folder, { recursive: true });
  await ensureCertificate(cloud);
  // bcrypt is the one form that the registry takes; its cost matters only for a password that is worth guessing.
  const passwords = join(folder, "htpasswd");
  if (!existsSync(passwords)) writeFileSync(passwords, `AWS:${hashSync(token(cloud), 4)}\n`);
  writeFileSync(
    configFile(cloud),
    // YAML is a superset of JSON.
    JSON.stringify({
      version: "0.1",
      log: { level: "warn" },
      storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
      http: {
        addr: cloud.registry,
        tls: { certificate: certificate(cloud), key: join(cloud.dir, "tls", "key.pem") },
      },
      auth: { htpasswd: { realm: "ecr", path: passwords } },
    }),
  );
  return {
    name: "registry",
    command: ["registry", "serve", configFile(cloud)],
    env: { ...cloud.env, OTEL_TRACES_EXPORTER: "none" },
    ...cloud.files("registry"),
    ready: () => accepts(cloud.registry),
  };
}

/**
 * Logs in.
 *
 * @param folder Gets the login; the local cloud's own Docker configuration has none.
 * @returns The environment in which Docker's and other tools find it.
 */
export function login(cloud: Cloud, folder: string): NodeJS.ProcessEnv {
  const auths = { [cloud.registry]: { auth: Buffer.from(`AWS:${token(cloud)}`).toString("base64") } };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths }), { mode: 0o600 });
  return { ...cloud.env, DOCKER_CONFIG: folder };
}

/** What moto gives for one. */
const token = ({ account }: Cloud) => `${account}-auth-token`;

/** Deletes what no image refers to any more; while nobody pushes. */
export async function collectGarbage(cloud: Cloud): Promise<void> {
  if (!existsSync(join(cloud.dir, "registry", "data", "docker"))) return;
  await run(["registry", "garbage-collect", "--delete-untagged", configFile(cloud)], {
    env: { ...cloud.env, OTEL_TRACES_EXPORTER: "none" },
  });
}

/** The registry's certificate, in PEM. */
export function certificate(cloud: Cloud): string {
  return join(cloud.dir, "tls", "certificate.pem");
}

/** The certificates that this machine trusts, and the registry's. */
export function certificateBundle(cloud: Cloud): string {
  return join(cloud.dir, "tls", "bundle.pem");
}

function configFile(cloud: Cloud): string {
  return join(cloud.dir, "registry", "config.json");
}

async function ensureCertificate(cloud: Cloud): Promise<void> {
  const folder = join(cloud.dir, "tls");
  const [host = ""] = cloud.registry.split(":");
  const made = join(folder, "host");
  if (!existsSync(made) || readFileSync(made, "utf8") !== host) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await run([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"],
      ...["-days", "3650", "-subj", "/CN=local cloud", "-addext", `subjectAltName=IP:${host}`],
      ...["-keyout", join(folder, "key.pem"), "-out", certificate(cloud)],
    ]);
    writeFileSync(made, host);
  }
  const own = process.env.SSL_CERT_FILE ?? "";
  // In a shell with the exports of `env`, the variable names this very file.
  const system = own === "" || own === certificateBundle(cloud) ? "/etc/ssl/certs/ca-certificates.crt" : own;
  const trusted = existsSync(system) ? readFileSync(system, "utf8") : "";
  writeFileSync(certificateBundle(cloud), trusted + readFileSync(certificate(cloud), "utf8"));
}

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ECR } from "@aws-sdk/client-ecr";
import { filesBelow, readIfThere } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { type Cloud, certificate, certificateBundle, sdkOf } from "../cloud.ts";
import type { Daemon } from "../daemon.ts";
import { configFile, distribution } from "./distribution.ts";

/** ECR's data plane: an OCI registry behind TLS, which asks moto what each request may do. */
export async function registry(cloud: Cloud): Promise<Daemon> {
  await ensureCertificate(cloud);
  const daemon = distribution(cloud, "registry", {
    address: cloud.registry,
    data: join(cloud.dir, "registry", "data"),
    tls: { certificate: certificate(cloud), key: join(cloud.dir, "tls", "key.pem") },
  });
  return { ...daemon, env: { ...daemon.env, ECR_API: `${cloud.endpoint}/moto-api/registry` } };
}

/**
 * Logs in as the user who deploys, for 12 hours.
 *
 * @param folder Gets the login; the local cloud's own Docker configuration has none.
 * @returns The environment in which Docker's and other tools find it.
 */
export async function login(cloud: Cloud, folder: string): Promise<NodeJS.ProcessEnv> {
  const { ECR } = await import("@aws-sdk/client-ecr");
  const env = { ...cloud.env, DOCKER_CONFIG: folder };
  const command = ["docker", "login", "--username", "AWS", "--password-stdin", cloud.registry];
  await run(command, { env, input: await password(new ECR(sdkOf(cloud, "deployer"))) });
  return env;
}

/** The password that ECR issues to the caller, for the registry's user `AWS`. */
export async function password(ecr: ECR): Promise<string> {
  const { authorizationData: [data] = [] } = await ecr.getAuthorizationToken({});
  return Buffer.from(data?.authorizationToken ?? "", "base64")
    .toString()
    .slice("AWS:".length);
}

/** The files of every layer, configuration and manifest that is there. */
export const blobsOf = ({ dir }: Pick<Cloud, "dir">): string[] =>
  filesBelow(join(dir, "registry", "data", "docker", "registry", "v2", "blobs")).filter(
    (file) => basename(file) === "data",
  );

/** Deletes the blobs that no repository uses. Nothing may be pushed meanwhile. */
export async function collectGarbage(cloud: Cloud): Promise<void> {
  if (!existsSync(join(cloud.dir, "registry", "data", "docker"))) return;
  await run(["registry", "garbage-collect", configFile(cloud, "registry")], { env: cloud.env });
}

/** Makes a certificate for a name or an address, signed by itself, and its key. */
export async function certify(kind: "DNS" | "IP", name: string, key: string, certificate: string): Promise<void> {
  await run([
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"],
    ...["-days", "3650", "-subj", `/CN=${name}`, "-addext", `subjectAltName=${kind}:${name}`],
    ...["-keyout", key, "-out", certificate],
  ]);
}

/** Makes a certificate for the registry's address, unless it is there, and a bundle with those that this host trusts. */
export async function ensureCertificate(cloud: Pick<Cloud, "dir" | "registry">): Promise<void> {
  const folder = join(cloud.dir, "tls");
  const [host = ""] = cloud.registry.split(":");
  const made = join(folder, "host");
  if (readIfThere(made) !== host) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    await certify("IP", host, join(folder, "key.pem"), certificate(cloud));
    writeFileSync(made, host);
  }
  const own = process.env.SSL_CERT_FILE ?? "";
  // In a shell with the exports of `env`, the variable names this very file.
  const system = own === "" || own === certificateBundle(cloud) ? "/etc/ssl/certs/ca-certificates.crt" : own;
  const trusted = readIfThere(system) ?? "";
  writeFileSync(certificateBundle(cloud), trusted + readFileSync(certificate(cloud), "utf8"));
}

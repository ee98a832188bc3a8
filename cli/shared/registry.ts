import { latestTag } from "../../components/image-reference.ts";
import { run } from "../../tools/process.ts";

/** `docker buildx imagetools inspect`, with the user's own logins. */
export function inspectImage(name: string, options: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return run(["docker", "buildx", "imagetools", "inspect", ...options, name], { env });
}

/** The image at a digest: `registry:5000/name:tag` → `registry:5000/name@sha256:…`. */
export function atDigest(name: string, digest: string): string {
  return `${name.replace(/@.*$/, "").replace(/:[^:/]+$/, "")}@${digest}`;
}

/** Entry of an index: https://github.com/opencontainers/image-spec/blob/main/image-index.md */
export interface IndexEntry {
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The images of an index, each with its platform, such as `linux/arm64`. */
export function imagesIn(index: readonly IndexEntry[]): { readonly platform: string; readonly digest: string }[] {
  return index.flatMap(({ digest, platform, annotations }) => {
    // An attestation is no image, though it stands among them as one of the platform unknown/unknown.
    if (platform === undefined || annotations?.["vnd.docker.reference.type"] === "attestation-manifest") return [];
    const { os, architecture, variant } = platform;
    return [{ platform: [os, architecture, ...(variant ? [variant] : [])].join("/"), digest }];
  });
}

/** Whether a registry refused because a login is missing or has expired, by what a tool printed. */
export function isDenied(output: string): boolean {
  // ECR answers 403 to a login that has expired, and without a text to a HEAD request, with which a push begins.
  return /401 Unauthorized|403:? Forbidden|authorization failed|authentication required|credential not found|insufficient_scope|denied:/.test(
    output,
  );
}

export const loginNeeded =
  "the registry asks for a login: the reason is above. Log in (docker login REGISTRY; for Docker Hub docker login), then run this again";

/** A name with all that Docker would add to it: `me/app` → `docker.io/me/app:latest`. */
export function fullName(name: string): string {
  const host = registryOf(name);
  const path = name.includes("/") ? name : `library/${name}`;
  const full = name.startsWith(`${host}/`) ? name : `${host}/${path}`;
  return /[:@]/.test(full.slice(host.length)) ? full : `${full}:${latestTag}`;
}

/** As Docker tells a registry from a Docker Hub user: by a dot, a colon, or `localhost`. */
export function registryOf(name: string): string {
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

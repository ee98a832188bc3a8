import { ecr } from "./clients.ts";

// The OCI registry that holds what ECR would: the emulated API knows repositories, not images.

const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

/** Where images are pushed and pulled: the local registry, in the place of `<account>.dkr.ecr.<region>.amazonaws.com`. */
export const registryHost = (host = "") => process.env.LOCAL_CLOUD_REGISTRY ?? host;

async function request(method: string, path: string) {
  const { authorizationData } = await (await ecr()).getAuthorizationToken({});
  return fetch(`https://${process.env.LOCAL_CLOUD_REGISTRY}/v2/${path}`, {
    method,
    headers: { authorization: `Basic ${authorizationData?.[0]?.authorizationToken}`, accept: MANIFESTS },
  });
}

async function expectOk(method: string, path: string) {
  const response = await request(method, path);
  if (!response.ok && response.status !== 404) throw new Error(`registry: ${method} ${path}: HTTP ${response.status}`);
  return response;
}

export async function tagsIn(repository: string): Promise<string[]> {
  if (!process.env.LOCAL_CLOUD_REGISTRY) return [];
  const response = await expectOk("GET", `${repository}/tags/list`);
  return response.ok ? (((await response.json()) as { tags: string[] | null }).tags ?? []) : [];
}

/** Removes every tagged image, an index before the images it names: a registry removes no children by itself. */
export async function removeImages(repository: string): Promise<void> {
  for (const tag of await tagsIn(repository)) {
    const response = await expectOk("GET", `${repository}/manifests/${tag}`);
    // Two tags of one image: the first deletion has removed both.
    if (!response.ok) continue;
    const { manifests = [] } = (await response.json()) as { manifests?: { digest: string }[] };
    const digests = [response.headers.get("docker-content-digest"), ...manifests.map(({ digest }) => digest)];
    for (const digest of digests) await expectOk("DELETE", `${repository}/manifests/${digest}`);
  }
}

/** The digest that a tag or digest names, and every tag of it; undefined where there is no such image. */
export async function findImage(
  repository: string,
  reference: string,
): Promise<{ digest: string; tags: string[] } | undefined> {
  const digestOf = async (of: string) => {
    const response = await expectOk("HEAD", `${repository}/manifests/${of}`);
    return response.ok ? response.headers.get("docker-content-digest") : null;
  };
  const digest = await digestOf(reference);
  if (digest === null) return undefined;
  const tags = await tagsIn(repository);
  const digests = await Promise.all(tags.map(digestOf));
  return { digest, tags: tags.filter((_, index) => digests[index] === digest) };
}

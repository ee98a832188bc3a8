/** Release tags start with it; the lifecycle policy selects releases by it. */
export const contentTagPrefix = "content-";

/** The one tag that may move. */
export const latestTag = "latest";

/** Which image: the digest decides, the tag is for people. */
export interface ImageReference {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** For `apply`: the image in a repository by the first of its tags. */
export function referenceIn(registry: string, repository: string) {
  return ([[tag = ""], digest]: [string[], string]): ImageReference => ({ registry, repository, tag, digest });
}

/** `registry/repository:tag@digest`, as `docker pull` takes it. */
export function imageRef({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}:${tag}@${digest}`;
}

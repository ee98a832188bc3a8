/** Which image: the digest decides, the tag is for people. */
export interface ImageReference {
  /** `host` or `host:port`. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

/** `registry/repository:tag@digest`, as `docker pull` takes it. */
export function imageRef({ registry, repository, tag, digest }: ImageReference): string {
  return `${registry}/${repository}:${tag}@${digest}`;
}

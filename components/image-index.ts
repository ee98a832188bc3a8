import { hash } from "node:crypto";
import type { BatchGetImageResponse, ImageIdentifier } from "@aws-sdk/client-ecr";
import * as pulumi from "@pulumi/pulumi";
import { type AwsClient, clientConfig } from "./aws-client.ts";
import { DynamicResource, providerFor } from "./dynamic-resource.ts";
import type { Image } from "./image.ts";
import { type ImageReference, referenceIn } from "./image-reference.ts";
import { show } from "./messages.ts";

export interface ImageIndexArgs extends AwsClient {
  /** The image that was built or, of an earlier release, found; in ECR. */
  image: Pick<Image, "registry" | "repositoryName" | "digest" | "tags">;
  /** Docker platforms that it must hold, and no others. */
  platforms: readonly string[];
}

/** What the engine hands to the provider. */
interface Inputs extends Omit<ImageIndexArgs, "image"> {
  readonly repositoryName: string;
  /** Digest of the index that was built or found. */
  readonly built: string;
  /** Tags that must name it, the release's first. */
  readonly tags: readonly string[];
  /** Of the index to deploy; chosen in `check`, so that a preview knows it too. */
  readonly digest: string;
}

interface Found {
  /** The digest that each tag names; absent where there is no such tag. */
  readonly tagged: Readonly<Record<string, string>>;
  /** Digest of each platform's image configuration, which is the image's id for Docker. */
  readonly configs: Readonly<Record<string, string>>;
}

/**
 * The index that is deployed and that the release's tags name, as the registry has it. It is in the state only if it holds every platform and
 * nothing else.
 *
 * Two builders give the same content different digests, and an immutable tag stays with the first. So where the release's tag names a complete
 * index already, that one is deployed instead of the one just built. A tag that somebody has moved shows in a refresh of this resource (that
 * of the image looks at digests alone), and the next `up` puts it back.
 */
export class ImageIndex extends DynamicResource {
  /** Digest of the index that is deployed. */
  declare readonly digest: pulumi.Output<string>;
  /** Its tags, the release's first. */
  declare readonly tags: pulumi.Output<string[]>;
  /** Digest of each platform's image configuration: the id that `docker image inspect` shows on a machine of that platform. */
  declare readonly configs: pulumi.Output<Record<string, string>>;
  /** What every machine pulls. */
  readonly reference: pulumi.Output<ImageReference>;

  constructor(name: string, { image, ...args }: ImageIndexArgs, opts?: pulumi.CustomResourceOptions) {
    const { registry, repositoryName, tags } = image;
    const inputs = { ...args, repositoryName, built: image.digest, tags };
    const outputs = { digest: undefined, tagged: undefined, configs: undefined };
    super("ImageIndex", import.meta.filename, name, { ...inputs, ...outputs }, opts);
    this.reference = pulumi.all([this.tags, this.digest]).apply(referenceIn(registry, repositoryName));
  }
}

/** Of indexes and of single images, OCI's and Docker's. */
const mediaTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

interface Descriptor {
  readonly digest: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

interface Manifest {
  readonly text: string;
  readonly mediaType?: string;
}

type Repository = Awaited<ReturnType<typeof connect>>;

/** The calls to the one repository. */
async function connect({ repositoryName, region, profile }: Inputs) {
  const { ECR } = await import("@aws-sdk/client-ecr");
  const api = new ECR(clientConfig({ region, profile }));

  /**
   * Manifests by the digest of their bytes, without those that do not exist. ECR does not document what it answers to several names of one
   * image, so the names in one call are of different images.
   */
  async function fetchManifests(...imageIds: ImageIdentifier[]): Promise<Record<string, Manifest>> {
    const call = api.batchGetImage({ repositoryName, imageIds, acceptedMediaTypes: mediaTypes });
    const { images = [], failures = [] } = await call.catch((error: Error): BatchGetImageResponse => {
      if (error.name === "RepositoryNotFoundException") return {};
      throw error;
    });
    for (const { imageId: { imageTag, imageDigest } = {}, failureCode, failureReason } of failures) {
      if (failureCode === "ImageNotFound") continue;
      throw new Error(`reading ${imageTag ?? imageDigest} in ${repositoryName}: ${failureCode}: ${failureReason}`);
    }
    return Object.fromEntries(
      images.map(({ imageManifest: text = "", imageManifestMediaType: mediaType }) => [
        `sha256:${hash("sha256", text)}`,
        { text, mediaType },
      ]),
    );
  }

  /** The digest that a tag names. */
  async function resolve(imageTag: string): Promise<string | undefined> {
    return Object.keys(await fetchManifests({ imageTag }))[0];
  }

  /** Sets a tag, or moves a mutable one. @returns false if it is immutable and names another image. */
  async function put(imageTag: string, { text: imageManifest, mediaType }: Manifest): Promise<boolean> {
    try {
      await api.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType: mediaType });
    } catch (error) {
      const { name } = error as Error;
      if (name === "ImageTagAlreadyExistsException") return false;
      if (name !== "ImageAlreadyExistsException") throw error;
    }
    return true;
  }

  /** Takes an immutable tag from an image. ECR deletes an image with its last tag, so one that has no other tag gets another first. */
  async function untag(imageTag: string, imageDigest: string): Promise<void> {
    const { imageDetails: [image] = [] } = await api.describeImages({ repositoryName, imageIds: [{ imageDigest }] });
    if (!image?.imageTags?.some((each) => each !== imageTag)) {
      const kept = `replaced-${imageDigest.slice("sha256:".length, "sha256:".length + 16)}`;
      const { [imageDigest]: manifest } = await fetchManifests({ imageDigest });
      if (manifest !== undefined) {
        await put(kept, manifest);
        show(`${repositoryName}@${imageDigest} had no other tag; it is kept as ${kept}`);
      }
    }
    const { failures: [failure] = [] } = await api.batchDeleteImage({ repositoryName, imageIds: [{ imageTag }] });
    if (failure && failure.failureCode !== "ImageNotFound") {
      throw new Error(`untagging ${repositoryName}:${imageTag}: ${failure.failureCode}: ${failure.failureReason}`);
    }
  }

  return { fetchManifests, resolve, put, untag };
}

/** Reads an index and its images; `problem` says what it should be and what it is instead. */
async function inspect(repository: Repository, { repositoryName, platforms }: Inputs, digest: string) {
  const { [digest]: manifest } = await repository.fetchManifests({ imageDigest: digest });
  const name = `${repositoryName}@${digest}`;
  if (manifest === undefined) return { problem: `${name} is not in the registry` };
  const entries: Descriptor[] = JSON.parse(manifest.text).manifests ?? [];
  const platformOf = ({ platform }: Descriptor) => `${platform?.os}/${platform?.architecture}`;
  const held = entries.map(platformOf).sort().join(", ");
  const wanted = [...platforms].sort().join(", ");
  if (held !== wanted) {
    const instead = held ? `; it holds ${held}` : "; it is a single image, not an index";
    return { problem: `${name}: expected an index of ${wanted}${instead}` };
  }
  const images = await repository.fetchManifests(...entries.map((entry) => ({ imageDigest: entry.digest })));
  const lost = entries.filter((entry) => images[entry.digest] === undefined);
  if (lost.length > 0) {
    const names = lost.map((entry) => `${platformOf(entry)} (${entry.digest})`).join(", ");
    return { problem: `${name}: not in the registry: its image for ${names}` };
  }
  const configOf = ({ digest }: Descriptor): string => JSON.parse((images[digest] as Manifest).text).config.digest;
  const configs = Object.fromEntries(entries.map((entry) => [platformOf(entry), configOf(entry)]));
  return { configs, manifest };
}

/** Inputs that decide which digest is deployed: while they are the same, the digest stays. */
function keyOf({ region, repositoryName, built, tags, platforms }: Inputs): string {
  return JSON.stringify([region, repositoryName, built, tags[0], platforms]);
}

/** The digest that the release's tag names, if that is a complete index. */
async function released(repository: Repository, inputs: Inputs): Promise<string | undefined> {
  const digest = await repository.resolve(inputs.tags[0] as string);
  if (digest === undefined || digest === inputs.built) return digest;
  const { problem } = await inspect(repository, inputs, digest);
  return problem === undefined ? digest : undefined;
}

/** Checks the index, and makes every tag name it. @param before The inputs of the last time. @default there was none */
async function ensure(inputs: Inputs, before?: Inputs): Promise<Inputs & Found> {
  const { repositoryName, built, tags } = inputs;
  const isNew = before === undefined || keyOf(before) !== keyOf(inputs);
  const repository = await connect(inputs);
  const digest = isNew ? ((await released(repository, inputs)) ?? inputs.digest) : before.digest;
  const index = await inspect(repository, inputs, digest);
  if (index.problem !== undefined) throw new Error(index.problem);
  if (isNew && digest !== built) {
    show(
      `${repositoryName}:${tags[0]} already names ${digest}, an earlier build of the same content, which is deployed; ` +
        `the build just made, ${built}, gets no tag`,
    );
  }
  for (const tag of tags) {
    const named = await repository.resolve(tag);
    if (named === digest) continue;
    let isSet = await repository.put(tag, index.manifest);
    if (!isNew || (!isSet && named !== undefined)) {
      show(`${repositoryName}:${tag} names ${named ?? "nothing"}; it is put back to ${digest}`);
    }
    if (!isSet && named !== undefined) {
      await repository.untag(tag, named);
      isSet = await repository.put(tag, index.manifest);
    }
    // Another `up` has set it in the meantime.
    if (!isSet) return ensure(inputs, before);
  }
  return { ...inputs, digest, configs: index.configs, tagged: Object.fromEntries(tags.map((tag) => [tag, digest])) };
}

export const provider = providerFor<Inputs, Inputs & Found>({
  idOf: ({ repositoryName, built }) => `${repositoryName}@${built}`,
  // A refresh reads with the state's profile.
  factsOf: (inputs) => [keyOf(inputs), inputs.profile],
  hasMoved: ({ tagged, digest }, { tags }) => tags.some((tag) => tagged[tag] !== digest),
  make: ensure,
  // In a preview `built` may be unknown; then so is the digest, unless the tag names a whole index.
  async check(olds, news) {
    const isKnown = olds.digest !== undefined && keyOf(olds) === keyOf(news);
    const digest = isKnown ? olds.digest : ((await released(await connect(news), news)) ?? news.built);
    return { inputs: { ...news, digest } };
  },
  // An index that is no longer complete is removed from the state. The refresh shows that, and the next `up` says what is wrong.
  async read(id, props) {
    const state = props as Inputs;
    const repository = await connect(state);
    const found = await inspect(repository, state, state.digest);
    if (found.problem !== undefined) {
      show(`no longer complete: ${found.problem}`);
      return {};
    }
    const named = await Promise.all(state.tags.map(async (tag) => [tag, await repository.resolve(tag)]));
    const tagged = Object.fromEntries(named.filter(([, digest]) => digest !== undefined));
    return { id, props: { ...state, tagged, configs: found.configs } };
  },
});

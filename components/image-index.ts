import type { ECR } from "@aws-sdk/client-ecr";
import * as pulumi from "@pulumi/pulumi";

export interface ImageIndexArgs {
  region: string;
  /** Profile of the AWS configuration files to sign calls with. */
  profile?: string;
  /** Name of the ECR repository. */
  repositoryName: string;
  /** Digest of the index. */
  digest: pulumi.Input<string>;
  /** Tags that must name it. */
  tags: readonly string[];
  /** Docker platforms that it must hold, and no others. */
  platforms: readonly string[];
}

/** What the engine hands to the provider. */
interface Inputs {
  readonly region: string;
  readonly profile?: string;
  readonly repositoryName: string;
  readonly digest: string;
  readonly tags: readonly string[];
  readonly platforms: readonly string[];
}

/** What ECR has. */
interface Found {
  /** The digest that each tag names; absent where there is no such tag. */
  readonly tagged: Readonly<Record<string, string>>;
  /** Digest of each platform's image configuration, which is the image's id for Docker. */
  readonly configs: Readonly<Record<string, string>>;
}

/**
 * The index that a release's tags name, read from the registry's bytes. It is in the state only if it holds every platform and nothing
 * else. A tag that somebody moved shows in a refresh, and the next `up` puts it back.
 */
export class ImageIndex extends pulumi.dynamic.Resource {
  /** Digest of each platform's image configuration: the id that `docker image inspect` shows on a machine of that platform. */
  declare readonly configs: pulumi.Output<Record<string, string>>;

  constructor(name: string, args: ImageIndexArgs, opts?: pulumi.CustomResourceOptions) {
    super(provider, name, { ...args, tagged: undefined, configs: undefined }, opts, "hono-app", "ImageIndex");
  }
}

/** Of indexes and of images. */
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

async function connect({ region, profile }: Inputs): Promise<ECR> {
  const { ECR } = await import("@aws-sdk/client-ecr");
  return new ECR({ region, profile });
}

interface Manifests {
  readonly manifests: Record<string, { text: string; mediaType?: string }>;
  readonly tagged: Record<string, string>;
}

/** Manifests by their bytes' digest, and the digests that tags name. What is not there is absent. */
async function fetchManifests(
  api: ECR,
  repositoryName: string,
  digests: readonly string[],
  tags: readonly string[] = [],
): Promise<Manifests> {
  const { createHash } = await import("node:crypto");
  const { images = [] } = await api.batchGetImage({
    repositoryName,
    imageIds: [...digests.map((imageDigest) => ({ imageDigest })), ...tags.map((imageTag) => ({ imageTag }))],
    acceptedMediaTypes: mediaTypes,
  });
  const { manifests, tagged }: Manifests = { manifests: {}, tagged: {} };
  for (const { imageId, imageManifest = "", imageManifestMediaType } of images) {
    const digest = `sha256:${createHash("sha256").update(imageManifest).digest("hex")}`;
    if (imageId?.imageTag) tagged[imageId.imageTag] = digest;
    manifests[digest] = { text: imageManifest, mediaType: imageManifestMediaType };
  }
  return { manifests, tagged };
}

type Inspection = { problem: string } | (Found & { problem?: undefined; manifest: string; mediaType?: string });

/** Reads the index and its images. `problem`: what it must be, and what it is. */
async function inspect(api: ECR, { repositoryName, digest, tags, platforms }: Inputs): Promise<Inspection> {
  const { manifests, tagged } = await fetchManifests(api, repositoryName, [digest], tags).catch(
    (error: Error): Manifests => {
      if (error.name === "RepositoryNotFoundException") return { manifests: {}, tagged: {} };
      throw error;
    },
  );
  const index = manifests[digest];
  if (index === undefined) return { problem: `${repositoryName}@${digest} is not in the registry` };
  const entries: Descriptor[] = JSON.parse(index.text).manifests ?? [];
  const platformOf = ({ platform }: Descriptor) => `${platform?.os}/${platform?.architecture}`;
  const held = entries.map(platformOf).sort().join(", ");
  const wanted = [...platforms].sort().join(", ");
  if (held !== wanted) {
    return {
      problem: `${repositoryName}@${digest}: expected an index of ${wanted}; it holds ${held || "one image and no index"}`,
    };
  }
  const images = await fetchManifests(
    api,
    repositoryName,
    entries.map((entry) => entry.digest),
  );
  const lost = entries.filter((entry) => images.manifests[entry.digest] === undefined);
  if (lost.length > 0) {
    const names = lost.map((entry) => `${platformOf(entry)} (${entry.digest})`).join(", ");
    return { problem: `${repositoryName}@${digest}: not in the registry: its image for ${names}` };
  }
  const configs = entries.map((entry) => [
    platformOf(entry),
    JSON.parse(images.manifests[entry.digest]?.text ?? "").config.digest as string,
  ]);
  return { tagged, configs: Object.fromEntries(configs), manifest: index.text, mediaType: index.mediaType };
}

/** Checks the index, and has every tag name it. */
async function ensure(inputs: Inputs): Promise<Inputs & Found> {
  const { repositoryName, digest, tags } = inputs;
  const api = await connect(inputs);
  const found = await inspect(api, inputs);
  if (found.problem !== undefined) throw new Error(found.problem);
  const { manifest: imageManifest, mediaType: imageManifestMediaType, configs } = found;
  for (const imageTag of tags.filter((tag) => found.tagged[tag] !== digest)) {
    console.log(
      `${repositoryName}:${imageTag} names ${found.tagged[imageTag] ?? "nothing"}; it is put back to ${digest}`,
    );
    // An immutable tag goes from one image to another only by way of none.
    if (found.tagged[imageTag]) await api.batchDeleteImage({ repositoryName, imageIds: [{ imageTag }] });
    await api.putImage({ repositoryName, imageTag, imageManifest, imageManifestMediaType });
  }
  return { ...inputs, configs, tagged: Object.fromEntries(tags.map((tag) => [tag, digest])) };
}

// Pulumi stores the provider's functions, and what they refer to, in the state: they hold no path and nothing of this machine.
const provider: pulumi.dynamic.ResourceProvider<Inputs, Inputs & Found> = {
  async diff(_id, olds, news) {
    const facts = ({ repositoryName, digest, tags, platforms }: Inputs) =>
      JSON.stringify([repositoryName, digest, tags, platforms]);
    const moved = news.tags.some((tag) => olds.tagged[tag] !== news.digest);
    return { changes: moved || facts(olds) !== facts(news) };
  },
  async create(inputs) {
    return { id: `${inputs.repositoryName}@${inputs.digest}`, outs: await ensure(inputs) };
  },
  async update(_id, _olds, news) {
    return { outs: await ensure(news) };
  },
  // One that is no longer whole leaves the state: the refresh shows it, and the next `up` says what is wrong.
  async read(id, props) {
    if (props === undefined) return {};
    const found = await inspect(await connect(props), props);
    if (found.problem !== undefined) {
      console.error(`no longer whole: ${found.problem}`);
      return {};
    }
    return { id, props: { ...props, tagged: found.tagged, configs: found.configs } };
  },
};

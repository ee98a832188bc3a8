import { posix } from "node:path";
import { Image as BuildImage } from "@pulumi/docker-build/image.js";
import * as pulumi from "@pulumi/pulumi";
import type { Architecture } from "./architecture.ts";
import { type ContextEntry, contentTag, readContext, stageContext } from "./build-context.ts";
import { type ImageReference, latestTag, referenceIn } from "./image-reference.ts";

/** An image that is in the registry. */
export interface Release {
  readonly tag: string;
  readonly digest: string;
}

/** A registry, and how to log in to it. */
export interface Registry {
  /** `host` or `host:port`. */
  readonly address: string;
  /** @default The login that Docker's own configuration has for the registry, by `docker login` or a credential helper. */
  readonly login?: { readonly username: string; readonly password: pulumi.Output<string> };
}

export interface ImageArgs {
  /** Folder of the build context, with its Dockerfile. */
  context: string;
  /** Docker platforms that the one tag holds. */
  platforms: readonly Architecture["platform"][];
  /** Known before anything is created, so that the first preview already builds. */
  registry: Registry;
  repositoryName: string;
  /** Name of the Buildx builder, which must be able to build every platform. */
  builder: string;
  /**
   * Tags to push it under, the release's first.
   * @default It is pushed by its digest: an immutable tag takes no other digest, and another builder gives one for the same content.
   */
  tags?: readonly string[];
  /** Whether an image that is pushed by its digest is to be tagged `latest` too. @default false */
  latest?: boolean;
  /** An earlier release to deploy instead of building. @default The context is built. */
  release?: Release;
}

/**
 * One image for all platforms, built once and pushed. While its content does not change, nothing is built or pushed again. A preview builds
 * every platform and pushes nothing.
 *
 * @throws Error when the context has no Dockerfile, before anything is registered.
 */
export class Image extends pulumi.ComponentResource {
  /** `host` or `host:port` of the registry. */
  readonly registry: string;
  readonly repositoryName: string;
  /** The tags that it is to have, the release's first: those given, or one computed from its content, with `latest` where that is asked for. */
  readonly tags: pulumi.Output<string[]>;
  /** Digest of the index that holds the platforms' images. */
  readonly digest: pulumi.Output<string>;
  /** The image by the first of its tags. */
  readonly reference: pulumi.Output<ImageReference>;
  readonly platforms: pulumi.Output<string[]>;

  constructor(name: string, args: ImageArgs, opts?: pulumi.ComponentResourceOptions) {
    const { release } = args;
    // First of all: a context that cannot be read registers nothing.
    const entries = release ? [] : readContext(args.context);
    // Without the registry's token, which is another one in every run.
    super("hono-app:index:Image", name, { ...args, registry: args.registry.address }, opts);

    this.registry = args.registry.address;
    this.repositoryName = args.repositoryName;
    const { tags, digest } = release ? { ...release, tags: [release.tag] } : this.build(name, args, entries);
    this.tags = pulumi.output(tags);
    this.digest = pulumi.output(digest);
    this.reference = pulumi.all([this.tags, this.digest]).apply(referenceIn(this.registry, this.repositoryName));
    this.platforms = pulumi.output([...args.platforms]);
    const { registry, repositoryName, reference, platforms } = this;
    this.registerOutputs({ registry, repositoryName, tags: this.tags, digest: this.digest, reference, platforms });
  }

  private build(name: string, args: ImageArgs, entries: ContextEntry[]) {
    const { address, login } = args.registry;
    const repository = `${address}/${args.repositoryName}`;
    const content = contentTag(entries, { platforms: args.platforms });
    const { digest, context } = new BuildImage(
      name,
      {
        context: { location: stageContext(entries, ".build", content) },
        platforms: [...args.platforms],
        builder: { name: args.builder },
        buildOnPreview: true,
        // An export and not `push: true`, for which the provider skips the build in every preview.
        push: false,
        exports: [{ image: { push: true, ociMediaTypes: true, pushByDigest: args.tags === undefined } }],
        // A refresh looks for the digest in each.
        tags: args.tags?.map((tag) => `${repository}:${tag}`) ?? [repository],
        // Times in the image are fixed, so that the same content gives the same digests.
        buildArgs: { SOURCE_DATE_EPOCH: "0" },
        // Part of the state, encrypted, and of what a saved plan compares.
        registries: login && [{ address, ...login }],
      },
      // The repository owns its images: the provider deletes by digest, and a digest may be under another release's tag too.
      // Nothing else ends a push to a registry that hangs.
      { parent: this, retainOnDelete: true, customTimeouts: { create: "30m", update: "30m" } },
    );
    // Of what was built last, as the digest is. Where `--target` or `--exclude` leaves out this build, the folder may hold newer content, whose
    // immutable tag must not name the older digest.
    const own = context.apply((built) => [posix.basename(built?.location ?? ""), ...(args.latest ? [latestTag] : [])]);
    return { tags: args.tags ? [...args.tags] : own, digest };
  }
}

import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, rename, rm, symlink } from "node:fs/promises";
import { join, relative } from "node:path";
import { ARCHITECTURES, type Names } from "../../../app/src/architecture.ts";
import { hashOf, readIfThere, root } from "../../../tools/paths.ts";
import { run, say, step } from "../../../tools/process.ts";

const here = import.meta.dirname;
const caBundle = "/etc/ssl/certs/ca-certificates.crt";

/** Where images are built, and where they are put. */
interface BaseImagesArgs {
  /** The plain-HTTP registry that BuildKit asks before Docker Hub, `address:port`. */
  mirror: string;
  /** BuildKit's address, `unix:///…`. */
  buildkit: string;
  /** Keeps what an interrupted run has fetched. */
  cacheDir: string;
  /** Names of those to make. @default all */
  only?: readonly string[];
}

const dockerfile = readIfThere(join(root, "app", "Dockerfile")) ?? "";
/** Bun's version, that of the app's Dockerfile; empty where that has none. */
export const bunVersion = /^ARG BUN_VERSION=(.+)$/m.exec(dockerfile)?.[1] ?? "";
const { arm64, x86_64 } = ARCHITECTURES;
const bunPackages = {
  [arm64.image]: `@oven/bun-linux-${arm64.machine}`,
  // Without AVX2, which not every machine has.
  [x86_64.image]: `@oven/bun-linux-${x86_64.process}-baseline`,
} as const;
/** In the order of the images in an index. */
const architectures = [x86_64, arm64];

// Equal packages give equal images, so that the same app has the same digest in every clone.
const epoch = "0";
const suite = "trixie"; // what the official distroless base is made of
/** What an image has below its own files. */
interface RootFileSystem {
  readonly name: string;
  readonly packages: string;
  /** Paths that the packages bring and the image does not have. */
  readonly without?: readonly string[];
  /** Whether there is a record of each package, in /var/lib/dpkg/status.d, as distroless has it. */
  readonly recordsPackages?: boolean;
}
const debian: RootFileSystem = {
  name: "debian",
  // libstdc++ is for the native modules of npm packages; the rest is what shell scripts take for granted.
  packages: "base-files,bash,dash,coreutils,findutils,sed,grep,gawk,tar,gzip,hostname,procps,curl,libc6,libstdc++6",
};
const distroless: RootFileSystem = {
  name: "distroless",
  packages: "base-files,libc6,netbase,tzdata",
  without: ["usr/bin/*", "usr/sbin/*"],
  recordsPackages: true,
};
const client: RootFileSystem = { name: "docker-cli", packages: "docker-cli" };
const removed = [
  // Documentation, useless in an image.
  ...["man", "doc", "info", "locale", "perl5", "debconf", "lintian"].map((folder) => `usr/share/${folder}`),
  "var/lib/dpkg",
  // apt's folders belong to its own user or to root, depending on the folder in which this runs.
  "var/lib/apt",
  "var/cache/apt",
  // mmdebstrap copies them from this machine.
  "etc/hostname",
  "etc/resolv.conf",
];

/** `files` is the folder of an image's Dockerfile. */
const all = [
  { name: `oven/bun:${bunVersion}`, files: "bun", rootFileSystem: debian, bun: true },
  { name: `oven/bun:${bunVersion}-distroless`, files: "bun-distroless", rootFileSystem: distroless, bun: true },
  { name: "library/amazonlinux:2023", files: "amazonlinux", rootFileSystem: debian, bun: false },
  { name: "library/docker:28-cli", files: "docker-cli", rootFileSystem: client, bun: false },
];
const images = all.filter(({ bun }) => !bun || bunVersion !== "");

/** What the images are made from, as a short name. */
export const baseImagesKey = () =>
  hashOf([JSON.stringify([images, suite, removed])], [...images.map(({ files }) => join(here, files)), caBundle]);

/** Makes the official images of Docker Hub from packages, and pushes them into the mirror, unless they are there. */
export async function ensureBaseImages(args: BaseImagesArgs): Promise<void> {
  const missing: typeof images = [];
  for (const image of images.filter(({ name }) => args.only?.includes(name) ?? true)) {
    if (!(await exists(`${args.mirror}/${image.name}`))) missing.push(image);
  }
  if (missing.length === 0) return;

  const context = await prepareBaseImages(args.cacheDir, missing);
  // One after another: BuildKit itself works on both platforms at once.
  for (const image of missing) {
    say(`base images: ${image.name}`);
    const files = join(context, image.files);
    await rm(files, { recursive: true, force: true });
    await cp(join(here, image.files), files, { recursive: true });
    if (image.bun) {
      // The official images have bunx beside bun. In the repository the link would point nowhere, and what copies the project stops at it.
      const folder = join(files, "root", "usr", "local", "bin");
      await mkdir(folder, { recursive: true });
      await symlink("bun", join(folder, "bunx"));
    }
    await build(args, context, files, `${args.mirror}/${image.name}`);
  }
  await rm(context, { recursive: true }); // the mirror has everything
}

/** Fetches what the images are made of, unless it is there: for this neither BuildKit nor a registry is needed. @returns The folder of it. */
export async function prepareBaseImages(cacheDir: string, needed = images): Promise<string> {
  const context = join(cacheDir, `base-images-${baseImagesKey()}`);
  await mkdir(context, { recursive: true });
  await copyFile(caBundle, join(context, "ca-certificates.crt"));
  const parts = new Map<string, () => Promise<void>>();
  for (const image of needed) {
    for (const { image: architecture } of architectures) {
      const tar = join(context, `${image.rootFileSystem.name}-${architecture}.tar`);
      parts.set(tar, () => packRootFileSystem(image.rootFileSystem, architecture, tar));
      const bun = join(context, `bun-${architecture}`);
      if (image.bun) parts.set(bun, () => fetchBun(architecture, bun));
    }
  }
  const left = [...parts].filter(([part]) => !existsSync(part));
  await Promise.all(left.map(([part, make]) => step(`base images: ${relative(context, part)}`, make)));
  return context;
}

/** @param files The folder of the Dockerfile, which it knows as `files`. */
async function build(args: BaseImagesArgs, context: string, files: string, name: string): Promise<void> {
  // Uncompressed: over loopback compressing takes the time, here and in every machine's pull.
  const output = `type=image,name=${name},push=true,oci-mediatypes=true,compression=uncompressed,rewrite-timestamp=true`;
  await run([
    "buildctl",
    ...["--addr", args.buildkit, "build", "--progress=plain", "--frontend=dockerfile.v0"],
    ...["--local", `context=${context}`, "--local", `dockerfile=${files}`, "--local", `files=${files}`],
    ...["--opt", "context:files=local:files"],
    ...["--opt", `platform=${architectures.map(({ platform }) => platform).join(",")}`],
    ...["--opt", `build-arg:SOURCE_DATE_EPOCH=${epoch}`, "--output", output],
  ]);
}

/** `extract` unpacks packages and runs none of their scripts, so a foreign architecture needs no emulation. */
async function packRootFileSystem(
  { packages, without = [], recordsPackages }: RootFileSystem,
  architecture: Names["image"],
  tar: string,
): Promise<void> {
  // apt's own clean-up would make its folders again.
  const options = [
    "--variant=extract",
    "--skip=cleanup/apt",
    `--architectures=${architecture}`,
    `--include=${packages}`,
  ];
  const remove = `rm -rf ${[...removed, ...without].map((path) => `"$1"/${path}`).join(" ")}`;
  const field = 'dpkg-deb --field "$deb"';
  const record = `for deb in "$1"/var/cache/apt/archives/*.deb; do ${field} >"$1/status.d/$(${field} Package)"; done`;
  // No hook of a later step is run for what is only extracted.
  const hook = recordsPackages
    ? `mkdir "$1"/status.d && ${record} && ${remove} && mkdir "$1"/var/lib/dpkg && mv "$1"/status.d "$1"/var/lib/dpkg`
    : remove;
  const env = { ...process.env, SOURCE_DATE_EPOCH: epoch };
  await run(["mmdebstrap", ...options, `--extract-hook=${hook}`, suite, `${tar}.part.tar`], { env });
  await rename(`${tar}.part.tar`, tar);
}

/** npm checks the package's integrity. */
async function fetchBun(architecture: Names["image"], file: string): Promise<void> {
  const folder = `${file}.part`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const options = ["--silent", "--pack-destination", folder];
  const packed = await run(["npm", "pack", ...options, `${bunPackages[architecture]}@${bunVersion}`]);
  await run(["tar", "-xzf", join(folder, packed.trim()), "-C", folder, "package/bin/bun"]);
  await rename(join(folder, "package/bin/bun"), file);
  await rm(folder, { recursive: true });
}

async function exists(image: string): Promise<boolean> {
  const [, registry, repository, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(image) ?? [];
  const accept = ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"].join(", ");
  const manifest = `http://${registry}/v2/${repository}/manifests/${tag}`;
  return (await fetch(manifest, { method: "HEAD", headers: { accept } })).ok;
}

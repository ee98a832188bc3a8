import Table from "cli-table3";
import { run, say, step, succeeds } from "../../tools/process.ts";
import { atDigest, type IndexEntry, imagesIn, inspectImage } from "../shared/registry.ts";
import type { Engine } from "./engine.ts";

interface Blob {
  readonly digest: string;
  readonly size: number;
}

/** One platform's image as its manifest has it; sizes are of what is transferred, that is, compressed. */
interface PlatformImage {
  readonly platform: string;
  readonly config: Blob;
  readonly layers: readonly Blob[];
  /** Bytes on disk after a pull. */
  readonly unpacked: number;
}

/** Sizes of each platform's pull and of all together. A layer that several platforms have is stored once, and pulled for each. */
export function sumUp(images: readonly PlatformImage[]) {
  const blobs = new Map(
    images.flatMap(({ config, layers }) => [config, ...layers]).map((blob) => [blob.digest, blob.size]),
  );
  const [first, ...others] = images;
  const isShared = ({ digest }: Blob) =>
    others.length > 0 && others.every(({ layers }) => layers.some((layer) => layer.digest === digest));
  const shared = first?.layers.filter(isShared) ?? [];
  return {
    platforms: images.map(({ platform, config, layers, unpacked }) => ({
      platform,
      pull: total([config, ...layers]),
      unpacked,
      layers: layers.length,
    })),
    /** Layers that every platform has. */
    shared: { layers: shared.length, size: total(shared) },
    /** Bytes that the registry keeps for all platforms together. */
    stored: [...blobs.values()].reduce((sum, size) => sum + size, 0),
  };
}

const total = (blobs: readonly Blob[]) => blobs.reduce((sum, { size }) => sum + size, 0);

/** Decimal, as Docker counts: `95.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const exponent = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return exponent === 0 ? `${bytes} B` : `${(bytes / 1000 ** exponent).toFixed(1)} ${units[exponent]}`;
}

/** The guide's problem 5: what an image of several platforms costs, and whom. */
export async function printSizes(name: string, engine: Engine): Promise<void> {
  const images = await readImage(name, engine);
  const { platforms, shared, stored } = sumUp(images);
  const head = ["platform", "one pull downloads", "unpacked on disk", "layers"];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { platform, pull, unpacked, layers } of platforms) {
    table.push([platform, formatBytes(pull), formatBytes(unpacked), layers]);
  }
  process.stdout.write(`${table}
shared by all platforms: ${shared.layers} layer${shared.layers === 1 ? "" : "s"}, ${formatBytes(shared.size)} compressed
the registry stores ${formatBytes(stored)} for ${platforms.length === 1 ? "this platform" : `all ${platforms.length} platforms`}; a machine pulls its own platform alone
`);
}

/** The manifest fields that are read here: https://github.com/opencontainers/image-spec/blob/main/manifest.md */
interface Manifest {
  readonly manifests?: readonly IndexEntry[];
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

async function readImage(name: string, engine: Engine): Promise<PlatformImage[]> {
  const inspect = (reference: string, ...options: string[]) => inspectImage(reference, options, engine.env);
  const { manifests, ...single } = JSON.parse(await inspect(name, "--raw")) as Manifest;
  if (manifests === undefined) {
    const facts = await inspect(name, "--format", "[{{json .Image}}, {{json .Manifest.Digest}}]");
    const [image, digest] = JSON.parse(facts) as [{ os: string; architecture: string }, string];
    const platform = `${image.os}/${image.architecture}`;
    return [{ ...single, platform, unpacked: await measure(name, digest, engine) }];
  }
  const images: PlatformImage[] = [];
  for (const { digest, platform } of imagesIn(manifests)) {
    const { config, layers } = JSON.parse(await inspect(atDigest(name, digest), "--raw")) as Manifest;
    images.push({ platform, config, layers, unpacked: await measure(name, digest, engine) });
  }
  return images;
}

/** No manifest says how large an image is once unpacked, so the engine does what a machine does: it pulls it. */
async function measure(name: string, digest: string, { env }: Engine): Promise<number> {
  const reference = atDigest(name, digest);
  const docker = (...args: string[]) => run(["docker", ...args], { env });
  const wasThere = await succeeds(docker("image", "inspect", reference));
  if (!wasThere) await step(`pulling ${reference} to measure it`, () => docker("pull", "--quiet", reference));
  // Not `image inspect`: with the containerd image store its size is another one.
  const layers = await docker("image", "history", "--human=false", "--format", "{{.Size}}", reference);
  const warn = (error: Error) => say(`warning: ${reference} stays in the engine: ${error.message}`);
  if (!wasThere) await docker("image", "rm", reference).catch(warn);
  const sizes = layers.trim().split("\n").map(Number);
  return sizes.reduce((sum, size) => sum + size, 0);
}

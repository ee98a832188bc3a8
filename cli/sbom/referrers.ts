import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureTool } from "../../tools/go.ts";
import { CommandError, run, say, step } from "../../tools/process.ts";
import { atDigest, type IndexEntry, imagesIn, isDenied, loginNeeded, registryOf } from "../shared/registry.ts";

/** The artifact type of an SBOM, by which it is found among an image's referrers. */
export const artifactType = "application/spdx+json";

/** The image of one platform in a registry; its reference is `repository@digest`. */
type Subject = ReturnType<typeof readIndex>[number];

export async function findSubjects(image: string, env: NodeJS.ProcessEnv) {
  return readIndex(image, await oras(["manifest", "fetch", image], { env }));
}

/** @throws Error when it is no index of images. */
export function readIndex(image: string, text: string) {
  const { manifests } = JSON.parse(text) as { manifests?: readonly IndexEntry[] };
  const subjects = imagesIn(manifests ?? []).map(({ platform, digest }) => ({
    platform,
    reference: atDigest(image, digest),
  }));
  if (subjects.length === 0) {
    throw new Error(
      `${image} is ${manifests ? "an index of no image" : "the image of a single platform"}; ` +
        "allowed: one of several platforms, as pulumi up and npm run image -- --push make it",
    );
  }
  return subjects;
}

export async function findSbom({ reference }: Subject, env: NodeJS.ProcessEnv) {
  const options = ["--artifact-type", artifactType, "--depth", "1", "--format", "json"];
  const found = JSON.parse(await oras(["discover", ...options, reference], { env }));
  const digest = (found as { referrers?: { digest: string }[] }).referrers?.[0]?.digest;
  if (digest === undefined) return undefined;
  const manifest = JSON.parse(await oras(["manifest", "fetch", atDigest(reference, digest)], { env }));
  const [layer] = (manifest as { layers: [{ digest: string }] }).layers;
  const document = await oras(["blob", "fetch", "--output", "-", atDigest(reference, layer.digest)], { env });
  return { digest, document };
}

/**
 * Makes the SBOM of a subject and attaches it; the subject, and the index that names it, stay as they are. Where a registry has no API for
 * referrers, ORAS keeps the list of them under a tag, `sha256-…`.
 *
 * @param folder Where the document is written to, from where ORAS attaches it.
 */
export async function attachSbom({ platform, reference }: Subject, env: NodeJS.ProcessEnv, folder: string) {
  const syft = await ensureTool("syft");
  // A bundle does not show its packages; the lock file does, and Syft reads that in an image only with this option.
  const options = ["--platform", platform, "--select-catalogers", "+javascript-lock-cataloger"];
  const command = [syft, "scan", ...options, "--output", "spdx-json", `registry:${reference}`];
  const document = await step(`looking for packages in ${platform}`, () =>
    run(command, { env: { ...env, SYFT_CHECK_FOR_APP_UPDATE: "false" } }),
  );
  const file = fileName(platform);
  writeFileSync(join(folder, file), document);
  const as = ["--artifact-type", artifactType, "--format", "json"];
  const attached = await oras(["attach", ...as, reference, `${file}:${artifactType}`], { env, cwd: folder });
  return { digest: (JSON.parse(attached) as { digest: string }).digest, document };
}

/** Such as `linux-arm64.spdx.json`. */
export const fileName = (platform: string) => `${platform.replaceAll("/", "-")}.spdx.json`;

/** How many packages an SPDX document names, without the image itself, which it names too. */
export function countPackages(document: string): number {
  const { packages } = JSON.parse(document) as { packages: { primaryPackagePurpose?: string }[] };
  return packages.filter(({ primaryPackagePurpose }) => primaryPackagePurpose !== "CONTAINER").length;
}

/** Replaces the error of a tool by one that says what to do; returns any other unchanged. */
export function explain(image: string, error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  if (isDenied(error.message)) {
    say(error.message);
    return new Error(loginNeeded.replace("REGISTRY", registryOf(image)));
  }
  if (/^Error(?: response from registry)?: failed to fetch the content of .*: not found$/m.test(error.message)) {
    return new Error(
      `there is no image ${image} in the registry; allowed: the tag or digest of one that is pushed, by pulumi up or npm run image -- --push`,
    );
  }
  return error;
}

async function oras(args: readonly string[], options: { env: NodeJS.ProcessEnv; cwd?: string }): Promise<string> {
  return run([await ensureTool("oras"), ...args], options);
}

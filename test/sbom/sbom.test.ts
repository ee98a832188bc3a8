import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { artifactType, findSbom } from "../../cli/sbom/referrers.ts";
import { platforms } from "../../components/architecture.ts";
import type { Result } from "../../tools/process.ts";
import { blocksOf } from "../support/documents.ts";
import { listening, temporaryFolder } from "../support/process.ts";
import {
  deployed,
  editPage,
  manifest,
  node,
  type Outputs,
  platformsOf,
  refused,
  registry,
  shell,
  successful,
} from "../support/stack.ts";

const folder = temporaryFolder();
const sbom = (...args: string[]) => node("cli/sbom.ts", args);

/** The rows of its table. */
const rows = ({ output }: Result) =>
  [...output.matchAll(/^│ (linux.*) │$/gm)].map(([, row = ""]) => row.split("│").map((cell) => cell.trim()));

const index = "application/vnd.oci.image.index.v1+json";
const repositoryOf = ({ repositoryUrl }: Outputs) => repositoryUrl.slice(repositoryUrl.indexOf("/") + 1);

/** What refers to an image: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers */
async function referrersOf(repository: string, digest: string) {
  const { body } = await registry(`/v2/${repository}/referrers/${digest}`, index);
  return JSON.parse(body).manifests as { digest: string; artifactType: string }[];
}

interface Package {
  readonly name: string;
  readonly versionInfo: string;
  readonly externalRefs?: readonly { readonly referenceType: string; readonly referenceLocator: string }[];
}

test("each platform's image gets one SBOM, once, and the index does not change", async () => {
  // An image that no other test has attached one to.
  editPage("with SBOMs");
  const outputs = await deployed();
  const repository = repositoryOf(outputs);
  const path = `/v2/${repository}/manifests/${outputs.imageDigest}`;
  const before = await registry(path, index);

  await refused(sbom("--show"), "no SBOM is attached to linux/arm64, linux/amd64; attach it: npm run sbom -- ");

  // It attaches them, and shows them.
  const first = await successful(shell(blocksOf("sbom").join("\n")));
  expect(rows(first).map(([platform, , , attached]) => [platform, attached])).toEqual([
    ["linux/arm64", "now"],
    ["linux/amd64", "now"],
    ["linux/arm64", undefined],
    ["linux/amd64", undefined],
  ]);
  const second = await successful(sbom(outputs.imageRef));
  for (const half of [rows(first).slice(0, 2), rows(first).slice(2)]) {
    expect(rows(second)).toEqual(half.map((row) => [...row.slice(0, 3), "before"]));
  }

  expect(await registry(path, index)).toEqual(before);
  const images = JSON.parse(before.body).manifests as { digest: string; platform: Record<string, string> }[];
  expect(platformsOf(JSON.parse(before.body))).toEqual([...platforms].sort());

  await successful(sbom("--output", join(folder, "read"), outputs.imageRef));
  expect(readdirSync(join(folder, "read")).sort()).toEqual(["linux-amd64.spdx.json", "linux-arm64.spdx.json"]);
  const lock = readFileSync("app/bun.lock", "utf8");
  const [, hono] = /"hono": \["hono@([\d.]+)"/.exec(lock) ?? [];
  for (const { digest, platform } of images) {
    const { architecture } = platform;
    const referrers = await referrersOf(repository, digest);
    expect(referrers.map(({ artifactType }) => artifactType)).toEqual(["application/spdx+json"]);
    const row = rows(first).find(([name]) => name === `linux/${architecture}`);
    expect(row?.[2]).toBe(referrers[0]?.digest);
    expect(await manifest(`${outputs.repositoryUrl}@${referrers[0]?.digest}`)).toMatchObject({ subject: { digest } });

    const document = JSON.parse(readFileSync(join(folder, "read", `linux-${architecture}.spdx.json`), "utf8"));
    const packages = document.packages as Package[];
    const versions = (name: string) => packages.filter((each) => each.name === name).map((each) => each.versionInfo);
    expect(versions("hono")).toEqual([hono]);
    const libc = packages.find(({ name }) => name === "libc6");
    const purl = libc?.externalRefs?.find(({ referenceType }) => referenceType === "purl")?.referenceLocator;
    expect(purl).toMatch(new RegExp(`^pkg:deb/debian/libc6@2.*[?&]arch=${architecture}&`));
    // The image itself is among its packages, and not counted.
    expect(Number(row?.[1])).toBe(packages.length - 1);
  }
});

test("an SBOM on the last page of what refers to an image is found", async () => {
  // ECR answers in pages, the local registry does not; this one has one referrer on each.
  const put = (text: string) => {
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    contents.set(digest, text);
    return { digest, size: text.length };
  };
  const contents = new Map<string, string>();
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const blob = put("the document");
  const sbomManifest = put(JSON.stringify({ schemaVersion: 2, mediaType, layers: [blob] }));
  const image = put(JSON.stringify({ schemaVersion: 2, mediaType, config: blob, layers: [] }));
  const pages = ["application/signature", "application/vulnerabilities", artifactType].map((type) => [
    { ...sbomManifest, mediaType, artifactType: type },
  ]);
  const answer: RequestListener = ({ url = "" }, response) => {
    const { pathname, searchParams } = new URL(url, "http://localhost");
    const page = Number(searchParams.get("page") ?? 0);
    if (!pathname.includes("/referrers/")) {
      const digest = pathname.slice(pathname.lastIndexOf("/") + 1);
      const text = contents.get(digest) ?? "";
      response.setHeader("docker-content-digest", digest).setHeader("content-length", text.length);
      return void response.setHeader("content-type", mediaType).end(text);
    }
    if (page < pages.length - 1) response.setHeader("link", `<${pathname}?page=${page + 1}>; rel="next"`);
    response.setHeader("content-type", index);
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: index, manifests: pages[page] }));
  };
  // To localhost ORAS speaks plain HTTP.
  const host = (await listening(answer)).replace("127.0.0.1", "localhost");
  const subject = { platform: "linux/arm64", reference: `${host}/app@${image.digest}` };
  expect(await findSbom(subject, process.env)).toEqual({ digest: sbomManifest.digest, document: "the document" });
});

test("refuses an image that does not exist, and one of a single platform", async () => {
  const { imageRef, repositoryUrl } = await deployed();
  const absent = `there is no image ${repositoryUrl}:absent in the registry; allowed: `;
  await refused(sbom(`${repositoryUrl}:absent`), absent);
  const [child] = (await manifest(imageRef)).manifests ?? [];
  const single = "is the image of a single platform; allowed: one of several platforms";
  await refused(sbom(`${repositoryUrl}@${child?.digest}`), single);
});

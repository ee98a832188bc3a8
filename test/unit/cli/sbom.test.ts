import { describe, expect, test, vi } from "vitest";
import { countPackages, explain, fileName, readIndex } from "../../../cli/sbom/referrers.ts";
import { readSbomOptions } from "../../../cli/sbom.ts";
import { fullName, isDenied } from "../../../cli/shared/registry.ts";
import { CommandError } from "../../../tools/process.ts";

describe("options", () => {
  test("an image is attached to, unless it is only looked at", () => {
    expect(readSbomOptions([])).toEqual({ attach: true });
    expect(readSbomOptions(["ghcr.io/me/app:1"])).toEqual({ attach: true, image: "ghcr.io/me/app:1" });
    expect(readSbomOptions(["--show", "ghcr.io/me/app:1"])).toEqual({ attach: false, image: "ghcr.io/me/app:1" });
    expect(readSbomOptions(["--output", "folder"])).toEqual({ attach: false, output: "folder" });
  });

  test.each([
    [["a/b:1", "c/d:2"], "these are several: a/b:1 c/d:2"],
    [[""], 'IMAGE is ""; allowed: a tag or digest'],
    [["--attach"], "Unknown option '--attach'"],
  ])("%j is refused", (args, message) => {
    expect(() => readSbomOptions(args)).toThrow(message);
  });

  test.each([
    ["app", "docker.io/library/app:latest"],
    ["me/app", "docker.io/me/app:latest"],
    ["docker.io/me/app:1", "docker.io/me/app:1"],
    ["localhost:5000/app", "localhost:5000/app:latest"],
    ["ghcr.io/me/app:1@sha256:0a", "ghcr.io/me/app:1@sha256:0a"],
    ["ghcr.io/me/app@sha256:0a", "ghcr.io/me/app@sha256:0a"],
  ])("%s is %s, as for Docker", (name, full) => {
    expect(fullName(name)).toBe(full);
  });
});

describe("an index", () => {
  const arm64 = { digest: "sha256:a", platform: { os: "linux", architecture: "arm64", variant: "v8" } };
  const amd64 = { digest: "sha256:b", platform: { os: "linux", architecture: "amd64" } };
  const attestation = {
    digest: "sha256:c",
    platform: { os: "unknown", architecture: "unknown" },
    annotations: { "vnd.docker.reference.type": "attestation-manifest" },
  };

  test("names its platforms' images; an attestation is none", () => {
    const text = JSON.stringify({ manifests: [amd64, arm64, attestation] });
    expect(readIndex("ghcr.io/me/app:1@sha256:d", text)).toEqual([
      { platform: "linux/amd64", reference: "ghcr.io/me/app@sha256:b" },
      { platform: "linux/arm64/v8", reference: "ghcr.io/me/app@sha256:a" },
    ]);
  });

  test("is what an image of a single platform is not", () => {
    expect(() => readIndex("me/app:1", JSON.stringify({ config: {}, layers: [] }))).toThrow(
      "me/app:1 is the image of a single platform; allowed: one of several platforms",
    );
    expect(() => readIndex("me/app:1", JSON.stringify({ manifests: [attestation] }))).toThrow("an index of no image");
  });
});

test("the image is no package of itself", () => {
  const packages = [{ name: "hono" }, { name: "app", primaryPackagePurpose: "CONTAINER" }, { name: "libc6" }];
  expect(countPackages(JSON.stringify({ packages }))).toBe(2);
});

test("a document's file is named by its platform", () => {
  expect(fileName("linux/arm/v7")).toBe("linux-arm-v7.spdx.json");
});

describe("what ORAS says, in words that say what to do", () => {
  // As version 1.3.6 printed it.
  const failed = (output: string) => new CommandError(["oras", "manifest", "fetch"], "exit status 1", output);
  const absent =
    'Error response from registry: failed to fetch the content of "ghcr.io/me/app:1": ghcr.io/me/app:1: not found';

  test("no such image", () => {
    expect(explain("ghcr.io/me/app:1", failed(absent))).toMatchObject({
      message: expect.stringMatching(/^there is no image ghcr\.io\/me\/app:1 in the registry; allowed: /),
    });
  });

  test.each([
    "Error response from registry: unauthorized: authentication required",
    "Error response from registry: denied: denied",
    "basic credential not found",
    'HEAD "https://host/v2/app/manifests/1": response status code 403: Forbidden',
  ])("no login: %s", (output) => {
    expect(isDenied(output)).toBe(true);
    const said = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    expect(explain("ghcr.io/me/app:1", failed(output))).toMatchObject({
      message: expect.stringContaining("Log in (docker login ghcr.io;"),
    });
    expect(said).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(output));
  });

  test("anything else unchanged", () => {
    const error = failed("connection refused");
    expect(explain("ghcr.io/me/app:1", error)).toBe(error);
    expect(explain("ghcr.io/me/app:1", "x")).toBe("x");
  });
});

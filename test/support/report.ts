import { architectures } from "../../components/architecture.ts";

/** An image that was pushed, and the architecture of a machine that pulls it. */
export const image = {
  digest: "sha256:index",
  configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
  architecture: architectures.graviton,
};

/** What that machine must be, whichever it is. */
export const expected = {
  machine: "aarch64",
  image: "arm64",
  process: "arm64",
  digest: "sha256:index",
  imageId: "sha256:arm64",
};

/** What its app answers. */
export const reportOf = (instanceId: string | undefined, nonce: string | null) => ({
  machine: { architecture: expected.machine, instanceId },
  image: { architecture: expected.image, digest: expected.digest, id: expected.imageId },
  process: { architecture: expected.process, elf: expected.machine },
  nonce,
});

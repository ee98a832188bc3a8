/** What a Graviton machine must answer, beside its own id. */
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

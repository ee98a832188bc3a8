import type { Expectation } from "../../components/proof.ts";

/** What the app of a machine answers that is as expected. */
export const reportOf = (
  expected: Omit<Expectation, "instanceId">,
  instanceId: string | undefined,
  nonce: string | null,
) => ({
  machine: { architecture: expected.machine, instanceId },
  image: { architecture: expected.image, digest: expected.digest, id: expected.imageId },
  process: { architecture: expected.process, elf: expected.machine },
  nonce,
});

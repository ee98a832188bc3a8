import { setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { another, kept, useAnotherBuilder } from "../support/another-builder.ts";
import { killed, withLargeLayer } from "../support/faults.ts";
import {
  configured,
  deployed,
  expectUnchanged,
  manifest,
  manifestTypes,
  outputs,
  pageOf,
  registry,
  releasedEdit,
  repositoryName,
  succeed,
} from "../support/stack.ts";

useAnotherBuilder();

test("latest names an image while another builder finishes a release that was killed in its push", async () => {
  const before = await deployed();
  await releasedEdit("half", () =>
    withLargeLayer(async () => {
      await killed("engine", /pushing layers/, "up");
      const named = new Set<string>();
      await configured(another, async () => {
        let running = true;
        const up = succeed("up").finally(() => {
          running = false;
        });
        while (running) {
          const { status, body } = await registry(`/v2/${repositoryName}/manifests/latest`, manifestTypes);
          named.add(status === 200 ? JSON.stringify(JSON.parse(body).manifests) : `${status} ${body}`);
          await wait(5);
        }
        await up;
        const after = outputs();
        expect(after.imageDigest).not.toBe(before.imageDigest);
        for (const name of machineNames) expect(await pageOf(after[name])).toContain(">half ");
        const latest = await Promise.all(
          [before, after].map(async ({ imageRef }) => (await manifest(imageRef)).manifests),
        );
        expect([...named]).toEqual(latest.map((each) => JSON.stringify(each)));
        await expectUnchanged("preview");
      });
    }),
  );
  // The edit reverted there is the first release again.
  await configured(another, async () => {
    expect(await succeed("up")).toContain(kept(before));
    expect(outputs().imageRef).toBe(before.imageRef);
  });
});

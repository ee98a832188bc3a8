import { execFileSync } from "node:child_process";
import { appendFileSync, cpSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  ensureDeployed,
  ensureDestroyed,
  expectDestroyConverges,
  expectUpConverges,
  when,
  withNewRelease,
} from "../support/faults.ts";
import { cloud, edited, expectServing, local, type Result, refused } from "../support/stack.ts";

const folder = join(cloud.dir, "state");
const filler = join(folder, "filler");

/** The state on a disk of its own, which can be filled. */
async function onSmallDisk(work: (fill: () => void, free: () => void) => Promise<void>): Promise<void> {
  let filling: NodeJS.Timeout | undefined;
  const fill = () => {
    const { bavail, bsize } = statfsSync(folder);
    try {
      appendFileSync(filler, Buffer.alloc(bavail * bsize));
    } catch {} // it has become full in the meantime
  };
  const free = () => {
    clearInterval(filling);
    rmSync(filler, { force: true });
  };
  const copy = `${folder}.copy`;
  cpSync(folder, copy, { recursive: true });
  // It grows with every command: the engine keeps a backup of each.
  const used = Number(execFileSync("du", ["--summarize", "--block-size=1M", folder]).toString().split("\t")[0]);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${used + 16}m`, "tmpfs", folder]);
  try {
    cpSync(copy, folder, { recursive: true });
    // Again and again: a file that is replaced leaves room for the next.
    await work(() => {
      fill();
      filling = setInterval(fill, 10);
    }, free);
  } finally {
    free();
    rmSync(copy, { recursive: true });
    cpSync(folder, copy, { recursive: true });
    execFileSync("umount", ["--lazy", folder]);
    rmSync(folder, { recursive: true });
    cpSync(copy, folder, { recursive: true });
    rmSync(copy, { recursive: true });
  }
}

const fullBefore = (fill: () => void) => {
  fill();
  return local("up");
};

test.each<[string, (fill: () => void) => Promise<Result>, RegExp]>([
  ["before", fullBefore, /^(?![\s\S]*(creating|updating))/],
  ["in the middle of", (fill) => when(/Instance hono-app-\w+ creating replacement/, fill, "up"), /creating/],
])("state folder full %s up: the old instances serve, the next up works", async (_, up, shown) => {
  const before = await ensureDeployed();
  await onSmallDisk((fill, free) =>
    withNewRelease(async () => {
      await refused(up(fill), /no space left on device/i, shown);
      await expectServing(before);
      free();
      expect((await expectUpConverges()).imageRef).not.toBe(before.imageRef);
    }),
  );
});

test("destroy after a failed up, and once more, leaves nothing", async () => {
  await ensureDestroyed();
  await edited("components/user-data.ts", ['say "starting"', "false"], () => refused(local("up")));
  await expectDestroyConverges();
  await expectDestroyConverges();
});

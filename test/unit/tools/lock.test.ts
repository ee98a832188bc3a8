import { expect, test } from "vitest";
import { exclusively, lock } from "../../../tools/lock.ts";

// A lock is kept until its process ends, which may run this file again.
const name = `hono-app-test:${crypto.randomUUID()}`;

test("work of one name waits for other work of that name, also where that fails", async () => {
  const order: string[] = [];
  const ended = Promise.withResolvers<void>();
  const first = exclusively(name, async () => {
    order.push("first begins");
    await ended.promise;
    order.push("first ends");
    throw new Error("failed");
  });
  const second = exclusively(name, async () => order.push("second"));
  await exclusively(`${name} other`, async () => order.push("other"));
  ended.resolve();
  await expect(first).rejects.toThrow("failed");
  await second;
  expect(order).toEqual(["first begins", "other", "first ends", "second"]);
});

// A socket's own name has 107 bytes at most; this one's has the path of a clone.
test.each([
  ["short", "lock"],
  ["long", "lock".repeat(50)],
])("a lock that is taken names its owner, where its name is %s", async (_, what) => {
  expect(await lock(`${name} ${what}`, "up (process 1)")).toBeUndefined();
  expect(await lock(`${name} ${what}`, "down (process 2)")).toBe("up (process 1)");
});

import { expect, test } from "vitest";
import { exclusively, lock } from "../../../tools/lock.ts";

const name = `hono-app-test:${process.pid}`;

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

test("a lock that is taken names its owner", async () => {
  expect(await lock(`${name} lock`, "up (process 1)")).toBeUndefined();
  expect(await lock(`${name} lock`, "down (process 2)")).toBe("up (process 1)");
});

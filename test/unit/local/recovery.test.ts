import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Cloud } from "../../../local/cloud.ts";
import { removeCorruptBlobs } from "../../../local/recovery/corrupt-blobs.ts";
import { change, isOurs, restoreState } from "../../../local/recovery/recover.ts";
import { startedHere } from "../../../local/stack.ts";
import { projectName } from "../../../tools/project.ts";
import { temporaryFolder, write } from "../../support/process.ts";

let dir: string;
beforeEach(() => {
  dir = temporaryFolder(onTestFinished);
  vi.spyOn(process.stderr, "write").mockReturnValue(true);
});

function put(path: string, content: string): string {
  const file = join(dir, path);
  write(file, content);
  return file;
}

describe("corrupt blobs", () => {
  const digestOf = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const pathOf = (digest: string) => {
    const [algorithm = "", hash = ""] = digest.split(":");
    return join("registry/data/docker/registry/v2/blobs", algorithm, hash.slice(0, 2), hash, "data");
  };
  /** Stores content, or what is left of it, under its digest. */
  function store(content: string, stored = content): string {
    put(pathOf(digestOf(content)), stored);
    return digestOf(content);
  }

  test("are removed with the manifests and indexes that refer to them, and nothing else", () => {
    const truncated = store("a layer", "a lay");
    const whole = store("another layer");
    const manifest = store(JSON.stringify({ layers: [{ digest: truncated }, { digest: whole }] }));
    const other = store(JSON.stringify({ layers: [{ digest: whole }] }));
    const index = store(JSON.stringify({ manifests: [{ digest: manifest }, { digest: other }] }));
    expect(removeCorruptBlobs({ dir }).sort()).toEqual([truncated, manifest, index].sort());
    for (const digest of [truncated, manifest, index]) expect(existsSync(join(dir, pathOf(digest)))).toBe(false);
    for (const digest of [whole, other]) expect(existsSync(join(dir, pathOf(digest)))).toBe(true);
    expect(removeCorruptBlobs({ dir })).toEqual([]);
  });

  test("are none without a registry", () => {
    expect(removeCorruptBlobs({ dir })).toEqual([]);
  });
});

test("a lock of a Pulumi CLI that runs stays, and the command is refused", async () => {
  // A shell, which waits for its input.
  const pulumi = spawn("sh", { argv0: "pulumi" });
  onTestFinished(() => void pulumi.kill("SIGKILL"));
  const lock = put(`state/.pulumi/locks/organization/${projectName}/local/1.json`, JSON.stringify({ pid: pulumi.pid }));
  const work = () => Promise.reject(new Error("the work has begun"));
  await expect(change({ dir } as Cloud, work, work)).rejects.toThrow(
    `pulumi (process ${pulumi.pid}) is using this stack; wait until it ends, then try again`,
  );
  expect([existsSync(lock), pulumi.exitCode, pulumi.signalCode]).toEqual([true, null, null]);
});

test("a command that fails leaves its mark, by which the next one repairs what it left; one that succeeds leaves none", async () => {
  const marks = () => ["unfinished", "lost"].filter((name) => existsSync(join(dir, name)));
  put("lost", "");
  const failing = change({ dir } as Cloud, () => Promise.reject(new Error("failed")));
  await expect(failing).rejects.toThrow("failed");
  expect(marks()).toEqual(["unfinished", "lost"]);
  rmSync(join(dir, "unfinished"));
  await change({ dir } as Cloud, async () => {});
  expect(marks()).toEqual([]);
});

test("a process that is ended is a command's, and of this local cloud", () => {
  const isEnded = (...variables: string[]) => isOurs({ dir }, { pid: 1, read: () => variables.join("\0") });
  const ofCloud = `LOCAL_CLOUD_DIR=${dir}`;
  expect([isEnded(ofCloud, startedHere), isEnded(ofCloud), isEnded(`${ofCloud}2`, startedHere)]).toEqual([
    true,
    false,
    false,
  ]);
});

describe("a damaged state", () => {
  const stack = `state/.pulumi/stacks/${projectName}/local.json`;
  const backup = (number: number, content: string) =>
    put(`state/.pulumi/backups/${projectName}/local/local.${number}.json`, content);

  test("is restored from the newest whole backup", () => {
    const file = put(stack, "");
    backup(1, '{"backup":1}');
    backup(2, '{"backup":2}');
    backup(3, '{"backup":');
    put(`state/.pulumi/backups/${projectName}/local/local.4.json.attrs`, "{}");
    restoreState({ dir });
    expect(readFileSync(file, "utf8")).toBe('{"backup":2}');
  });

  test("fails without a whole backup", () => {
    put(stack, "{");
    backup(1, "");
    expect(() => restoreState({ dir })).toThrow(/local\.json is damaged, and there is no backup of it/);
  });

  test("is the only one that is replaced", () => {
    const file = put(stack, '{"checkpoint":{}}');
    backup(1, '{"backup":1}');
    restoreState({ dir });
    expect(readFileSync(file, "utf8")).toBe('{"checkpoint":{}}');
  });
});

import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync } from "node:fs";
import path, { join } from "node:path";
import { RunError } from "@pulumi/pulumi";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type ContextEntry, contentTag, readContext, stageContext } from "../../../components/build-context.ts";
import { everywhere, temporaryFolder, write } from "../../support/process.ts";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder(onTestFinished);
});

function context(files: Record<string, string>, under = folder): string {
  for (const [path, content] of Object.entries(files)) write(join(under, path), content);
  return under;
}

const app = { Dockerfile: "FROM scratch\n", "src/main.ts": "main", "src/page.ts": "page" };
const tagOf = (path: string, options: unknown = {}) => contentTag(readContext(path), options);

test("the tag is of the content: the same in another folder, with other times and another umask", () => {
  const [here, there] = [context(app, join(folder, "here")), context(app, join(folder, "a", "deeper", "there"))];
  for (const file of ["Dockerfile", "src/main.ts"]) {
    utimesSync(join(there, file), 1, 1);
    chmodSync(join(there, file), 0o600);
  }
  chmodSync(join(there, "src"), 0o700);
  expect(tagOf(there)).toBe(tagOf(here));
  expect(tagOf(here)).toMatch(/^content-[0-9a-f]{16}$/);
});

test("the tag of a content is the same in every version of this project, or all would deploy a release for nothing", () => {
  const path = context(app);
  chmodSync(join(path, "src/main.ts"), 0o755);
  symlinkSync("main.ts", join(path, "src/link.ts"));
  expect(tagOf(path, { platforms: ["linux/amd64"] })).toBe("content-fb0fafb682a3dec1");
});

test(".dockerignore decides what counts; the Dockerfile always does", () => {
  const path = context({
    ...app,
    ".dockerignore": "*\n!src/*.ts\n",
    "node_modules/x/index.js": "x",
    "notes.md": "n",
    "src/.env": "secret",
  });
  const paths = readContext(path).map((entry) => entry.path);
  expect(paths).toEqual([".dockerignore", "Dockerfile", "src/main.ts", "src/page.ts"]);
});

test("the real app's context holds the app and nothing else", () => {
  const entries = readContext("app");
  const needed = [".dockerignore", "Dockerfile", "bun.lock", "package.json", "src/main.ts"];
  expect(entries.map((entry) => entry.path)).toEqual(expect.arrayContaining(needed));
  const others = ["node_modules/hono/index.ts", ".env", "src/.env", "src/notes.md", "test/app.test.ts"];
  context(Object.fromEntries(others.map((path) => [path, ""])));
  context(Object.fromEntries(entries.map(({ path, content }) => [path, String(content)])));
  expect(readContext(folder)).toEqual(entries);
});

test("the tag is the same on Windows, where git would write CRLF by itself", () => {
  const path = context({ ...app, ".gitattributes": readFileSync(".gitattributes", "utf8") });
  const tag = tagOf(path);
  const git = (...args: string[]) => execFileSync("git", ["-c", "core.autocrlf=true", ...args], { cwd: path });
  git("init", "--quiet");
  git("add", ".");
  rmSync(join(path, "Dockerfile"));
  git("checkout", "--quiet", "--", "Dockerfile");
  rmSync(join(path, ".git"), { recursive: true });
  expect(tagOf(path)).toBe(tag);
});

test("a folder without a Dockerfile is refused before anything starts", () => {
  expect(() => readContext(folder)).toThrow(`the build context ${JSON.stringify(folder)} has no Dockerfile`);
  expect(() => readContext(folder)).toThrow(RunError); // which Pulumi shows without a stack
});

test("on Windows a context's paths are the same, in the same order, and so is the staged one's", () => {
  context(app);
  mkdirSync(`${folder}/staged/tag`, { recursive: true });
  everywhere(vi.spyOn(path, "join").mockImplementation(path.win32.join));
  expect(readContext(folder).map((entry) => entry.path)).toEqual(Object.keys(app));
  expect(stageContext([], `${folder}/staged`, "tag")).toBe(`${folder}/staged/tag`);
});

test("a link to a folder is a link, and nothing behind it is read or written; a pipe is left out", () => {
  const path = context({ ...app, "src-x": "", "../outside/secret": "as it was" }, join(folder, "app"));
  execFileSync("mkfifo", [join(path, "pipe")]);
  symlinkSync("../../outside", join(path, "src/shared"));
  symlinkSync(".", join(path, "src/self"));
  const entries = readContext(path);
  expect(entries.map((entry) => `${entry.path} ${entry.kind}`)).toEqual([
    "Dockerfile file",
    "src-x file",
    "src/main.ts file",
    "src/page.ts file",
    "src/self symlink",
    "src/shared symlink",
  ]);
  const staged = stageContext(entries, join(folder, "staged"), "tag");
  expect(readContext(staged)).toEqual(entries);
});

test("a staged context has the same modes whatever the clone's umask", () => {
  const path = context(app, join(folder, "app"));
  chmodSync(join(path, "src/main.ts"), 0o700);
  chmodSync(join(path, "src/page.ts"), 0o600);
  symlinkSync("main.ts", join(path, "src/link.ts"));
  const entries = readContext(path);
  const umask = process.umask(0o077);
  const staged = stageContext(entries, join(folder, "staged"), "tag");
  expect(process.umask(umask)).toBe(0o077);
  expect(staged).toBe(join(folder, "staged", "tag"));
  const mode = (file: string) => statSync(join(staged, file)).mode & 0o777;
  expect([mode("."), mode("src"), mode("src/main.ts"), mode("src/page.ts"), mode("Dockerfile")]).toEqual([
    0o755, 0o755, 0o755, 0o644, 0o644,
  ]);
  expect(readContext(staged)).toEqual(entries);
  expect(readFileSync(join(staged, "src/link.ts"), "utf8")).toBe("main");
});

test("a context is staged whole or not at all, and once", () => {
  const entries = readContext(context(app, join(folder, "app")));
  const staged = join(folder, "not", "yet", "there");
  const stage = (some: ContextEntry[], tag: string) => stageContext(some, staged, tag);
  // A file cannot be a folder too.
  const impossible = [{ ...entries[0], path: "src" } as ContextEntry, ...entries];
  const umask = process.umask();
  expect(() => stage(impossible, "tag")).toThrow("EEXIST");
  expect(process.umask()).toBe(umask);
  expect(readdirSync(staged)).toEqual([]);
  expect(stage(entries, "tag")).toBe(join(staged, "tag"));
  expect(stage(impossible, "tag")).toBe(join(staged, "tag"));

  // Another command is faster.
  const late = Object.defineProperty({ path: "late", kind: "file" } as ContextEntry, "content", {
    get: () => stage(entries, "other") && Buffer.from("late"),
  });
  expect(readContext(stage([late], "other"))).toEqual(entries);
  expect(readdirSync(staged)).toEqual(["other", "tag"]);
  symlinkSync("nowhere", join(staged, "broken"));
  expect(() => stage(entries, "broken")).toThrow("ENOTDIR");
});

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { hardening } from "../../../components/user-data.ts";
import { isOlder } from "../../../engines.js";

// What stands in two files because two programs read it.
const read = (path: string) => readFileSync(path, "utf8");
const manifest = (path: string) => JSON.parse(read(path));

test("Bun is one version in the image, in the example, and where its tools ask for it", () => {
  const inDockerfile = (path: string) => /^ARG BUN_VERSION=(.+)$/m.exec(read(path))?.[1];
  const version = inDockerfile("app/Dockerfile");
  expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(inDockerfile("docs/native-modules/Dockerfile")).toBe(version);
  for (const folder of ["app", "docs/native-modules"]) {
    expect(manifest(`${folder}/package.json`).engines.bun, folder).toBe(version);
  }
});

test("the app is tested with the Hono that its image has", () => {
  expect(manifest("package.json").devDependencies.hono).toBe(manifest("app/package.json").dependencies.hono);
});

test("the docker-build provider is built in the version of its package", () => {
  const [, built] = /pulumi-docker-build v(\S+)/.exec(read("tools/go/go.mod")) ?? [];
  expect(manifest("package.json").dependencies["@pulumi/docker-build"]).toBe(built);
});

test("the CLI that is tested is one that the program takes, as the README says", () => {
  const [, least = ""] = /^>=(\d+\.\d+)\.0$/.exec(parse(read("Pulumi.yaml")).requiredPulumiVersion) ?? [];
  const [, tested = ""] = /^pulumi (\S+)$/m.exec(read(".tool-versions")) ?? [];
  expect(isOlder(tested, least)).toBe(false);
  for (const readme of ["README.md", "README.ko.md"]) {
    expect(read(readme)).toMatch(new RegExp(`\\[Pulumi CLI\\]\\(\\S+\\) ${least} (or newer|이상)`));
  }
});

test("docker compose confines the app as a machine does", () => {
  const { app } = parse(read("compose.yaml")).services;
  const of = (option: string) => hardening[hardening.indexOf(option) + 1];
  expect(hardening).toContain("--read-only");
  expect(app).toMatchObject({
    read_only: true,
    cap_drop: [of("--cap-drop")],
    security_opt: [`${of("--security-opt")}:true`],
    mem_limit: of("--memory"),
    memswap_limit: of("--memory-swap"),
    pids_limit: Number(of("--pids-limit")),
  });
});

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { architectures } from "../../components/architecture.ts";
import { failureMarker, type UserDataArgs, userData } from "../../components/user-data.ts";

const args: UserDataArgs = {
  name: "hono-app",
  imageRef: `123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/hono-app-dev:content-0123456789abcdef@sha256:${"a".repeat(64)}`,
  region: "ap-northeast-2",
  instanceType: "t4g.small",
  architecture: architectures.graviton,
  port: 80,
};
const lines = userData(args).split("\n");

test("the script as it is", () => {
  expect(userData(args)).toMatchSnapshot();
});

test("bash takes it, and EC2 does: 16 KB is the most", () => {
  execFileSync("bash", ["-n"], { input: userData(args) });
  expect(lines[0]).toBe("#!/bin/bash");
  expect(Buffer.byteLength(userData(args))).toBeLessThan(16_384);
});

test("both machines pull the same reference, with no platform", () => {
  const pull = (script: string) => script.split("\n").filter((line) => /docker pull|^readonly image=/.test(line));
  const intel = userData({ ...args, instanceType: "t3.small", architecture: architectures.intel });
  expect(pull(intel)).toEqual(pull(userData(args)));
  expect(pull(intel)).toEqual([`readonly image='${args.imageRef}'`, '    docker pull --quiet "$image"']);
  expect(userData(args) + intel).not.toContain("--platform");
});

test("each machine asserts its own architecture", () => {
  expect(userData(args)).toContain("readonly expected_architecture='arm64'");
  expect(userData({ ...args, architecture: architectures.intel })).toContain("readonly expected_architecture='amd64'");
});

test("a registry with a port is told apart from a tag", () => {
  const script = userData({ ...args, imageRef: `127.0.0.1:5443/hono-app-local:content-1@sha256:${"b".repeat(64)}` });
  expect(script).toContain("readonly repository='127.0.0.1:5443/hono-app-local'");
  expect(script).toContain("readonly registry='127.0.0.1:5443'");
  expect(script).toContain("--env APP_VERSION='content-1'");
});

test("the container is hardened, and serves the configured port", () => {
  const script = userData({ ...args, port: 8080 });
  const command = script.slice(script.indexOf("docker run"), script.indexOf('"$image"\n\nfor'));
  for (const option of [
    "--restart always",
    "--publish 8080:3000",
    "--user 65532:65532",
    "--read-only",
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--memory 256m --memory-swap 256m",
    "--pids-limit 128",
    "--log-opt max-size=10m --log-opt max-file=3",
  ]) {
    expect(command).toContain(option);
  }
});

test("a value cannot break out of its quotes", () => {
  const script = userData({ ...args, region: "x'; touch /tmp/owned; '" });
  const line = script.split("\n").find((each) => each.startsWith("readonly region="));
  expect(execFileSync("bash", ["-c", `${line}; printf %s "$region"`]).toString()).toBe("x'; touch /tmp/owned; '");
});

test("what goes wrong stands in the output, marked", () => {
  const script = userData(args).replace("retry dnf install", "false; retry dnf install").replaceAll("sleep", "true");
  const result = (() => {
    try {
      return { status: 0, output: execFileSync("bash", { input: script, stdio: ["pipe", "pipe", "pipe"] }).toString() };
    } catch (error) {
      const { status, stdout } = error as { status: number; stdout: Buffer };
      return { status, output: stdout.toString() };
    }
  })();
  expect(result.status).toBe(1);
  expect(result.output).toMatch(/hono-app: line \d+: "false" ended with exit status 1\nhono-app: USER-DATA-FAILED\n$/);
  expect(result.output).toContain(failureMarker);
});

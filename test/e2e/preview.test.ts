import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { platforms } from "../../components/architecture.ts";
import { builder } from "../../local/services/buildkitd.ts";
import { filesBelow, root } from "../../tools/paths.ts";
import { run } from "../../tools/process.ts";
import { buildingPreview, unwritten } from "../support/previews.ts";
import { temporaryFolder } from "../support/process.ts";
import {
  cloud,
  deployed,
  edited,
  local,
  node,
  refused,
  releasedEdit,
  successful,
  summary,
  tagOf,
} from "../support/stack.ts";

test("the preview of an edit builds both platforms, and writes nothing anywhere", async () => {
  await deployed();
  expect(await releasedEdit("previewed", buildingPreview)).toMatch(/~.*docker-build:index:Image hono-app update/);
});

test("another clone, umask, time zone, home, file times and modes change nothing, and make the same image without a cache", async () => {
  const { imageRef, imageDigest } = await deployed();
  const other = join(temporaryFolder(onTestFinished), "other clone");
  const clone = join(other, "deeper", "hono app");
  cpSync(cloud.project, clone, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => ![".build", "node_modules", ".local"].some((name) => path === join(cloud.project, name)),
  });
  for (const name of ["node_modules", ".local"]) symlinkSync(join(root, name), join(clone, name));
  for (const file of filesBelow(join(clone, "app"))) utimesSync(file, 1, 1);
  execFileSync("chmod", ["-R", "go=", join(clone, "app")]);
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  const there = { cwd: clone, env: { TZ: "Asia/Seoul", HOME: other } };
  const { output } = await successful(node("cli/local.ts", ["preview"], there));
  expect(Object.keys(summary(output))).toEqual(["unchanged"]);

  const metadata = join(other, "metadata.json");
  // What the preview has laid out for the builder.
  const context = join(clone, ".build", tagOf(imageRef));
  await run(
    [
      ...["docker-buildx", "build", "--no-cache", "--builder", builder, "--provenance=false"],
      ...["--platform", platforms.join(), "--build-arg", "SOURCE_DATE_EPOCH=0"],
      ...["--output", `type=oci,dest=${join(other, "image.tar")}`, "--metadata-file", metadata, context],
    ],
    { env: cloud.env },
  );
  expect(JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"]).toBe(imageDigest);
});

test("refuses in the preview what AWS would refuse", async () => {
  await deployed();
  const before = await unwritten();
  await edited("components/network.ts", ["Port of the app in", "The app's port in"], async () => {
    await refused(
      local("preview"),
      /aws:ec2\/securityGroup:SecurityGroup resource 'hono-app'.*AWS refuses it: GroupDescription of AWS::EC2::SecurityGroup is "The app's port in, HTTPS out", and must match pattern "\^\(\[a-z,A-Z/,
    );
  });
  expect(await unwritten()).toEqual(before);
});

test("fails the preview of a Dockerfile that fails on one platform, and names the step", async () => {
  await deployed();
  const broken = ["ARG TARGETARCH\n", 'ARG TARGETARCH\nRUN test "$TARGETARCH" != arm64\n'] as const;
  await edited("app/Dockerfile", broken, async () => {
    const output = await refused(local("preview"));
    const stopped = output.slice(output.indexOf("the build failed in:"));
    expect(stopped).toMatch(/^ {2}#\d+ \[linux\/amd64->arm64 checked \d+\/\d+\] RUN test "arm64" != arm64/m);
  });
});

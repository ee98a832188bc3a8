import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { getFrom, startRegistry } from "../support/other-registry.ts";
import {
  cloud,
  configured,
  deployed,
  expectUnchanged,
  local,
  outputs,
  platformsIn,
  refused,
  succeed,
} from "../support/stack.ts";

const address = `${cloud.prefix}.0.1:5600`;
let stop: () => Promise<void>;

beforeAll(async () => {
  stop = await startRegistry(address, ["owner", "canary-token"]);
});

afterAll(() => stop());

const get = (path: string) => getFrom(address, "owner", "canary-token", `owner/hono-app/${path}`);

const run = (command: string, args: string[], input?: string) =>
  execFileSync(command, args, { cwd: cloud.project, env: cloud.env, input, encoding: "utf8" });
const setToken = (token: string) =>
  run("pulumi", ["config", "set", "--stack", "local", "--secret", "publishToken", token]);

const settings = { publishTo: `${address}/owner/hono-app`, publishVersion: "1.0.0", publishUsername: "owner" };

test("publishTo puts the proven image into another registry, as its version and latest", async () => {
  await deployed();
  await configured({ ...settings, publishToken: '""' }, async () => {
    setToken("canary-token");
    const up = await succeed("up");
    const { publishedImage, imageDigest } = outputs();
    expect(publishedImage).toEqual({ ref: `${address}/owner/hono-app:1.0.0@${imageDigest}`, digest: imageDigest });
    expect(((await (await get("tags/list")).json()) as { tags: string[] }).tags.sort()).toEqual(["1.0.0", "latest"]);
    for (const tag of ["1.0.0", "latest"]) {
      const response = await get(`manifests/${tag}`);
      expect(response.headers.get("docker-content-digest")).toBe(imageDigest);
    }
    expect(up).not.toContain("canary-token");
    // As the guide does: the manifest list of the published version.
    run("docker", ["login", "--username", "owner", "--password-stdin", address], "canary-token");
    try {
      const shown = run("node", ["cli/image.ts", "--inspect", `${address}/owner/hono-app:1.0.0`]);
      expect(shown).toMatch(
        new RegExp(`MediaType: +application/vnd.oci.image.index.v1\\+json\nDigest: +${imageDigest}`),
      );
      expect(platformsIn(shown)).toEqual(["linux/amd64", "linux/arm64"]);
    } finally {
      run("docker", ["logout", address]);
    }
    await expectUnchanged("preview");
  });
});

test("fails with the registry's answer where the token is wrong", async () => {
  await configured({ ...settings, publishVersion: "2.0.0", publishToken: '""' }, async () => {
    setToken("wrong");
    await refused(local("up"), /401 Unauthorized|authorization failed/);
    expect((await get("manifests/2.0.0")).status).toBe(404);
  });
});

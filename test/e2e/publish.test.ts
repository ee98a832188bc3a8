import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRegistry } from "../support/other-registry.ts";
import { cloud, configured, deployed, local, outputs, succeed, summary } from "../support/stack.ts";

const address = `${cloud.prefix}.0.1:5600`;
let stop: () => Promise<void>;

beforeAll(async () => {
  stop = await startRegistry(address, "owner", "canary-token");
});

afterAll(() => stop());

const get = (path: string) =>
  fetch(`http://${address}/v2/owner/hono-app/${path}`, {
    headers: {
      authorization: `Basic ${Buffer.from("owner:canary-token").toString("base64")}`,
      accept: "application/vnd.oci.image.index.v1+json",
    },
  });

const setToken = (token: string) =>
  execFileSync("pulumi", ["config", "set", "--stack", "local", "--secret", "hono-app:publishToken", token], {
    cwd: cloud.project,
    env: cloud.env,
  });

const settings = { publishTo: `${address}/owner/hono-app`, publishVersion: "1.0.0", publishUsername: "owner" };

test("by configuration alone the proven image is also in another registry, under its version and latest", async () => {
  await deployed();
  await configured({ ...settings, publishToken: '""' }, async () => {
    setToken("canary-token");
    const up = await succeed("up");
    const { publishedImage, imageDigest } = (await outputs()) as unknown as {
      publishedImage: { ref: string; digest: string };
      imageDigest: string;
    };
    expect(publishedImage).toEqual({ ref: `${address}/owner/hono-app:1.0.0@${imageDigest}`, digest: imageDigest });
    expect(((await (await get("tags/list")).json()) as { tags: string[] }).tags.sort()).toEqual(["1.0.0", "latest"]);
    for (const tag of ["1.0.0", "latest"]) {
      const response = await get(`manifests/${tag}`);
      expect(response.headers.get("docker-content-digest")).toBe(imageDigest);
      const { manifests } = (await response.json()) as {
        manifests: { platform: { os: string; architecture: string } }[];
      };
      expect(manifests.map(({ platform }) => `${platform.os}/${platform.architecture}`).sort()).toEqual([
        "linux/amd64",
        "linux/arm64",
      ]);
    }
    expect(up).not.toContain("canary-token");
    // What the guide looks at: the manifest list of the published version.
    const login = ["login", "--username", "owner", "--password-stdin", address];
    execFileSync("docker", login, { env: cloud.env, input: "canary-token" });
    try {
      const inspect = ["cli/image.ts", "--inspect", `${address}/owner/hono-app:1.0.0`];
      const shown = execFileSync("node", inspect, { cwd: cloud.project, env: cloud.env, encoding: "utf8" });
      expect(shown).toMatch(
        new RegExp(`MediaType: +application/vnd.oci.image.index.v1\\+json\nDigest: +${imageDigest}`),
      );
      expect([...shown.matchAll(/Platform: +(\S+)/g)].map(([, platform]) => platform).sort()).toEqual([
        "linux/amd64",
        "linux/arm64",
      ]);
    } finally {
      execFileSync("docker", ["logout", address], { env: cloud.env });
    }
    expect(Object.keys(summary(await succeed("preview")))).toEqual(["unchanged"]);
  });
});

test("a wrong token fails with the registry's answer, and the machines are there all the same", async () => {
  await deployed();
  await configured({ ...settings, publishVersion: "2.0.0", publishToken: '""' }, async () => {
    setToken("wrong");
    const { status, output } = await local("up");
    expect(status).toBe(1);
    expect(output).toMatch(/401 Unauthorized|authorization failed/);
    expect((await get("manifests/2.0.0")).status).toBe(404);
  });
});

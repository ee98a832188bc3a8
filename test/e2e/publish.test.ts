import { expect, test } from "vitest";
import { getFrom, startRegistry } from "../support/other-registry.ts";
import { cloud, configured, deployed, local, refused, shell } from "../support/stack.ts";

// What is published where the token is right: test/e2e/docs.test.ts.
test("fails with the registry's answer where the token is wrong, and publishes nothing", async () => {
  await deployed();
  const address = `${cloud.prefix}.0.1:5600`;
  const stop = await startRegistry(address, ["owner", "token"]);
  const settings = { publishTo: `${address}/owner/hono-app`, publishVersion: "2.0.0", publishUsername: "owner" };
  try {
    await configured({ ...settings, publishToken: '""' }, async () => {
      const set = "pulumi config set --stack local --secret publishToken";
      expect((await shell(set, { input: "wrong" })).status).toBe(0);
      await refused(local("up"), /401 Unauthorized|authorization failed/);
      expect((await getFrom(address, "owner", "token", "owner/hono-app/manifests/2.0.0")).status).toBe(404);
    });
  } finally {
    await stop();
  }
});

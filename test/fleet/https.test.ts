import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ACM } from "@aws-sdk/client-acm";
import { expect, test } from "vitest";
import { certify } from "../../local/services/registry.ts";
import { get } from "../../tools/http.ts";
import { balancing, fleetOutputs } from "../support/fleet.ts";
import { temporaryFolder } from "../support/process.ts";
import { aws, cloud, configured, local, type Report, type Result, refused, shell } from "../support/stack.ts";

const domain = "app.example.com";
const folder = temporaryFolder();
const acm = new ACM(aws);

test("HTTPS with the domain's certificate, which is verified; HTTP leads there; without a certificate a preview fails", async () => {
  const [certificate, key] = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  await certify("DNS", domain, key, certificate);
  await configured({ fleet: "true", domain }, async () => {
    await refused(local("preview"), `no certificate for ${domain} has been issued in ACM`);
    const { CertificateArn } = await acm.importCertificate({
      Certificate: readFileSync(certificate),
      PrivateKey: readFileSync(key),
    });
    let destroyed: Result;
    try {
      // The user who deploys trusts the authority that issued the certificate; on this machine nobody else does.
      const trusted = join(folder, "trusted.pem");
      writeFileSync(
        trusted,
        readFileSync(cloud.env.SSL_CERT_FILE as string, "utf8") + readFileSync(certificate, "utf8"),
      );
      const pulumiUp = (bundle: string) =>
        shell("pulumi up --stack local --yes --non-interactive", { env: { NODE_EXTRA_CA_CERTS: bundle } });
      expect(await pulumiUp(trusted)).toMatchObject({ status: 0 });
      expect(fleetOutputs().url).toBe(`https://${domain}`);

      const { LoadBalancers: [balancer] = [] } = await balancing.describeLoadBalancers({});
      const address = balancer?.DNSName ?? "";
      const ca = readFileSync(certificate);
      const headers = { host: domain };
      const { body } = await get(`https://${address}/platform`, { servername: domain, headers, ca });
      expect((JSON.parse(body) as Report).machine.instanceId).toMatch(/^i-/);
      const http = await get(`http://${address}/page?x=1`, { headers });
      expect(`${http.status} ${http.headers.location}`).toMatch(/^301 https:\/\/app\.example\.com(:443)?\/page\?x=1$/);
    } finally {
      destroyed = await local("destroy");
      // In use, where destroy has failed.
      await acm.deleteCertificate({ CertificateArn }).catch(() => {});
    }
    expect(destroyed.status, destroyed.output).toBe(0);
  });
});

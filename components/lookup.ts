import { X509Certificate } from "node:crypto";
import { getCertificate } from "@pulumi/aws/acm/getCertificate.js";
import { getAmi } from "@pulumi/aws/ec2/getAmi.js";
import { getInstanceTypeOfferings } from "@pulumi/aws/ec2/getInstanceTypeOfferings.js";
import { getAuthorizationToken } from "@pulumi/aws/ecr/getAuthorizationToken.js";
import { getImage } from "@pulumi/aws/ecr/getImage.js";
import { getAvailabilityZones } from "@pulumi/aws/getAvailabilityZones.js";
import { getParameter } from "@pulumi/aws/ssm/getParameter.js";
import * as pulumi from "@pulumi/pulumi";
import { architectures, type MachineName, machineNames } from "./architecture.ts";
import type { Release } from "./image.ts";
import { contentTagPrefix } from "./image-reference.ts";

export interface LookupArgs {
  readonly instanceTypes: Readonly<Record<MachineName, string>>;
  /** As {@link commonZones} takes them: two, or none. */
  readonly availabilityZones: readonly string[];
  readonly repository: { readonly name: string };
  /** `docker` leaves the login to Docker's own configuration. */
  readonly registryLogin: "program" | "docker";
  /** Tag or digest of an earlier release that is to be deployed. @default the program builds one */
  readonly release?: string;
  /** Of a fleet with HTTPS: its domain, and the primary domain name of the certificate for it. @default no certificate is looked up */
  readonly fleet?: { readonly certificate?: { readonly primary: string; readonly domain: string } };
}

/**
 * Asks AWS, before anything is created, what the machines are to be made from; checks the AMIs, and that zones offer every instance type.
 *
 * @throws Error when AWS refuses a question, an AMI is of another architecture than its machine, or too few zones offer every type.
 */
export async function lookup(args: LookupArgs) {
  const { instanceTypes, repository, registryLogin, release, fleet } = args;
  const [token, regional, found, machines, certificateArn] = await Promise.all([
    getAuthorizationToken(),
    // No Local or Wavelength Zones, to which an account opts in: not everything that the stack is made of exists there.
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AvailabilityZone.html
    // Whatever their state: while a zone has a fault, an `up` must not be refused, or move a stack to another zone and back.
    getAvailabilityZones({ filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] }),
    release === undefined ? undefined : lookupRelease(repository.name, release),
    Promise.all(machineNames.map((name) => lookupMachine(name, instanceTypes[name]))),
    fleet?.certificate && lookupCertificate(fleet.certificate),
  ]).catch((error: unknown) => {
    // Pulumi prints any other error with its stack trace, which is of the connection to the engine.
    throw pulumi.RunError.isInstance(error)
      ? error
      : new pulumi.RunError(
          `${(error as Error).message}, so nothing was changed\nWhat to do: npm run doctor -- --stack ${pulumi.getStack()}`,
        );
  });
  const login = { username: token.userName, password: pulumi.secret(token.password) };
  return {
    /** Newest Amazon Linux 2023 AMI of each machine's architecture. */
    amis: Object.fromEntries(machines.map(({ name, ami }) => [name, ami])) as Record<MachineName, string>,
    /** Two zones that offer every machine's instance type. */
    availabilityZones: commonZones(regional.names, machines, args.availabilityZones),
    /** The account's ECR registry. */
    registry: {
      address: token.proxyEndpoint.replace("https://", ""),
      login: registryLogin === "program" ? login : undefined,
    },
    release: found,
    certificateArn,
  };
}

const listReleases = 'What to do: docs/troubleshooting.md, "First aid", has the command that lists the releases';

/** @throws Error when the registry has no such image, or has it under no release's tag. */
async function lookupRelease(repositoryName: string, release: string): Promise<Release> {
  const id = release.startsWith("sha256:") ? { imageDigest: release } : { imageTag: release };
  const { imageDigest, imageTags } = await getImage({ repositoryName, ...id }).catch((error: Error) => {
    throw new pulumi.RunError(
      `release is ${release}, which ${repositoryName} does not have (${error.message}), so nothing was changed\n${listReleases}`,
    );
  });
  // Contents that differ only in what the build leaves out make the same image, which then has several release tags, in no order. Sorted: the
  // tag is in the user data, and another one would replace the machines.
  const tag = [release, ...imageTags.sort()].find((each) => each.startsWith(contentTagPrefix));
  if (tag === undefined) {
    const tags = imageTags.join(", ") || "no tag";
    throw new pulumi.RunError(
      `${release} in ${repositoryName} has ${tags}; a release has a tag ${contentTagPrefix}…, so nothing was changed\n${listReleases}`,
    );
  }
  return { tag, digest: imageDigest };
}

/** The kinds of key that a load balancer takes. Without them, ACM lists only certificates with RSA keys of 1024 and 2048 bits. */
const keyTypes = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];

/** @throws Error when no certificate of that primary domain name has been issued in the stack's region, or the newest is not for the domain. */
async function lookupCertificate({ primary, domain }: { primary: string; domain: string }): Promise<string> {
  const newest = getCertificate({ domain: primary, statuses: ["ISSUED"], mostRecent: true, keyTypes });
  const { arn, certificate } = await newest.catch((error: Error) => {
    throw new pulumi.RunError(
      `no certificate for ${primary} has been issued in ACM, in the stack's region (${error.message}), so nothing was changed. ` +
        "Request one there and validate it, or set certificateDomain to the primary domain name of an issued one",
    );
  });
  // The verification would find it only after HTTP has been redirected to HTTPS, where browsers refuse the certificate. In `npm run cost`,
  // which asks no account, there is none to look at.
  const found = certificate ? new X509Certificate(certificate) : undefined;
  if (found && found.checkHost(domain) === undefined) {
    const names = found.subjectAltName?.replaceAll("DNS:", "");
    throw new pulumi.RunError(
      `domain is ${domain}, and the newest certificate for ${primary} in ACM, ${arn}, is for ${names}, so nothing was changed. ` +
        `Request one for ${domain}, or set certificateDomain to the primary domain name of one that is for it`,
    );
  }
  return arn;
}

async function lookupMachine(name: MachineName, type: string) {
  const { amiParameter, ec2 } = architectures[name];
  const ofType = [{ name: "instance-type", values: [type] }];
  const [offerings, ami] = await Promise.all([
    getInstanceTypeOfferings({ filters: ofType, locationType: "availability-zone" }),
    getParameter({ name: amiParameter }).then(({ value }) =>
      getAmi({ owners: ["amazon"], filters: [{ name: "image-id", values: [value] }] }),
    ),
  ]);
  if (ami.architecture !== ec2) {
    throw new pulumi.RunError(
      `${name}: AMI ${ami.id} is of architecture ${ami.architecture}; it must be ${ec2}, so nothing was created`,
    );
  }
  return { name, ami: ami.id, type, zones: offerings.locations };
}

/**
 * The chosen zones or, where none is chosen, the first two of the region's zones, by name, that offer every machine's type.
 *
 * @param machines Each one's type, and the zones that offer it.
 * @throws Error when there are fewer than two, or a chosen one does not offer every type.
 */
export function commonZones(
  regional: readonly string[],
  machines: readonly { readonly type: string; readonly zones: readonly string[] }[],
  chosen: readonly string[] = [],
): string[] {
  const common = regional.filter((zone) => machines.every(({ zones }) => zones.includes(zone))).sort();
  if (chosen.length > 0 && chosen.every((zone) => common.includes(zone))) return [...chosen];
  if (chosen.length === 0 && common.length >= 2) return common.slice(0, 2);
  const offered = (zones: readonly string[]) => regional.filter((zone) => zones.includes(zone)).sort();
  const offers = machines.map(({ type, zones }) => `${type} in ${offered(zones).join(", ") || "none"}`).join("; ");
  throw new pulumi.RunError(
    chosen.length > 0
      ? `availabilityZones is ${JSON.stringify(chosen)}; allowed: zones that offer every instance type; offered: ${offers}. Nothing was created`
      : `two availability zones that offer every instance type are needed; offered: ${offers}. Choose other types or another region`,
  );
}

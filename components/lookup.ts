import { X509Certificate } from "node:crypto";
import { getCertificate } from "@pulumi/aws/acm/getCertificate.js";
import { getAmi } from "@pulumi/aws/ec2/getAmi.js";
import { getInstanceTypeOfferings } from "@pulumi/aws/ec2/getInstanceTypeOfferings.js";
import { getAuthorizationToken } from "@pulumi/aws/ecr/getAuthorizationToken.js";
import { getImage } from "@pulumi/aws/ecr/getImage.js";
import { getAvailabilityZones } from "@pulumi/aws/getAvailabilityZones.js";
import { getParameter } from "@pulumi/aws/ssm/getParameter.js";
import * as pulumi from "@pulumi/pulumi";
import { architectures, eachMachine, eachMachineAtOnce, type MachineName, machineNames } from "./architecture.ts";
import type { Release } from "./image.ts";
import { contentTagPrefix } from "./image-reference.ts";

export interface LookupArgs {
  readonly instanceTypes: Readonly<Record<MachineName, string>>;
  /** Two zones for the machines; none for the first two, by name, that offer every machine's type. */
  readonly availabilityZones: readonly string[];
  readonly repository: { readonly name: string };
  /** `docker` leaves the login to Docker's own configuration. */
  readonly registryLogin: "program" | "docker";
  /** Tag or digest of an earlier release that is to be deployed. */
  readonly release?: string;
  /** A fleet; the certificate of that primary domain name must have been issued, for the domain. */
  readonly fleet?: { readonly certificate?: { readonly primary: string; readonly domain: string } };
}

/**
 * Asks AWS, before anything is created, what the machines are to be made from; checks the AMIs, and that zones offer every instance type.
 *
 * @throws Error when AWS refuses a question, an AMI is of another architecture than its machine, or too few zones offer every type.
 */
export async function lookup(args: LookupArgs) {
  const { instanceTypes, repository, registryLogin, release, fleet } = args;
  const [token, regular, found, machines, certificateArn] = await Promise.all([
    getAuthorizationToken(),
    // No Local or Wavelength Zones, to which an account opts in: not everything that the stack is made of exists there.
    // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AvailabilityZone.html
    // Whatever their state: while a zone has a fault, an `up` must not be refused, or move a stack to another zone and back.
    getAvailabilityZones({ filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] }),
    release === undefined ? undefined : lookupRelease(repository.name, release),
    eachMachineAtOnce((name) => lookupMachine(name, instanceTypes[name])),
    fleet?.certificate && lookupCertificate(fleet.certificate),
  ]).catch((error: unknown) => {
    // Any other error would be shown with the stack of the engine's connection.
    throw pulumi.RunError.isInstance(error)
      ? error
      : new pulumi.RunError(
          `${(error as Error).message}, so nothing was changed\nWhat to do: npm run doctor -- --stack ${pulumi.getStack()}`,
        );
  });
  const login = { username: token.userName, password: pulumi.secret(token.password) };
  return {
    /** Newest Amazon Linux 2023 AMI of each machine's architecture. */
    amis: eachMachine((name) => machines[name].ami),
    /** Two zones that offer every machine's instance type. */
    availabilityZones: commonZones(
      regular.names,
      eachMachine((name) => machines[name].zones),
      instanceTypes,
      args.availabilityZones,
    ),
    /** The account's ECR registry. */
    registry: {
      address: token.proxyEndpoint.replace("https://", ""),
      login: registryLogin === "program" ? login : undefined,
    },
    release: found,
    certificateArn,
  };
}

const releases = 'What to do: docs/troubleshooting.md, "First aid", has the command that lists the releases';

/** @throws Error when the registry has no such image, or has it under no release's tag. */
async function lookupRelease(repositoryName: string, release: string): Promise<Release> {
  const id = release.startsWith("sha256:") ? { imageDigest: release } : { imageTag: release };
  const { imageDigest, imageTags } = await getImage({ repositoryName, ...id }).catch((error: Error) => {
    throw new pulumi.RunError(
      `release is ${release}, which ${repositoryName} does not have (${error.message}), so nothing was changed\n${releases}`,
    );
  });
  // Contents that differ in what the build leaves out make one image, which has the tag of each, in no order: another one would be another
  // user data, and replace the machines.
  const tag = [release, ...imageTags.sort()].find((each) => each.startsWith(contentTagPrefix));
  if (tag === undefined) {
    const tags = imageTags.join(", ") || "no tag";
    throw new pulumi.RunError(
      `${release} in ${repositoryName} has ${tags}; a release has a tag ${contentTagPrefix}…, so nothing was changed\n${releases}`,
    );
  }
  return { tag, digest: imageDigest };
}

/** Those that a load balancer takes; unless it is asked for them, ACM lists RSA keys of 1024 and 2048 bits alone. */
const keyTypes = ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];

/** @throws Error when no certificate of that primary domain name has been issued in the stack's region, or the newest is not for the domain. */
async function lookupCertificate({ primary, domain }: { primary: string; domain: string }): Promise<string> {
  const asked = getCertificate({ domain: primary, statuses: ["ISSUED"], mostRecent: true, keyTypes });
  const { arn, certificate } = await asked.catch((error: Error) => {
    throw new pulumi.RunError(
      `no certificate for ${primary} has been issued in ACM, in the stack's region (${error.message}), so nothing was changed. ` +
        "Request one there and validate it, or set certificateDomain to the primary domain name of an issued one",
    );
  });
  // The verification would find it only when HTTP leads to HTTPS already, where browsers refuse it. `npm run cost` asks no account, and has none.
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

async function lookupMachine(name: MachineName, instanceType: string): Promise<{ ami: string; zones: string[] }> {
  const { amiParameter, ec2 } = architectures[name];
  const [offerings, ami] = await Promise.all([
    getInstanceTypeOfferings({
      filters: [{ name: "instance-type", values: [instanceType] }],
      locationType: "availability-zone",
    }),
    getParameter({ name: amiParameter }).then((parameter) =>
      getAmi({ owners: ["amazon"], filters: [{ name: "image-id", values: [parameter.value] }] }),
    ),
  ]);
  if (ami.architecture !== ec2) {
    throw new pulumi.RunError(
      `${name}: AMI ${ami.id} is of architecture ${ami.architecture}; it must be ${ec2}, so nothing was created`,
    );
  }
  return { ami: ami.id, zones: offerings.locations };
}

/**
 * The chosen zones or, where none is, the first two of the region's, by name, that offer every machine's type.
 *
 * @throws Error when there are fewer than two, or a chosen one does not offer every type.
 */
export function commonZones(
  zones: readonly string[],
  offering: Readonly<Record<MachineName, string[]>>,
  types: Readonly<Record<MachineName, string>>,
  chosen: readonly string[] = [],
): string[] {
  const offered = (name: MachineName) => zones.filter((zone) => offering[name].includes(zone)).sort();
  const common = zones.filter((zone) => machineNames.every((name) => offering[name].includes(zone))).sort();
  if (chosen.length > 0 && chosen.every((zone) => common.includes(zone))) return [...chosen];
  if (chosen.length === 0 && common.length >= 2) return common.slice(0, 2);
  const offers = machineNames.map((name) => `${types[name]} in ${offered(name).join(", ") || "none"}`).join("; ");
  throw new pulumi.RunError(
    chosen.length > 0
      ? `availabilityZones is ${JSON.stringify(chosen)}; allowed: zones that offer every instance type; offered: ${offers}. Nothing was created`
      : `two availability zones that offer every instance type are needed; offered: ${offers}. Choose other types or another region`,
  );
}

import { every } from "../../lists.ts";
import { acm, ec2, ecr, ssm } from "./clients.ts";
import { lowered, scalars } from "./operations.ts";
import type { Lookup } from "./provider.ts";
import { ec2Arn, fromTags } from "./tags.ts";
import type { Props } from "./values.ts";

const region = () => process.env.AWS_REGION;
const FILTERS = { "filters.name": [], "filters.values": [] } as const;
const toFilters = (filters?: Props[]) => filters?.map(({ name, values }) => ({ Name: name, Values: values }));

export const functions: Record<string, Lookup> = {
  "aws:index/getAvailabilityZones:getAvailabilityZones": {
    inputs: FILTERS,
    async run({ filters }) {
      const { AvailabilityZones: zones = [] } = await ec2().describeAvailabilityZones({ Filters: toFilters(filters) });
      return { id: region(), names: zones.map(({ ZoneName }) => ZoneName) };
    },
  },
  "aws:acm/getCertificate:getCertificate": {
    inputs: { domain: ["required"], keyTypes: [], mostRecent: [], statuses: [] },
    async run({ domain, keyTypes, mostRecent, statuses = ["ISSUED"] }) {
      const pages = acm().paginateListCertificates({
        CertificateStatuses: statuses,
        // ACM hides keys of other types than RSA_1024 and RSA_2048 unless it is asked for them.
        Includes: keyTypes && { keyTypes },
      });
      const listed = await every(pages, (page) => page.CertificateSummaryList);
      const found = await Promise.all(
        listed
          .filter(({ DomainName }) => DomainName === domain)
          .map(({ CertificateArn }) => acm().describeCertificate({ CertificateArn })),
      );
      if (found.length === 0) throw new Error(`no ACM Certificate matching domain (${domain})`);
      if (found.length > 1 && !mostRecent) throw new Error(`multiple ACM Certificates matching domain (${domain})`);
      const since = (certificate?: Props) => Number(certificate?.NotBefore ?? certificate?.CreatedAt);
      const [newest] = found.map(({ Certificate }) => Certificate).sort((a, b) => since(b) - since(a));
      const { CertificateArn = "", Status } = newest ?? {};
      const text = Status === "ISSUED" ? await acm().getCertificate({ CertificateArn }) : undefined;
      const { Tags } = await acm().listTagsForCertificate({ CertificateArn });
      return {
        id: CertificateArn,
        arn: CertificateArn,
        status: Status,
        tags: fromTags(Tags),
        certificate: text?.Certificate,
        certificateChain: text?.CertificateChain,
      };
    },
  },
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
    inputs: { registryId: [] },
    async run() {
      const { authorizationData: [data] = [] } = await ecr().getAuthorizationToken({});
      const token = data?.authorizationToken ?? "";
      const [userName, password] = Buffer.from(token, "base64").toString().split(":");
      return {
        id: region(),
        authorizationToken: token,
        userName,
        password,
        proxyEndpoint: data?.proxyEndpoint,
        expiresAt: data?.expiresAt?.toISOString(),
      };
    },
  },
  "aws:ecr/getImage:getImage": {
    inputs: { repositoryName: ["required"], imageTag: [], imageDigest: [] },
    async run({ repositoryName, imageTag, imageDigest }) {
      const request = { repositoryName, imageIds: [{ imageTag, imageDigest }] };
      const { imageDetails: [image] = [] } = await ecr().describeImages(request);
      const { imageDigest: id, imageTags = [] } = image ?? {};
      const { repositories } = await ecr().describeRepositories({ repositoryNames: [repositoryName] });
      const imageUri = `${repositories?.[0]?.repositoryUri}@${id}`;
      return { id, repositoryName, imageTag, imageDigest: id, imageTags, imageUri };
    },
  },
  "aws:ssm/getParameter:getParameter": {
    inputs: { name: ["required"], withDecryption: [] },
    async run({ name, withDecryption = true }) {
      const { Parameter } = await ssm().getParameter({ Name: name, WithDecryption: withDecryption });
      const { ARN, Type, Value, Version } = Parameter ?? {};
      return { id: name, arn: ARN, type: Type, value: Value, insecureValue: Value, version: Version, withDecryption };
    },
  },
  "aws:ec2/getAmi:getAmi": {
    inputs: { owners: [], ...FILTERS },
    async run({ owners, filters }) {
      const pages = ec2().paginateDescribeImages({ Owners: owners, Filters: toFilters(filters) });
      const [ami, another] = await every(pages, (page) => page.Images);
      if (!ami) throw new Error("Your query returned no results. Please change your search criteria and try again.");
      if (another) {
        throw new Error(
          "Your query returned more than one result. Please try a more specific search criteria, or set `most_recent` attribute to true.",
        );
      }
      return {
        id: ami.ImageId,
        arn: ec2Arn("", `image/${ami.ImageId}`),
        ...scalars(lowered(ami)),
        tags: fromTags(ami.Tags),
      };
    },
  },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
    inputs: { locationType: [], ...FILTERS },
    async run({ locationType, filters }) {
      const request = { LocationType: locationType, Filters: toFilters(filters) };
      const pages = ec2().paginateDescribeInstanceTypeOfferings(request);
      const found = await every(pages, (page) => page.InstanceTypeOfferings);
      return { id: region(), locations: found.map(({ Location }) => Location) };
    },
  },
};

import { architectures, platforms } from "./components/architecture.ts";
import { Image } from "./components/image.ts";
import { ImageIndex } from "./components/image-index.ts";
import { Instance } from "./components/instance.ts";
import { lookup } from "./components/lookup.ts";
import { MachineRole } from "./components/machine-role.ts";
import { Network } from "./components/network.ts";
import { Repository } from "./components/repository.ts";
import { Verification } from "./components/verification.ts";
import { loadConfig } from "./config.ts";

const settings = loadConfig();
const { name, region, profile, port, permissionsBoundary, tags } = settings;
const { amis, availabilityZones, registry, release } = await lookup(settings);

const { protect } = settings;
const repository = new Repository(
  name,
  {
    name: settings.repositoryName,
    keepReleases: settings.keepReleases,
    latestTag: settings.latestTag,
    forceDelete: settings.forceDelete,
    tags,
  },
  { protect },
);

const image = new Image(
  name,
  {
    context: "app",
    platforms,
    registry,
    repositoryName: settings.repositoryName,
    builder: settings.builder,
    latest: settings.latestTag,
    release,
  },
  { dependsOn: repository },
);

const imageIndex = new ImageIndex(name, {
  region,
  profile,
  repositoryName: settings.repositoryName,
  repository: image.repository,
  built: image.digest,
  tags: image.tags,
  platforms,
});

const network = new Network(name, {
  cidrBlock: settings.vpcCidr,
  availabilityZones,
  port,
  allowedCidrs: settings.allowedCidrs,
  permissionsBoundary,
  tags,
});

const role = new MachineRole(name, { repositoryArn: repository.arn, permissionsBoundary, tags });

const shared = {
  appName: name,
  amiUpdate: settings.amiUpdate,
  region,
  port,
  imageRef: imageIndex.ref,
  securityGroupId: network.securityGroupId,
  instanceProfile: role.instanceProfile,
  volumeSize: settings.volumeSize,
  tags,
};

const gravitonInstance = new Instance(
  `${name}-graviton`,
  {
    ...shared,
    architecture: architectures.graviton,
    instanceType: settings.instanceTypes.graviton,
    ami: amis.graviton,
    subnetId: network.subnetIds.graviton,
  },
  { protect, dependsOn: imageIndex },
);

const intelInstance = new Instance(
  `${name}-intel`,
  {
    ...shared,
    architecture: architectures.intel,
    instanceType: settings.instanceTypes.intel,
    ami: amis.intel,
    subnetId: network.subnetIds.intel,
  },
  { protect, dependsOn: imageIndex },
);

const gravitonVerification = new Verification(`${name}-graviton`, {
  url: gravitonInstance.url,
  instanceId: gravitonInstance.instanceId,
  digest: imageIndex.digest,
  configs: imageIndex.configs,
  architecture: architectures.graviton,
  region,
  profile,
  timeout: settings.verificationTimeout,
});

const intelVerification = new Verification(`${name}-intel`, {
  url: intelInstance.url,
  instanceId: intelInstance.instanceId,
  digest: imageIndex.digest,
  configs: imageIndex.configs,
  architecture: architectures.intel,
  region,
  profile,
  timeout: settings.verificationTimeout,
});

const published =
  settings.publish &&
  new Image(
    `${name}-published`,
    { context: "app", platforms, builder: settings.builder, ...settings.publish },
    { dependsOn: [gravitonVerification, intelVerification] },
  );

export const repositoryUrl = repository.url;
export const imageRef = imageIndex.ref;
export const imageDigest = imageIndex.digest;
export const imagePlatforms = image.platforms;
export const graviton = {
  id: gravitonInstance.instanceId,
  type: gravitonInstance.instanceType,
  ami: gravitonInstance.ami,
  url: gravitonInstance.url,
  proof: gravitonVerification.proof,
};
export const intel = {
  id: intelInstance.instanceId,
  type: intelInstance.instanceType,
  ami: intelInstance.ami,
  url: intelInstance.url,
  proof: intelVerification.proof,
};
export const verifiedArchitectures = {
  graviton: gravitonVerification.proof.image,
  intel: intelVerification.proof.image,
};
/** null where nothing is published: an undefined output is warned about. */
export const publishedImage = published ? { ref: published.ref, digest: published.digest } : null;

import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { getStack } from "@pulumi/pulumi";
import { architectures, eachMachine, platforms } from "./components/architecture.ts";
import { Balancer } from "./components/balancer.ts";
import { Image } from "./components/image.ts";
import { ImageIndex } from "./components/image-index.ts";
import { imageRef as refOf } from "./components/image-reference.ts";
import { InstanceRole } from "./components/instance-role.ts";
import { lookup } from "./components/lookup.ts";
import { Machine } from "./components/machine.ts";
import { MachineGroup } from "./components/machine-group.ts";
import { Network } from "./components/network.ts";
import { Repository } from "./components/repository.ts";
import { tagEveryResource } from "./components/resource-tags.ts";
import { loadConfig } from "./config.ts";

const settings = loadConfig();
const { name, aws, builder, fleet, protect } = settings;
tagEveryResource(settings.tags);
const { registry, release, availabilityZones, amis, certificateArn } = await lookup(settings);
const source = { context: "app", platforms, builder };

const repository = new Repository(name, settings.repository, { protect });
const image = new Image(name, { ...source, ...settings.image, registry, release }, { dependsOn: repository });
const index = new ImageIndex(name, { ...aws, image, platforms });

const network = new Network(name, { ...settings.network, availabilityZones, repositoryArn: repository.arn });
// The stack is in the name, by which people look for it.
const logs = new LogGroup(`${name}-machines-${getStack()}`, settings.logs);
const access = { repositoryArn: repository.arn, logGroupArn: logs.arn };
const role = new InstanceRole(name, { ...settings.role, ...access });
const front = { ...network.forBalancer, certificateArn, protect };
const balancer = fleet && new Balancer(name, { ...fleet.balancer, ...front }, { dependsOn: network });

const machines = eachMachine((machine) => {
  const args = {
    ...aws,
    ...settings.machine,
    appName: name,
    architecture: architectures[machine],
    instanceType: settings.instanceTypes[machine],
    ami: amis[machine],
    securityGroupId: network.securityGroupId,
    instanceProfile: role.instanceProfile,
    image: index.reference,
    configs: index.configs,
    logGroup: logs.name,
  };
  if (!fleet || !balancer) {
    return new Machine(`${name}-${machine}`, { ...args, subnetId: network.subnetIds[machine] }, { protect });
  }
  const { dnsName: address, targetGroupArn } = balancer;
  const group = { ...fleet.group, ...network.forGroup, address, targetGroupArn, protect };
  return new MachineGroup(`${name}-${machine}`, { ...args, ...group }, { dependsOn: balancer });
});

const published =
  settings.publish &&
  new Image(`${name}-published`, { ...source, ...settings.publish }, { dependsOn: Object.values(machines) });

export const repositoryUrl = repository.url;
export const imageRef = index.reference.apply(refOf);
export const imageDigest = index.digest;
export const imagePlatforms = image.platforms;
export const logGroup = logs.name;
/** The one address of a fleet; nothing where each machine has its own. */
export const url = balancer?.url;
/** The load balancer's own name, to which DNS points `domain`. */
export const balancerName = balancer?.dnsName;
export const { graviton, intel } = eachMachine((machine) => machines[machine].summary);
export const verifiedArchitectures = eachMachine((machine) => machines[machine].proof.image);
export const publishedImage = published && { ref: published.reference.apply(refOf), digest: published.digest };

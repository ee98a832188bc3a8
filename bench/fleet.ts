// A stack of as many machines as it is told, made of the stack's own components: node bench/fleet.ts up|destroy MACHINES
// It runs in a clone, in a local cloud's environment, and prints what it took in seconds.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { architectures, type MachineName, machineNames, platforms } from "../components/architecture.ts";
import { Image } from "../components/image.ts";
import { ImageIndex } from "../components/image-index.ts";
import { Instance } from "../components/instance.ts";
import { lookup } from "../components/lookup.ts";
import { MachineRole } from "../components/machine-role.ts";
import { Network } from "../components/network.ts";
import { Repository } from "../components/repository.ts";
import { Verification } from "../components/verification.ts";
import { builder } from "../local/buildkit/buildkitd.ts";
import { openCloud } from "../local/cloud.ts";

const [command, count] = [process.argv[2], Number(process.argv[3])];
const name = "fleet";
const tags = { project: name };
const cloud = await openCloud();
const region = cloud.env.AWS_REGION ?? "";
const instanceTypes = { graviton: "t4g.small", intel: "t3.small" };

async function program(): Promise<void> {
  const { amis, availabilityZones, registry } = await lookup({
    instanceTypes,
    repositoryName: name,
    registryLogin: "program",
  });
  const repository = new Repository(name, { name, keepReleases: 2, forceDelete: true, tags });
  const image = new Image(
    name,
    { context: "app", platforms, registry, repositoryName: name, builder },
    { dependsOn: repository },
  );
  const imageIndex = new ImageIndex(name, {
    region,
    repositoryName: name,
    repository: image.repository,
    built: image.digest,
    tags: image.tags,
    platforms,
  });
  const network = new Network(name, {
    cidrBlock: "10.0.0.0/16",
    availabilityZones,
    port: 80,
    allowedCidrs: ["0.0.0.0/0"],
    tags,
  });
  const role = new MachineRole(name, { repositoryArn: repository.arn, tags });
  for (let index = 0; index < count; index++) {
    const machine = machineNames[index % machineNames.length] as MachineName;
    const architecture = architectures[machine];
    const instance = new Instance(`${name}-${index}`, {
      appName: name,
      architecture,
      instanceType: instanceTypes[machine],
      ami: amis[machine],
      region,
      subnetId: network.subnetIds[machine],
      securityGroupId: network.securityGroupId,
      instanceProfile: role.instanceProfile,
      imageRef: imageIndex.ref,
      port: 80,
      volumeSize: 8,
      tags,
    });
    new Verification(`${name}-${index}`, {
      url: instance.url,
      instanceId: instance.instanceId,
      digest: imageIndex.digest,
      configs: imageIndex.configs,
      architecture,
      region,
      timeout: 300,
    });
  }
}

const workDir = join(cloud.dir, name);
mkdirSync(workDir, { recursive: true });
rmSync(join(workDir, "app"), { recursive: true, force: true });
cpSync("app", join(workDir, "app"), { recursive: true });
process.chdir(workDir);
const stack = await LocalWorkspace.createOrSelectStack(
  { projectName: name, stackName: name, program },
  { workDir, envVars: cloud.env as Record<string, string> },
);
const onOutput = (output: string) => void process.stderr.write(output);
const started = performance.now();
if (command === "destroy") await stack.destroy({ onOutput });
else await stack.up({ onOutput });
console.log((performance.now() - started) / 1000);

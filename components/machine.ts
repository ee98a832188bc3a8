import { Instance } from "@pulumi/aws/ec2/instance.js";
import * as pulumi from "@pulumi/pulumi";
import { inputsOf, type LaunchArgs, launchSettings, proofOf } from "./launch-settings.ts";
import type { Proof } from "./proof.ts";
import { Verification } from "./verification.ts";

export interface MachineArgs extends LaunchArgs {
  subnetId: pulumi.Input<string>;
}

/**
 * An instance that pulls the image for its own architecture and runs it, and the proof that it does. It is replaced, never changed in
 * place.
 */
export class Machine extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly instanceType: pulumi.Output<string>;
  /** The AMI that it runs; in a preview, the one that it will run. */
  readonly ami: pulumi.Output<string>;
  /** The app's address, without a path. */
  readonly url: pulumi.Output<string>;
  readonly proof: pulumi.Output<Proof>;

  constructor(name: string, args: MachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Machine", name, inputsOf(args), opts);
    const { volume, ...settings } = launchSettings(args);
    const tags = { Name: name };

    const instance = new Instance(
      name,
      {
        ...settings,
        ami: args.ami,
        subnetId: args.subnetId,
        vpcSecurityGroupIds: [args.securityGroupId],
        iamInstanceProfile: args.instanceProfile,
        // The one exception to the controls (EC2.9 / CKV_AWS_88): people reach the app without a load balancer, and the machine pulls without
        // a NAT gateway. The setting `fleet` avoids it, for more than the price of the machines.
        associatePublicIpAddress: true,
        // Changed user data would otherwise reboot the machine and not run again.
        userDataReplaceOnChange: true,
        rootBlockDevice: volume,
        tags,
        // Not rootBlockDevice.tags, which the provider sets after the launch: an organization may refuse an untagged volume.
        // https://github.com/hashicorp/terraform-provider-aws/issues/41653
        volumeTags: tags,
      },
      {
        parent: this,
        // This only keeps a newer AMI from being a reason to replace: an instance that is replaced gets the newest one.
        ignoreChanges: args.amiUpdate === "keep" ? ["ami"] : [],
        // In place, EBS makes no volume smaller, and the file system of one that it makes larger stays as it was. Another security group for a
        // running machine takes the permission to change any network interface of the account: those of instances have no tags.
        // https://docs.aws.amazon.com/ebs/latest/userguide/ebs-modify-volume.html
        replaceOnChanges: [
          ...["rootBlockDevice.volumeSize", "vpcSecurityGroupIds"],
          // To change one of these in place, or to undo a change that was made by hand, the user who deploys would need one more permission for
          // each. A change of the instance type would also stop the machine.
          ...["creditSpecification", "iamInstanceProfile", "instanceType", "rootBlockDevice.volumeType"],
        ],
        // `protect` blocks destroy of the component; the instance must stay replaceable, since every release replaces it.
        protect: false,
      },
    );

    this.instanceId = instance.id;
    this.instanceType = instance.instanceType;
    this.ami = instance.ami;
    const port = args.port === 80 ? "" : `:${args.port}`;
    this.url = pulumi.interpolate`http://${instance.publicIp}${port}`;
    const { url, instanceId, instanceType, ami } = this;
    const { proof } = new Verification(name, { ...proofOf(args), url, instanceId }, { parent: this });
    this.proof = proof;
    this.registerOutputs({ instanceId, instanceType, ami, url, proof });
  }

  /** What the stack's outputs say of it. */
  get summary() {
    return { id: this.instanceId, type: this.instanceType, ami: this.ami, url: this.url, proof: this.proof };
  }
}

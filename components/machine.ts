import * as pulumi from "@pulumi/pulumi";
import { Instance, type InstanceArgs } from "./instance.ts";
import { inputsOf } from "./launch-settings.ts";
import type { Proof } from "./proof.ts";
import { Verification, type VerificationArgs } from "./verification.ts";

export interface MachineArgs extends InstanceArgs, Pick<VerificationArgs, "configs" | "profile"> {
  /** Seconds until the instance must have proven itself. */
  verificationTimeout: number;
}

/** An instance of one architecture, and the proof that it runs the image for that architecture. */
export class Machine extends pulumi.ComponentResource {
  readonly instanceId: pulumi.Output<string>;
  readonly instanceType: pulumi.Output<string>;
  readonly ami: pulumi.Output<string>;
  /** The app's address, without a path. */
  readonly url: pulumi.Output<string>;
  readonly proof: pulumi.Output<Proof>;

  constructor(name: string, args: MachineArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hono-app:index:Machine", name, inputsOf(args), opts);
    const { configs, profile, verificationTimeout, ...instanceArgs } = args;

    const instance = new Instance(name, instanceArgs, { parent: this });
    const { proof } = new Verification(
      name,
      {
        url: instance.url,
        instanceId: instance.instanceId,
        digest: pulumi.output(args.image).digest,
        configs,
        architecture: args.architecture,
        logGroup: args.logGroup,
        region: args.region,
        profile,
        timeout: verificationTimeout,
      },
      { parent: this },
    );

    this.instanceId = instance.instanceId;
    this.instanceType = instance.instanceType;
    this.ami = instance.ami;
    this.url = instance.url;
    this.proof = proof;
    this.registerOutputs({
      instanceId: this.instanceId,
      instanceType: this.instanceType,
      ami: this.ami,
      url: this.url,
      proof,
    });
  }

  /** What the stack's outputs say of it. */
  get summary() {
    return { id: this.instanceId, type: this.instanceType, ami: this.ami, url: this.url, proof: this.proof };
  }
}

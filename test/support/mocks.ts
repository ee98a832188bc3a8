import { createRequire } from "node:module";
import * as pulumi from "@pulumi/pulumi";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import debuggable from "@pulumi/pulumi/runtime/debuggable.js";
import { deserializeProperties, specialSecretSig, specialSigKey } from "@pulumi/pulumi/runtime/rpc.js";
import { getMonitor } from "@pulumi/pulumi/runtime/settings.js";
import { runProgram as run } from "../../cli/shared/program.ts";
import { projectName } from "../../tools/project.ts";
import { stackConfig } from "../../tools/stack-config.ts";

const nameOf = (urn: string) => urn.split("::").slice(2).join(" ").split("$").at(-1) ?? "";

/** What the program registered; other resources are named by type and name, as in `aws:iam/role:Role hono-app`. */
export type Registration = ReturnType<typeof registrationOf> & {
  /** What a component, or the stack, registered as its outputs. */
  outputs?: Record<string, unknown>;
};

// Pulumi keeps a stack trace of every promise, to say which were never settled: two thirds of a program's time.
Object.assign(debuggable, { debuggablePromise: (promise: unknown) => promise });

// Vitest reports an error with all that it refers to, and a resource refers to the whole program: that takes minutes.
Object.defineProperty(pulumi.ResourceError.prototype, "resource", { set() {} });

const registrationOf = ({ type, name, inputs }: pulumi.runtime.MockResourceArgs, request: RegisterResourceRequest) => ({
  type,
  name,
  inputs: inputs as Record<string, unknown>,
  parent: nameOf(request.getParent()),
  dependsOn: request.getDependenciesList().map(nameOf).sort(),
  protect: request.getProtect() ?? false,
  retainOnDelete: request.getRetainondelete() ?? false,
  deleteBeforeReplace: request.getDeletebeforereplace() ?? false,
  ignoreChanges: request.getIgnorechangesList(),
  replaceOnChanges: request.getReplaceonchangesList(),
  replacementTrigger: String(request.getReplacementTrigger()?.toJavaScript() ?? ""),
  timeouts: {
    create: request.getCustomtimeouts()?.getCreate() ?? "",
    update: request.getCustomtimeouts()?.getUpdate() ?? "",
  },
});

/** A secret as the engine sends it. */
export const secret = (value: unknown) => ({ [specialSigKey]: specialSecretSig, value });

/** What AWS answers, by the function's token, and what the engine says of resources, by their type; a test replaces an entry to say otherwise. */
type Answers = Record<string, (inputs: Record<string, unknown>) => object>;

const registered: Registration[] = [];
let answers: Answers = {};

export const account = "123456789012";
export const registryHost = `${account}.dkr.ecr.ap-northeast-2.amazonaws.com`;
export const digest = `sha256:${"d".repeat(64)}`;

/** For *.example.com. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBQjCB9aADAgECAhRBRAdHyDLvldd2aCa7jUjMvSCe9jAFBgMrZXAwDDEKMAgG
A1UEAwwBeDAgFw0yNjEyMDEwNDIwMzZaGA8yMTI2MTEwNzA0MjAzNlowDDEKMAgG
A1UEAwwBeDAqMAUGAytlcAMhAO3HsLbTY1pDO4hiEKrnz4MAEneQ16vDpk0cF3Av
+h2Lo2cwZTAdBgNVHQ4EFgQUiJqQmuu/DMwJRRzgL6lUz1h9QLAwHwYDVR0jBBgw
FoAUiJqQmuu/DMwJRRzgL6lUz1h9QLAwGAYDVR0RBBEwD4INKi5leGFtcGxlLmNv
bTAJBgNVHRMEAjAAMAUGAytlcANBAGmR+0vTOvshO8ruJalSPM+eLw+JJJ0IXBE0
VQooYiZMtqZw98pNqxsvvoQgXXdYGAd38qRspNCrxN2mq5X6bAI=
-----END CERTIFICATE-----`;

const defaults: Answers = {
  "aws:ecr/getAuthorizationToken:getAuthorizationToken": () => ({
    proxyEndpoint: `https://${registryHost}`,
    userName: "AWS",
    password: "canary-token",
  }),
  "aws:acm/getCertificate:getCertificate": ({ domain }) => ({
    arn: `arn:aws:acm:ap-northeast-2:${account}:certificate/${domain}`,
    certificate,
  }),
  "aws:ssm/getParameter:getParameter": ({ name }) => ({ value: `ami-of-${name}` }),
  "aws:ec2/getAmi:getAmi": ({ filters }) => {
    const [{ values }] = filters as [{ values: [string] }];
    return { id: values[0], architecture: values[0].endsWith("arm64") ? "arm64" : "x86_64" };
  },
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": () => ({
    locations: ["ap-northeast-2-local-1a", "ap-northeast-2c", "ap-northeast-2a"],
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": () => ({
    names: ["ap-northeast-2a", "ap-northeast-2b", "ap-northeast-2c"],
  }),
};

/** Starts another program: nothing registered, AWS answering as usual but for the given functions. */
export async function mock(replaced: Answers = {}, stack = "dev"): Promise<void> {
  registered.length = 0;
  answers = { ...defaults, ...replaced };
  await pulumi.runtime.setMocks(
    {
      newResource(args) {
        const { type, name, inputs } = args;
        registered.push(registrationOf(args, request));
        const outputs: Record<string, unknown> = {
          "aws:ecr/repository:Repository": {
            arn: `arn:aws:ecr:ap-northeast-2:${account}:repository/${inputs.name}`,
            registryId: account,
            repositoryUrl: `${registryHost}/${inputs.name}`,
          },
          "aws:cloudwatch/logGroup:LogGroup": { arn: `arn:aws:logs:ap-northeast-2:${account}:log-group:${name}` },
          "aws:ec2/instance:Instance": { publicIp: "203.0.113.7" },
          "aws:iam/role:Role": { arn: `arn:aws:iam::${account}:role/${name}` },
          "aws:ec2/launchTemplate:LaunchTemplate": { latestVersion: 3 },
          "aws:lb/loadBalancer:LoadBalancer": {
            arn: `arn:aws:elasticloadbalancing:ap-northeast-2:${account}:loadbalancer/app/${name}/1`,
            arnSuffix: `app/${name}/1`,
            dnsName: "balancer.example",
          },
          "aws:lb/targetGroup:TargetGroup": {
            arn: `arn:aws:elasticloadbalancing:ap-northeast-2:${account}:targetgroup/${name}/1`,
            arnSuffix: `targetgroup/${name}/1`,
          },
          "aws:ec2/eip:Eip": { allocationId: `${name}-allocation` },
          "docker-build:index:Image": { digest },
          "pulumi-nodejs:dynamic/hono-app:Verification": { proof: inputs.expected },
          "pulumi-nodejs:dynamic/hono-app:KeptAmi": { ami: inputs.newest },
          "pulumi-nodejs:dynamic/hono-app:GroupVerification": {
            proof: { image: inputs.expected?.image, machines: [{ id: "i-1", zone: "a", proof: inputs.expected }] },
          },
          "pulumi-nodejs:dynamic/hono-app:ImageIndex": {
            digest,
            configs: { "linux/arm64": "sha256:arm64", "linux/amd64": "sha256:amd64" },
          },
        };
        const state = { name, ...inputs, ...(outputs[type] as object), ...answers[type]?.(inputs) };
        return { id: `${name}-id`, state };
      },
      call({ token, inputs }) {
        const answer = answers[token];
        if (answer === undefined) throw new Error(`no answer for ${token}`);
        return answer(inputs);
      },
    },
    "hono-app",
    stack,
  );
  const monitor = getMonitor() as unknown as MockMonitor;
  let request: RegisterResourceRequest;
  const { registerResource, registerResourceOutputs } = monitor;
  monitor.registerResource = (req, callback) => {
    request = req;
    return registerResource.call(monitor, req, callback);
  };
  monitor.registerResourceOutputs = (req, callback) => {
    const registration = registered.find(({ type, name }) => nameOf(req.getUrn()) === `${type} ${name}`);
    if (registration) registration.outputs = deserializeProperties(req.getOutputs() as never);
    return registerResourceOutputs.call(monitor, req, callback);
  };
}

/** Pulumi's own, whose types say less. */
interface MockMonitor {
  registerResource(req: RegisterResourceRequest, callback: unknown): Promise<void>;
  registerResourceOutputs(req: { getUrn(): string; getOutputs(): unknown }, callback: unknown): void;
}

/** Runs the whole program, as the engine does, with Pulumi.yaml's defaults and what is set instead; AWS answers as {@link mock} says. */
export async function runProgram(values: Record<string, string> = {}, replaced: Answers = {}) {
  await mock(replaced);
  configure(values);
  await run();
  return all();
}

/**
 * A stack's configuration: Pulumi.yaml's defaults, and what the test sets instead.
 *
 * @param project Name in its keys; Pulumi.yaml may have another, of a project that was made of this one.
 */
export function configOf(values: Record<string, string> = {}, project = "hono-app"): Record<string, string> {
  const own = Object.entries(values).map(([key, value]) => [key.includes(":") ? key : `${project}:${key}`, value]);
  const defaults = Object.entries(stackConfig()).map(([key, value]) => [
    key.replace(`${projectName}:`, `${project}:`),
    value,
  ]);
  return Object.fromEntries([...defaults, ...own]);
}

export const configure = (values?: Record<string, string>) => pulumi.runtime.setAllConfig(configOf(values));

/** The registrations of a type; with a name, the one of that name. */
export function find(type: string, name?: string): Registration[] {
  return registered.filter((each) => each.type === type && (name === undefined || each.name === name));
}

/** The only registration of a type (and name). */
export function only(type: string, name?: string): Registration {
  const found = find(type, name);
  if (found.length !== 1)
    throw new Error(
      `${found.length} of ${type} ${name ?? ""}; registered: ${registered.map((each) => `${each.type} ${each.name}`)}`,
    );
  return found[0] as Registration;
}

export function all(): readonly Registration[] {
  return registered;
}

/** The provider of a dynamic resource, from the form in which Pulumi stores it. */
export function providerOf(inputs: Record<string, unknown>): Required<pulumi.dynamic.ResourceProvider> {
  const module = { exports: {} as { handler(): Required<pulumi.dynamic.ResourceProvider> } };
  new Function("exports", "require", inputs.__provider as string)(module.exports, createRequire(import.meta.filename));
  return module.exports.handler();
}

/** The outputs' values, when every registration that they depend on has been made. */
export async function settle<T extends unknown[]>(...outputs: { [I in keyof T]: pulumi.Output<T[I]> }): Promise<T> {
  const values = await Promise.all(outputs.map((output) => new Promise((resolve) => output.apply(resolve))));
  await pulumi.runtime.disconnect();
  return values as T;
}

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as ec2 from "@aws-sdk/client-ec2";
import * as ecr from "@aws-sdk/client-ecr";
import * as iam from "@aws-sdk/client-iam";
import * as sts from "@aws-sdk/client-sts";
import { beforeAll, describe, expect, test } from "vitest";
import { machineNames } from "../../components/architecture.ts";
import { blobsOf } from "../../local/services/registry.ts";
import {
  aws,
  cloud,
  containerOf,
  deployed,
  dockerOf,
  type Outputs,
  passwordForms,
  repositoryName,
  roleKeys,
  state,
  stateFile,
  textsOf,
} from "../support/stack.ts";

describe("the credentials of an instance's role", () => {
  const denied = /^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/;

  let instance: string;
  const configurationOf = (instance: string) => ({
    ...aws,
    maxAttempts: 1,
    credentials: roleKeys(instance),
    // Hundreds of calls wait for each other, of which the SDK would warn.
    requestHandler: { socketAcquisitionWarningTimeout: 60_000 },
  });
  let configuration: ReturnType<typeof configurationOf>;

  beforeAll(async () => {
    instance = (await deployed()).graviton.id;
    configuration = configurationOf(instance);
  });

  // biome-ignore lint/suspicious/noExplicitAny: commands of whatever service
  type Client = { send(command: any): Promise<unknown> };

  /** AWS's answer to a call: `allowed`, or the error's name. */
  const answer = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => "allowed",
      ({ name }: Error) => name,
    );

  /** The actions of a service, but the named ones, that AWS does not deny. */
  async function notDenied(sdk: object, client: Client, input: object, except: string[] = []): Promise<string[]> {
    const actions = Object.entries(sdk).filter(([name]) => /^[A-Z]\w+Command$/.test(name));
    expect(actions.length).toBeGreaterThan(50);
    const answers = actions
      .filter(([name]) => !except.includes(name))
      .map(async ([name, Command]) => [name, await answer(client.send(new Command(input)))] as const);
    return (await Promise.all(answers)).flatMap(([name, said]) => (denied.test(said) ? [] : `${name}: ${said}`));
  }

  /** The answers to what a pull asks for: the image first, then its layers. */
  const pullFrom = (client: ecr.ECR, repositoryName: string) =>
    Promise.all(
      [
        client.batchGetImage({ repositoryName, imageIds: [{ imageTag: "latest" }] }),
        client.batchCheckLayerAvailability({ repositoryName, layerDigests: [`sha256:${"0".repeat(64)}`] }),
        client.getDownloadUrlForLayer({ repositoryName, layerDigest: `sha256:${"0".repeat(64)}` }),
      ].map(answer),
    );

  test("name the instance", async () => {
    const { Arn } = await new sts.STS(configuration).getCallerIdentity({});
    expect(Arn).toMatch(new RegExp(`^arn:aws:sts::123456789012:assumed-role/hono-app-[0-9a-f]{7}/${instance}$`));
  });

  test("log in and pull from the one repository", async () => {
    const client = new ecr.ECR(configuration);
    const { authorizationData } = await client.getAuthorizationToken({});
    expect(authorizationData).toHaveLength(1);
    const [image, ...layers] = await pullFrom(client, repositoryName);
    expect(image).toBe("allowed");
    for (const layer of layers) expect(layer).not.toMatch(denied);
  });

  test("pull from no other repository", async () => {
    const client = new ecr.ECR(configuration);
    for (const name of ["hono-app-dev", "hono-app-local2", "hono-app-loca"])
      for (const said of await pullFrom(client, name)) expect(said).toMatch(denied);
  });

  test("do nothing else in ECR, not even in the one repository", async () => {
    const client = new ecr.ECR(configuration);
    const except = [
      ...["GetAuthorizationTokenCommand", "BatchCheckLayerAvailabilityCommand"],
      ...["BatchGetImageCommand", "GetDownloadUrlForLayerCommand"],
    ];
    expect(await notDenied(ecr, client, { repositoryName }, except)).toEqual([]);
  });

  test("write to the one log group, and neither read it nor write to another", async () => {
    const { logGroup } = await deployed();
    const client = new logs.CloudWatchLogs({ ...configuration, disableHostPrefix: true });
    const events = { logStreamName: "tried", logEvents: [{ timestamp: Date.now(), message: "tried" }] };
    const writes = async (logGroupName?: string) => [
      await answer(client.createLogStream({ logGroupName, ...events })),
      await answer(client.putLogEvents({ logGroupName, ...events })),
    ];
    expect(await writes(logGroup)).toEqual(["allowed", "allowed"]);
    const write = ["CreateLogStreamCommand", "PutLogEventsCommand"];
    expect(await notDenied(logs, client, { logGroupName: logGroup, ...events }, write)).toEqual([]);
    const other = state().resources.find(({ urn }) => urn.endsWith("LogGroup::hono-app-flow-logs-local"))?.id;
    for (const logGroupName of [other, "hono-app", `${logGroup}2`]) {
      for (const said of await writes(logGroupName)) expect(said).toMatch(denied);
    }
  });

  test("do nothing in EC2 and IAM, and take no other role", async () => {
    expect(await notDenied(ec2, new ec2.EC2(configuration), {})).toEqual([]);
    expect(await notDenied(iam, new iam.IAM(configuration), {})).toEqual([]);
    const role = { RoleArn: "arn:aws:iam::123456789012:role/other", RoleSessionName: "x" };
    expect(await answer(new sts.STS(configuration).assumeRole(role))).toMatch(denied);
  });

  test("are refused without their token or with another secret", async () => {
    const { credentials, ...rest } = configuration;
    const logIn = (credentials: typeof aws.credentials) =>
      answer(new ecr.ECR({ ...rest, credentials }).getAuthorizationToken({}));
    const { sessionToken: _, ...long } = credentials;
    expect(await logIn(long)).toBe("InvalidClientTokenId");
    expect(await logIn({ ...credentials, secretAccessKey: "x" })).toBe("SignatureDoesNotMatch");
  });
});

describe.each(machineNames)("the running container, %s", (name) => {
  let outputs: Outputs;

  beforeAll(async () => {
    outputs = await deployed();
  });

  const container = () => containerOf(outputs[name].id);

  test("has no privileged user, capability or new privileges", () => {
    const status = container().proc("status");
    expect(status).toMatch(/^Uid:\s+65532\s+65532\s+65532\s+65532$/m);
    expect(status).toMatch(/^Gid:\s+65532\s+65532\s+65532\s+65532$/m);
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toMatch(new RegExp(`^${set}:\\s+0{16}$`, "m"));
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
  });

  test("writes nowhere on disk", () => {
    const { proc, found } = container();
    const mounts = proc("mounts")
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string, string, string]);
    const writable = mounts.filter(
      ([, , type, options]) =>
        !["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"].includes(type) &&
        !options.split(",").includes("ro"),
    );
    // Docker's own three, which only root can write.
    const docker = ["/etc/resolv.conf", "/etc/hostname", "/etc/hosts"];
    expect(writable.map(([, path]) => path).filter((path) => !docker.includes(path))).toEqual([]);
    expect(mounts.find(([, path]) => path === "/")?.[3]).toMatch(/^ro,/);
    expect(found.Mounts).toEqual([]);
  });

  test("has limits, which the kernel enforces", () => {
    const { proc, found } = container();
    expect(found.HostConfig).toMatchObject({ MemorySwap: 256 * 1024 ** 2, RestartPolicy: { Name: "always" } });
    const limit = (controller: string, v1: string, v2: string) => {
      const group = proc("cgroup")
        .split("\n")
        .map((line) => line.split(":"))
        .find(([, controllers]) => controllers === "" || controllers?.split(",").includes(controller));
      const [, controllers = "", path = ""] = group ?? [];
      const file = controllers === "" ? join(path, v2) : join(controllers, path, v1);
      return readFileSync(join("/sys/fs/cgroup", file), "utf8").trim();
    };
    expect(limit("memory", "memory.limit_in_bytes", "memory.max")).toBe(String(256 * 1024 ** 2));
    expect(limit("pids", "pids.max", "pids.max")).toBe("128");
  });

  test("holds no shell and no setuid file", () => {
    const tar = dockerOf(outputs[name].id, "export", "hono-app");
    const files = execFileSync("tar", ["--list", "--verbose"], { input: tar, maxBuffer: 2 ** 26 })
      .toString()
      .split("\n");
    expect(files.some((file) => file.includes("usr/local/bin/bun"))).toBe(true);
    const shells =
      /\/(sh|bash|dash|ash|zsh|ksh|busybox|toybox|perl|python[\d.]*|apt|apt-get|dpkg|apk|curl|wget|su|sudo)$/;
    expect(files.filter((file) => shells.test(file.split(" -> ")[0] ?? ""))).toEqual([]);
    expect(files.filter((file) => /^[-l]\S*[sS]/.test(file.slice(0, 10)))).toEqual([]);
  });
});

describe("a secret", () => {
  /** Every layer, configuration and manifest that was ever pushed, unpacked. */
  const blobs = (): Buffer[] =>
    blobsOf(cloud)
      .map((file) => readFileSync(file))
      .map((blob) => (blob.readUInt16BE() === 0x1f8b ? gunzipSync(blob) : blob));

  // What commands print, each test that runs one looks at: support/stack.ts.
  test("of the registry or an instance's role is in no image, user data, log, output or plain state", async () => {
    const outputs = await deployed();
    const roles = machineNames.map((name) => roleKeys(outputs[name].id));
    const secrets = [
      ...passwordForms,
      ...roles.flatMap(({ secretAccessKey, sessionToken }) => [secretAccessKey, sessionToken]),
    ];
    for (const secret of secrets) expect(secret).toMatch(/.{20}/);
    const found = (where: string, content: string | Buffer) =>
      secrets.filter((secret) => content.includes(secret)).map((secret) => `${secret} in ${where}`);
    const layers = blobs();
    // The search itself works: it finds what must be in a layer.
    expect(layers.some((layer) => layer.includes("/app/main.js"))).toBe(true);
    expect(layers.some((layer) => layer.includes("process.arch"))).toBe(true);
    const machines = machineNames.flatMap((name) => {
      const { id } = outputs[name];
      const { userData, console } = textsOf(id);
      return [
        ...found(`user data of ${name}`, userData),
        ...found(`console of ${name}`, console),
        ...found(`the container of ${name}`, dockerOf(id, "inspect", "hono-app")),
        ...found(`the app's log on ${name}`, dockerOf(id, "logs", "hono-app")),
      ];
    });
    expect([
      ...layers.flatMap((layer) => found("an image", layer)),
      ...machines,
      ...found("outputs", JSON.stringify(outputs)),
      ...found("state", readFileSync(stateFile)),
    ]).toEqual([]);
    // The state has it, encrypted.
    expect(readFileSync(stateFile, "utf8")).toMatch(/"registries":.*"ciphertext"/s);
  });
});

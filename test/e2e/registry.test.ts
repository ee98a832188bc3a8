import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ECR, paginateDescribeImages, paginateDescribeRepositories, paginateListImages } from "@aws-sdk/client-ecr";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { builder } from "../../local/services/buildkitd.ts";
import { password } from "../../local/services/registry.ts";
import type { Result } from "../../tools/process.ts";
import { temporaryFolder } from "../support/process.ts";
import {
  aws,
  cloud,
  deployed,
  ecr,
  expiredPassword,
  manifest,
  type Outputs,
  refused,
  registry,
  roleKeys,
  shell,
  repositoryName as stackRepository,
  successful,
  untagged,
} from "../support/stack.ts";

// The local cloud's ECR refuses what AWS's does, in its words.

const folder = temporaryFolder();
const names = ["test/images", "test/images-2", "test/images-3"];
const [repositoryName] = names as [string];
const image = `${cloud.registry}/${repositoryName}`;
/** Docker, logged in as the local cloud's root. */
const docker = (command: string): Promise<Result> => shell(`docker ${command}`);

/** Makes a new image under these names. */
async function make(...tags: string[]): Promise<void> {
  const { output } = await shell(`tar --create --files-from /dev/null | docker import - ${tags[0]}`);
  expect(output).toMatch(/^sha256:/m);
  for (const tag of tags.slice(1)) await docker(`tag ${tags[0]} ${tag}`);
}

let stack: Outputs;

beforeAll(async () => {
  stack = await deployed();
  for (const name of names) {
    await ecr.createRepository({
      repositoryName: name,
      imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
      imageTagMutabilityExclusionFilters: [{ filter: "moving-*", filterType: "WILDCARD" }],
    });
  }
  await shell(`docker login --username AWS --password-stdin ${cloud.registry}`, { input: await password(ecr) });
});

afterAll(async () => {
  for (const name of names) await ecr.deleteRepository({ repositoryName: name, force: true }).catch(() => {}); // it may never have been made
  await docker(`image rm --force $(docker image ls --quiet --filter 'reference=${cloud.registry}/test/*')`);
  await docker(`logout ${cloud.registry}`);
});

test("refuses to move an immutable tag", async () => {
  await make(`${image}:1`, `${image}:moving-1`);
  for (const tag of ["1", "moving-1", "1"]) await successful(docker(`push ${image}:${tag}`));
  const digestOf = async (imageTag: string) =>
    (await ecr.describeImages({ repositoryName, imageIds: [{ imageTag }] })).imageDetails?.[0]?.imageDigest;
  const first = await digestOf("1");

  await make(`${image}:1`, `${image}:moving-1`);
  const exists = `The image tag '1' already exists in the '${repositoryName}' repository`;
  const message = `tag invalid: ${exists} and cannot be overwritten because the tag is immutable.`;
  await refused(docker(`push ${image}:1`), message);
  expect(await digestOf("1")).toBe(first);
  await successful(docker(`push ${image}:moving-1`));
  expect(await digestOf("moving-1")).not.toBe(first);
});

test("refuses to push to and pull from a repository that does not exist", async () => {
  await make(`${cloud.registry}/test/none:1`);
  const unknown =
    "name unknown: The repository with name 'test/none' does not exist in the registry with id '123456789012'";
  for (const command of ["push", "pull"]) {
    await refused(docker(`${command} ${cloud.registry}/test/none:1`), unknown);
  }
  expect((await docker(`pull ${image}:absent`)).output).toContain("manifest unknown: Requested image not found");
});

test("refuses a push by a role that may only pull, and a pull that the policy denies", async () => {
  const { graviton, imageRef, repositoryUrl } = stack;
  const machine = new ECR({ ...aws, credentials: roleKeys(graviton.id) });
  const own = join(folder, "machine");
  const asMachine = (commands: string) => shell(commands, { env: { DOCKER_CONFIG: own } });
  const input = await password(machine);
  await shell(`docker login --username AWS --password-stdin ${cloud.registry}`, { env: { DOCKER_CONFIG: own }, input });
  await successful(asMachine(`docker pull --quiet ${imageRef}`));

  const resource = "arn:aws:ecr:ap-northeast-2:123456789012:repository/hono-app-local";
  const denied = (action: string) =>
    new RegExp(
      `denied: User: arn:aws:sts::123456789012:assumed-role/\\S+ is not authorized to perform: ecr:${action} on resource: ${resource} `,
    );
  await make(`${repositoryUrl}:intruder`);
  await refused(asMachine(`docker push ${repositoryUrl}:intruder`), denied("InitiateLayerUpload"));
  await docker(`image rm --force ${repositoryUrl}:intruder`);

  const { policyText } = await ecr.getRepositoryPolicy({ repositoryName: stackRepository });
  const Statement = [{ Effect: "Deny", Principal: "*", Action: "ecr:BatchGetImage" }];
  const refusing = JSON.stringify({ Version: "2012-10-17", Statement });
  await ecr.setRepositoryPolicy({ repositoryName: stackRepository, policyText: refusing });
  onTestFinished(async () => void (await ecr.setRepositoryPolicy({ repositoryName: stackRepository, policyText })));
  const pull = await asMachine(`docker pull ${imageRef.replace(/@.*/, "")}`);
  expect(pull.output).toMatch(denied("BatchGetImage"));
  expect(pull.output).toContain("with an explicit deny in a resource-based policy");
});

test("refuses a forged or expired login", async () => {
  const path = `/v2/${repositoryName}/tags/list`;
  const valid = await password(ecr);
  expect((await registry(path, "*/*", valid)).status).toBe(200);
  const [payload = "", signature] = valid.split(".");
  const other = Buffer.from(JSON.stringify({ accessKeyId: "another", expiration: 4e9 })).toString("base64");
  for (const secret of ["123456789012-auth-token", `${payload}.`, `${other}.${signature}`]) {
    const { status, body } = await registry(path, "*/*", secret);
    expect(status).toBe(400);
    expect(JSON.parse(body).errors).toEqual([{ code: "DENIED", message: "Your Authorization Token is invalid." }]);
  }
  const { status, body } = await registry(path, "*/*", expiredPassword());
  expect(status).toBe(403);
  expect(JSON.parse(body).errors[0].message).toBe(
    "Your authorization token has expired. Reauthenticate and try again.",
  );
  // A push begins with HEAD requests, whose answers have no text.
  const auths = { [cloud.registry]: { auth: Buffer.from(`AWS:${expiredPassword()}`).toString("base64") } };
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths }));
  const env = { DOCKER_CONFIG: folder, BUILDX_CONFIG: `${cloud.env.DOCKER_CONFIG}/buildx` };
  const push = `docker-buildx build --builder ${builder} --push --tag ${image}:expired -`;
  const input = "FROM scratch\nLABEL a=b\n";
  await refused(shell(push, { env, input }), /unexpected status from HEAD request to \S+: 403 Forbidden/);
  // It names the caller.
  expect(JSON.parse(Buffer.from(payload, "base64").toString())).toMatchObject({
    accessKeyId: aws.credentials.accessKeyId,
  });
});

test("PutImage and BatchDeleteImage", async () => {
  const { imageRef } = stack;
  const repositoryName = stackRepository;
  const [, tag = "", digest] = /:([^:@]+)@(.*)$/.exec(imageRef) ?? [];
  const { images: [index] = [] } = await ecr.batchGetImage({ repositoryName, imageIds: [{ imageDigest: digest }] });
  const { imageManifest } = index ?? {};
  const put = (imageTag: string, text = imageManifest) =>
    ecr.putImage({ repositoryName, imageTag, imageManifest: text });
  const error = (name: string) => expect.objectContaining({ name });

  await expect(put(tag)).rejects.toThrow(error("ImageAlreadyExistsException"));
  await expect(put(tag, `${imageManifest} `)).rejects.toThrow(error("ImageTagAlreadyExistsException"));
  const unknown = imageManifest?.replace(/sha256:[0-9a-f]{4}/, "sha256:0000");
  await expect(put("unknown", unknown)).rejects.toThrow(error("ReferencedImagesNotFoundException"));

  // Failures are reported beside what is done.
  await put("another");
  const [child] = (await manifest(imageRef)).manifests ?? [];
  const imageIds = [{ imageTag: "another" }, { imageDigest: child?.digest }, { imageTag: "absent" }];
  const { failures, imageIds: deleted } = await ecr.batchDeleteImage({ repositoryName, imageIds });
  expect(deleted).toEqual([{ imageDigest: digest, imageTag: "another" }]);
  expect(failures?.map(({ failureCode }) => failureCode)).toEqual(["ImageReferencedByManifestList", "ImageNotFound"]);

  // With its last tag an image is deleted.
  const { image: copy } = await put("copy", `${imageManifest}\n`);
  await ecr.batchDeleteImage({ repositoryName, imageIds: [{ imageTag: "copy" }] });
  const gone = ecr.describeImages({ repositoryName, imageIds: [{ imageDigest: copy?.imageId?.imageDigest }] });
  await expect(gone).rejects.toThrow(error("ImageNotFoundException"));
  await manifest(imageRef);
});

test("lists have pages and untagged images; a repository that is created again is empty", async () => {
  const [, repositoryName = ""] = names;
  const another = `${cloud.registry}/${repositoryName}`;
  await make(`${another}:a`, `${another}:b`);
  for (const tag of ["a", "b"]) await docker(`push ${another}:${tag}`);
  await make(`${another}:c`);
  await docker(`push ${another}:c`);
  const pages = async <T>(paginator: AsyncIterable<T>) => Array.fromAsync(paginator);
  const config = { client: ecr, pageSize: 2 };

  const ids = await pages(paginateListImages(config, { repositoryName }));
  expect(ids.map(({ imageIds = [] }) => imageIds.map(({ imageTag }) => imageTag).sort())).toEqual([["a", "b"], ["c"]]);
  const images = await pages(paginateDescribeImages({ ...config, pageSize: 1 }, { repositoryName }));
  expect(images.map(({ imageDetails = [] }) => imageDetails[0]?.imageTags?.sort())).toEqual([["a", "b"], ["c"]]);
  const repositories = await pages(paginateDescribeRepositories(config, {}));
  expect(repositories.length).toBeGreaterThan(1);
  expect(repositories.flatMap(({ repositories = [] }) => repositories.map((each) => each.repositoryName))).toEqual(
    expect.arrayContaining(names),
  );
  const children = (await manifest(stack.imageRef)).manifests?.map(({ digest }) => digest);
  expect(await untagged()).toEqual(expect.arrayContaining(children ?? []));
  const filter = { tagStatus: "UNTAGGED" } as const;
  const described = await pages(paginateDescribeImages(config, { repositoryName: stackRepository, filter }));
  const digests = described.flatMap(({ imageDetails = [] }) => imageDetails.map(({ imageDigest }) => imageDigest));
  expect(digests.sort()).toEqual((await untagged()).sort());

  await expect(ecr.deleteRepository({ repositoryName })).rejects.toThrow(
    expect.objectContaining({ name: "RepositoryNotEmptyException" }),
  );
  await ecr.deleteRepository({ repositoryName, force: true });
  await ecr.createRepository({ repositoryName });
  expect((await ecr.listImages({ repositoryName })).imageIds).toEqual([]);
});

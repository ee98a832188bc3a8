import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { architectures, machineNames } from "../../../components/architecture.ts";
import { inputsOf, job, run } from "../github.ts";
import { getFrom, startRegistry } from "../other-registry.ts";
import { write } from "../process.ts";
import { cloud, type Descriptor, deployed, manifest, shell, successful } from "../stack.ts";
import { type Cases, newFolder, repository, runner, serving } from "./runner.ts";

/** A registry in place of GitHub's and of Docker Hub: the image is built and pushed to it, as the job "build" does. */
const registry = `${cloud.prefix}.0.1:5602`;
const get = (path: string) => getFrom(registry, "owner", "token", path);
const tagsOf = async (name: string) =>
  ((await (await get(`${name}/tags/list`)).json()) as { tags?: string[] }).tags?.sort() ?? [];
const matrix = job("release.yml", "build").strategy?.matrix.include ?? [];

let stopRegistry: (() => Promise<void>) | undefined;
/** Builds each platform's image, and pushes it by its digest. */
async function building() {
  stopRegistry = await startRegistry(registry, ["owner", "token"]);
  await shell(`docker login --username owner --password-stdin ${registry}`, { input: "token" });
  const name = await run("release.yml build: the image's name", { runner, overrides: { REGISTRY: registry } });
  const { image = "" } = name.outputs;
  const digests = new Map<string, string>();
  for (const { platform = "" } of matrix) {
    const inputs = inputsOf("release.yml build: build and push by digest", {
      matrix: { platform },
      steps: { name: { outputs: { image } } },
    });
    // docker/build-push-action: the command that its src/context.ts makes of these inputs.
    const { context, platforms, "build-args": args, provenance, outputs, ...others } = inputs;
    expect(others).toEqual({});
    const metadata = join(newFolder(), "metadata.json");
    const attest = provenance === "false" ? "type=provenance,disabled=true" : "type=provenance,mode=max";
    const options = `--platform ${platforms} --build-arg ${args} --attest ${attest} --output ${outputs}`;
    await successful(shell(`docker buildx build ${options} --metadata-file ${metadata} ${context}`));
    digests.set(platform, JSON.parse(readFileSync(metadata, "utf8"))["containerimage.digest"]);
  }
  return { image, digests };
}
/** The same, once. */
let released: ReturnType<typeof building> | undefined;
const release = () => (released ??= building());
afterAll(async () => {
  await released?.catch(() => {});
  await shell(`docker logout ${registry}`);
  await stopRegistry?.();
});

/** The folder that the job "merge" downloads. */
function downloaded(digests: Iterable<string>): string {
  const folder = newFolder();
  for (const digest of digests) write(join(folder, "digests", digest.replace("sha256:", "")), "");
  return folder;
}

export const cases: Cases = {
  async "release.yml build: the image's name"(script) {
    expect((await release()).image).toBe(`${registry}/owner/hono-app`);
    const { outputs } = await run(script, { runner: repository });
    expect(outputs).toEqual({ image: "ghcr.io/owner/hono-app" });
  },

  async "release.yml build: run it"(script) {
    const stack = await deployed();
    const { image, digests } = await release();
    // The runner of that architecture is an instance's engine here.
    const runIt = async (machine: (typeof machineNames)[number], platform: string) => {
      const { machine: uname, platform: own } = architectures[machine];
      const runner = matrix.find((each) => each.platform === own);
      const host = `unix://${cloud.run}/${stack[machine].id}/docker.sock`;
      const containers = () => shell(`docker --host ${host} ps --all --quiet`);
      const before = await containers();
      const ran = await run(script, {
        contexts: {
          matrix: runner,
          steps: { name: { outputs: { image } }, build: { outputs: { digest: digests.get(platform) } } },
        },
        runner: { ...cloud.env, DOCKER_HOST: host },
        programs: { uname: `[ "$*" = -m ] && echo ${uname}` },
      });
      expect(await containers()).toEqual(before);
      await shell(`docker --host ${host} image rm ${image}@${digests.get(platform)}`);
      return ran;
    };
    for (const machine of machineNames) {
      const { text } = await successful(runIt(machine, architectures[machine].platform));
      expect(text).not.toContain('"message":"listening"');
    }
    // The other architecture's image runs, emulated, and is refused; its output is shown.
    const wrong = await runIt("intel", architectures.graviton.platform);
    expect(wrong.status).not.toBe(0);
    expect(wrong.text).toContain('"message":"listening"');
  },

  async "release.yml build: note the digest"(script) {
    const cwd = newFolder();
    const contexts = { steps: { build: { outputs: { digest: "sha256:abc" } } } };
    expect((await run(script, { contexts, cwd })).status).toBe(0);
    expect(existsSync(join(cwd, "digests", "abc"))).toBe(true);
  },

  async "release.yml merge: tag what was built"(script) {
    const { imageRef } = await deployed();
    const { digests } = await release();
    const tag = async (
      sha: string,
      newest: string,
      {
        built = digests.values() as Iterable<string>,
        hub = "",
        status = 200,
        version = "",
        cwd = downloaded(built),
      } = {},
    ) => {
      const GITHUB_API_URL = await serving(({ url = "", headers }) => {
        if (headers.authorization !== "Bearer job-token") return { status: 401, body: "" };
        if (url === "/repos/Owner/Hono-App/commits/main" && headers.accept === "application/vnd.github.sha") {
          return { status, body: newest };
        }
        // As https://docs.github.com/en/rest/commits/commits#compare-two-commits does.
        const [, compared] = /^\/repos\/Owner\/Hono-App\/compare\/main\.\.\.(\w+)$/.exec(url) ?? [];
        if (compared) {
          const place = compared === "aside" ? "diverged" : compared === newest ? "identical" : "behind";
          return { body: JSON.stringify({ url, status: place, files: [{ status: "added" }] }) };
        }
        // As https://docs.github.com/en/rest/git/refs#list-matching-references answers.
        const [, prefix = "-"] = /^\/repos\/Owner\/Hono-App\/git\/matching-refs\/(.*)$/.exec(url) ?? [];
        const versions = ["v1.0.0", "v1.0.9", "v1.0.10", "v1.2.0", "v1.3.0-rc.1", "v10.0.0"];
        const refs = versions.map((name) => `refs/tags/${name}`).filter((ref) => ref.startsWith(`refs/${prefix}`));
        const git = "https://api.github.com/repos/Owner/Hono-App/git";
        return { body: JSON.stringify(refs.map((ref) => ({ ref, url: `${git}/${ref}` }))) };
      });
      const GITHUB = { GITHUB_API_URL, GITHUB_SHA: sha, GITHUB_REF_TYPE: version ? "tag" : "branch" };
      return run(script, {
        contexts: { github: { token: "job-token" }, vars: { DOCKERHUB_IMAGE: hub } },
        runner: { ...runner, ...GITHUB, GITHUB_REF_NAME: version || "main" },
        overrides: { REGISTRY: registry },
        cwd,
      });
    };
    const [half = ""] = digests.values();
    expect((await tag("half", "half", { built: [half] })).status).toBe(1);
    expect((await tag("unknown", "", { status: 403 })).status).not.toBe(0);
    expect(await tagsOf("owner/hono-app")).toEqual([]);

    const older = await tag("older", "newer");
    expect(older).toMatchObject({
      status: 0,
      text: expect.stringContaining("::notice::main is at newer: latest does not move"),
    });
    expect(await tagsOf("owner/hono-app")).toEqual(["older"]);

    const cwd = downloaded(digests.values());
    const newest = await successful(tag("newer", "newer", { hub: `${registry}/you/app`, cwd }));
    expect(await tagsOf("owner/hono-app")).toEqual(["latest", "newer", "older"]);
    expect(await tagsOf("you/app")).toEqual(["latest", "newer"]);
    const [amd64, arm64] = ["linux/amd64", "linux/arm64"].map((platform) => digests.get(platform));
    expect(newest.outputs).toEqual({ digest: expect.stringMatching(/^sha256:/), amd64, arm64 });
    // As sha256sum writes it, which actions/attest reads: the index and each platform's image.
    expect(readFileSync(join(cwd, "checksums"), "utf8").split("\n").sort()).toEqual(
      ["", ...Object.values(newest.outputs).map((each) => `${each.slice(7)}  ${registry}/owner/hono-app`)].sort(),
    );
    for (const name of ["owner/hono-app", "you/app"]) {
      for (const tag of ["newer", "latest"]) {
        const response = await get(`${name}/manifests/${tag}`);
        expect(response.headers.get("docker-content-digest")).toBe(newest.outputs.digest);
        const index = (await response.json()) as { manifests: Descriptor[]; annotations: Record<string, string> };
        // Exactly the stack's own: the same bytes, and nothing but the two platforms.
        const shown = ({ digest, platform }: Descriptor) => `${platform?.os}/${platform?.architecture} ${digest}`;
        expect(index.manifests.map(shown).sort()).toEqual(
          ((await manifest(imageRef)).manifests ?? []).map(shown).sort(),
        );
        expect(index.annotations).toEqual({
          "org.opencontainers.image.source": "https://github.com/Owner/Hono-App",
          "org.opencontainers.image.description": "A Hono app on Bun that says which architecture it runs on",
          "org.opencontainers.image.licenses": readFileSync("LICENSE", "utf8").split(" ")[0],
        });
        for (const { digest } of index.manifests) expect((await get(`${name}/manifests/${digest}`)).status).toBe(200);
      }
    }
    for (const platform of ["linux/amd64", "linux/arm64"]) expect(newest.summary).toContain(platform);

    // A git tag: its version, and the shorter ones that nothing later has.
    const released = async (version: string) => {
      const before = await tagsOf("owner/hono-app");
      await successful(tag("older", "newer", { version }));
      return (await tagsOf("owner/hono-app")).filter((each) => !before.includes(each));
    };
    expect(await released("v1.0.9")).toEqual(["1.0.9"]);
    expect(await released("v1.0.10")).toEqual(["1.0", "1.0.10"]);
    expect(await released("v1.2.0")).toEqual(["1", "1.2", "1.2.0"]);
    expect(await released("v1.3.0-rc.1")).toEqual(["1.3.0-rc.1"]);
    const aside = await tag("aside", "newer", { version: "v1.0.9" });
    expect(aside).toMatchObject({
      status: 1,
      text: expect.stringContaining("::error::aside is not on main; allowed:"),
    });
    // A tag on main's newest commit moves no latest: nothing was proven for it.
    await successful(tag("newer", "newer", { version: "v1.0.9", hub: `${registry}/you/tagged` }));
    expect(await tagsOf("you/tagged")).toEqual(["1.0.9"]);
  },

  async "release.yml sbom: attach"(script) {
    const attach = (hub: string, FAILING = "") =>
      run(script, {
        contexts: { vars: { DOCKERHUB_IMAGE: hub }, needs: { merge: { outputs: { digest: "sha256:abc" } } } },
        runner: repository,
        overrides: { FAILING },
        // Prints its arguments: npm run test:sbom runs it, with tools that take minutes to build.
        programs: { npm: 'echo "npm $*"; [ "$*" != "run sbom -- $FAILING" ]' },
      });
    const image = "ghcr.io/owner/hono-app";
    const github = `npm run sbom -- ${image}@sha256:abc\n`;
    const written = `npm run sbom -- --output bills ${image}@sha256:abc\n`;
    expect(await attach("")).toMatchObject({ status: 0, text: github + written, outputs: { image } });
    const hub = "npm run sbom -- docker.io/you/app@sha256:abc\n";
    expect(await attach("docker.io/you/app")).toMatchObject({ status: 0, text: github + hub + written });
    // The first one's failure is not hidden by the second.
    expect(await attach("docker.io/you/app", `${image}@sha256:abc`)).toMatchObject({ status: 1, text: github });
  },
};

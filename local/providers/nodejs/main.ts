// The program that the engine starts as pulumi-language-nodejs: it runs the project's program for the plain CLI, with what the npm package
// has for that, as the official one does (https://github.com/pulumi/pulumi/tree/master/sdk/nodejs/cmd/pulumi-language-nodejs).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import proto from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import { version } from "@pulumi/pulumi/version.js";

type Call<Request> = grpc.ServerUnaryCall<Request, never>;

/** The exit status of cmd/run/index.js when it has already printed the error. */
const alreadyPrinted = 32;

async function run(call: Call<messages.RunRequest>): Promise<messages.RunResponse> {
  const { info, ...request } = call.request.toObject();
  const { programDirectory = "", rootDirectory = "", entryPoint = "." } = info ?? {};
  const { typescript = true, ...others } = call.request.getInfo()?.getOptions()?.toJavaScript() ?? {};
  const response = new messages.RunResponse();
  if (typescript !== false || Object.keys(others).length > 0) {
    const given = JSON.stringify({ typescript, ...others });
    return response.setError(`Pulumi.yaml's runtime options are ${given}; known here: {"typescript":false}`);
  }
  const flags = {
    monitor: request.monitorAddress,
    engine: process.argv.at(-1),
    organization: request.organization,
    project: request.project,
    "root-directory": rootDirectory,
    stack: request.stack,
    pwd: programDirectory,
    parallel: request.parallel,
  };
  const runner = createRequire(join(programDirectory, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const dryRun = request.dryrun ? ["--dry-run"] : [];
  const config = request.configMap.map(([key, value]) => [key.replace(/:(?:config:)?/, ":config:"), value]);
  // With this process's own options: what is loaded first (install.ts) is loaded there, too.
  const child = spawn("node", [...process.execArgv, runner, ...args, ...dryRun, entryPoint, ...request.argsList], {
    env: {
      ...process.env,
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(config)),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.configsecretkeysList),
    },
    stdio: ["ignore", "inherit", "inherit"],
  });
  call.on("cancelled", () => child.kill("SIGINT"));
  process.once("exit", () => child.kill());
  const [code, signal] = await once(child, "exit");
  if (code === alreadyPrinted) response.setBail(true);
  else if (signal) response.setError(`Program was ended by ${signal}`);
  else if (code !== 0) response.setError(`Program exited with non-zero exit code: ${code}`);
  return response;
}

/** The providers that the installed packages are for, with the versions that the engine makes sure of. */
async function getRequiredPackages(call: Call<messages.GetRequiredPackagesRequest>) {
  const directory = call.request.getInfo()?.getProgramDirectory() ?? "";
  const { packages } = JSON.parse(readFileSync(join(directory, "node_modules", ".package-lock.json"), "utf8"));
  const manifests = Object.keys(packages)
    .filter((path) => path.includes("node_modules/@pulumi/"))
    .map((path) => JSON.parse(readFileSync(join(directory, path, "package.json"), "utf8")));
  const required = manifests
    .filter(({ pulumi }) => pulumi?.resource)
    .map(({ name, version, pulumi }) =>
      new plugin.PackageDependency()
        .setName(pulumi.name ?? name.replace("@pulumi/", ""))
        .setKind("resource")
        .setVersion(`v${pulumi.version ?? version}`)
        .setServer(pulumi.server ?? ""),
    );
  return new messages.GetRequiredPackagesResponse().setPackagesList(required);
}

/** As the official host does: npm's output goes back to the caller. */
async function installDependencies(call: grpc.ServerWritableStream<messages.InstallDependenciesRequest, unknown>) {
  const cwd = call.request.getInfo()?.getProgramDirectory() ?? "";
  const child = spawn("npm", ["install", "--loglevel=error"], { cwd, stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.on("data", (data) => call.write(new messages.InstallDependenciesResponse().setStdout(data)));
  child.stderr.on("data", (data) => call.write(new messages.InstallDependenciesResponse().setStderr(data)));
  const [code] = await once(child, "close");
  if (code !== 0) call.emit("error", { code: grpc.status.UNKNOWN, message: `npm install: exit status ${code}` });
  call.end();
}

const answers = {
  run,
  getRequiredPackages,
  getPluginInfo: async () => new plugin.PluginInfo().setVersion(version),
  about: async () => new messages.AboutResponse().setExecutable(process.execPath).setVersion(process.version),
};

// What is not here the server refuses as unimplemented.
const server = new grpc.Server();
const handlers = Object.entries(answers).map(([name, answer]) => [
  name,
  (call: Call<never>, callback: grpc.sendUnaryData<unknown>) => {
    answer(call).then(
      (response) => callback(null, response),
      (error) => callback({ code: grpc.status.UNKNOWN, message: error.message }),
    );
  },
]);
server.addService(proto.LanguageRuntimeService, { ...Object.fromEntries(handlers), installDependencies });
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});
// The engine holds the other end, however it ends.
process.stdin.resume().on("end", () => process.exit());

import { join } from "node:path";
import { projectName } from "../../../tools/project.ts";
import { programsOf } from "../../../tools/python.ts";
import { accepts } from "../../../tools/ready.ts";
import { as, type Cloud, filesOf } from "../../cloud.ts";
import type { Daemon } from "../../daemon.ts";
import { keysOf } from "../../identity.ts";

/** AWS's API. Its state is in its memory: when it ends, what ran in the local cloud is gone. */
export async function moto(cloud: Cloud): Promise<Daemon> {
  const [host = "", port = ""] = new URL(cloud.endpoint).host.split(":");
  return {
    command: [join(programsOf("moto"), "python"), join(import.meta.dirname, "server.py"), host, port],
    env: {
      ...as(cloud, "root"),
      ...(await contents(cloud)),
      PYTHONDONTWRITEBYTECODE: "1", // it would be an untracked folder of the clone
    },
    ...filesOf(cloud, "moto"),
    ready: () => accepts(`${host}:${port}`),
  };
}

/**
 * What an account has before anything is deployed: users, policies, which are those that `npm run policies` prints for the app, so that every stack
 * can be tried here, and the key that encrypts the state's secrets.
 */
async function contents({ account, dir, env }: Cloud) {
  // Slow to load, and only this needs it.
  const [{ policy }, { secretsKey, stackConfig }] = await Promise.all([
    import("../../../policies/policy.ts"),
    import("../../../tools/stack-config.ts"),
  ]);
  const config = stackConfig("local");
  const stateKey = secretsKey("local");
  const values = {
    account,
    region: env.AWS_REGION ?? "",
    name: config[`${projectName}:name`] ?? "",
    boundary: config[`${projectName}:permissionsBoundary`] || undefined,
    stateKey,
  };
  const users = {
    policies: Object.fromEntries(
      (["preview", "deploy", "fleet", "boundary"] as const).map((name) => [name, policy(name, values)]),
    ),
    users: {
      deployer: { key: keysOf(dir, "deployer"), policies: ["preview", "deploy", "fleet"] },
      previewer: { key: keysOf(dir, "previewer"), policies: ["preview"] },
    },
  };
  return { LOCAL_CLOUD_USERS: JSON.stringify(users), LOCAL_CLOUD_STATE_KEY: stateKey };
}

import { existsSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cloud, filesOf } from "../../cloud.ts";
import { type Daemon, runningPid, startDaemon, stopDaemon } from "../../daemon.ts";

/** A target group as HAProxy has it. Times are in seconds. */
export interface Backend {
  readonly name: string;
  /** The lines of its section, without its servers. */
  readonly lines: readonly string[];
  /** What each of its servers gets: how it is checked, and started. */
  readonly options: string;
  readonly interval: number;
  readonly fall: number;
}

/** A target as HAProxy has it. */
export type Server = ReturnType<typeof serversIn>[number];

/** HAProxy's configuration. What a load balancer of AWS does not do is off: nothing that a target has refused is sent again. */
export function configuration(
  run: string,
  frontends: readonly string[],
  backends: readonly Backend[],
  servers: readonly Server[],
): string {
  const lines = [
    "global",
    `  stats socket ${run}/haproxy.sock mode 600 level admin expose-fd listeners`,
    `  server-state-file ${run}/haproxy.state`,
    "  hard-stop-after 60s",
    "defaults",
    "  mode http",
    "  retries 0",
    "  no option redispatch",
    "  load-server-state-from-file global",
    "  option forwardfor",
    "  timeout connect 5s",
    ...frontends,
    ...backends.flatMap(({ name, lines, options }) => {
      const own = servers.filter(({ backend }) => backend === name);
      return [`backend ${name}`, ...lines, ...own.map((each) => `  server ${each.name} ${each.address} ${options}`)];
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** HAProxy's own process. */
export function haproxyOf({ run, dir }: Pick<Cloud, "run" | "dir">) {
  const daemon: Daemon = {
    // The master: a reload replaces its worker, and it stays.
    command: ["haproxy", "-W", "-db", "-f", `${run}/haproxy.cfg`],
    env: process.env,
    ...filesOf({ dir, run }, "haproxy"),
    ready: async () => (await worker()) !== undefined,
  };
  let written = "";

  function ask(command: string): Promise<string> {
    const socket = createConnection(`${run}/haproxy.sock`);
    socket.setTimeout(5000, () => socket.destroy(new Error("HAProxy does not answer"))).end(`${command}\n`);
    return text(socket);
  }

  /** The process that answers, which a reload replaces. */
  const worker = async () => /^Pid: (\d+)/m.exec(await ask("show info").catch(() => ""))?.[1];

  async function reload(pid: number): Promise<void> {
    const before = await worker();
    process.kill(pid, "SIGUSR2");
    for (const end = Date.now() + 10_000; (await worker()) === before; await sleep(20)) {
      if (Date.now() > end) throw new Error(`HAProxy does not take its configuration, see ${daemon.logFile}`);
    }
  }

  /** Ends it, and removes its files. */
  async function stop(): Promise<void> {
    await stopDaemon(daemon, 5000);
    for (const end of ["cfg", "sock", "state"]) rmSync(`${run}/haproxy.${end}`, { force: true });
    written = "";
  }

  const servers = async () => (existsSync(`${run}/haproxy.sock`) ? serversIn(await ask("show stat")) : []);

  return {
    stop,
    servers,
    /** Whether it was started and has ended by itself. */
    isDead: () => written !== "" && runningPid(daemon) === undefined,

    /** Starts HAProxy with this configuration, or gives it to the one that runs, without a connection being lost; ends it if there is none. */
    async apply(frontends: readonly string[], backends: readonly Backend[]): Promise<void> {
      const wanted = JSON.stringify([frontends, backends]);
      const pid = runningPid(daemon);
      if (wanted === written && (pid !== undefined || frontends.length === 0)) return;
      if (frontends.length === 0) await stop();
      else {
        // What it has learned of its targets is kept over a reload.
        writeFileSync(`${run}/haproxy.state`, pid ? await ask("show servers state") : "1\n");
        writeFileSync(`${run}/haproxy.cfg`, configuration(run, frontends, backends, pid ? await servers() : []));
        if (pid) await reload(pid);
        else await startDaemon(daemon);
      }
      written = wanted;
    },

    /** A target that gets no request before its checks have passed, unless it is known to be healthy: a new server of HAProxy's would. */
    async add(backend: Backend, name: string, address: string, isHealthy: boolean): Promise<void> {
      const server = `${backend.name}/${name}`;
      await ask(`add server ${server} ${address} ${backend.options}`);
      const settings = isHealthy ? ["state ready"] : ["state drain", "health down", "state ready"];
      const steps = settings.map((step) => `set server ${server} ${step}`);
      await ask([`enable health ${server}`, ...steps].join("; "));
    },

    /** No new requests for it; those that it has are finished. */
    drain: ({ backend, name }: Server) => ask(`set server ${backend}/${name} state drain`),
    ready: ({ backend, name }: Server) => ask(`set server ${backend}/${name} state ready`),

    async remove({ backend, name }: Server): Promise<void> {
      const server = `${backend}/${name}`;
      await ask(`set server ${server} state maint; shutdown sessions server ${server}; del server ${server}`);
    },
  };
}

export type HAProxy = ReturnType<typeof haproxyOf>;

/** The servers in HAProxy's statistics, whose first line names the columns. */
export function serversIn(statistics: string) {
  const [header = "", ...rows] = statistics.replace(/^# /, "").split("\n").filter(Boolean);
  const columns = header.split(",");
  return rows.flatMap((row) => {
    const cells = row.split(",");
    const cell = (name: string) => cells[columns.indexOf(name)] ?? "";
    const name = cell("svname");
    if (name === "FRONTEND" || name === "BACKEND") return [];
    return {
      backend: cell("pxname"),
      name,
      address: cell("addr"),
      status: cell("status"),
      sessions: Number(cell("scur")),
      /** Seconds since it came up or went down. */
      age: Number(cell("lastchg")),
      /** The last check: `L7OK`, `L4TOUT`. */
      check: cell("check_status"),
      code: cell("check_code"),
    };
  });
}

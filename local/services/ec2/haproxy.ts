import { existsSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cloud, filesIn } from "../../cloud.ts";
import { type Daemon, runningPid, startDaemon, stopDaemon } from "../../daemon.ts";

/** What HAProxy listens on: a listener of a load balancer. Times are in seconds. */
export interface Frontend {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
  /** After how long an idle connection is closed. */
  readonly idle: number;
  readonly dropsInvalidHeaders: boolean;
  /** The file with the certificate and its key, the oldest version of TLS, and the protocols in it. */
  readonly tls?: { readonly file: string; readonly oldest: string; readonly protocols: string };
  /** Where a request goes: to a backend, or to another port by HTTPS. */
  readonly backend?: string;
  readonly redirect?: { readonly port: string; readonly code: string };
}

/** A target group, as its load balancer sends to it from its own address. */
export interface Backend {
  readonly name: string;
  readonly source: string;
  readonly idle: number;
  readonly algorithm: string;
  readonly path: string;
  readonly codes: string;
  readonly interval: number;
  readonly timeout: number;
  readonly slowStart: number;
  readonly rise: number;
  readonly fall: number;
}

/** A target as HAProxy has it. */
export interface Server {
  readonly backend: string;
  readonly name: string;
  readonly status: string;
  readonly sessions: number;
  /** Seconds since it came up or went down. */
  readonly age: number;
  /** The last check: `L7OK`, `L4TOUT`. */
  readonly check: string;
  readonly code: string;
  readonly address: string;
}

const checked = ({ interval, rise, fall, slowStart }: Backend) =>
  `check inter ${interval * 1000} rise ${rise} fall ${fall}${slowStart > 0 ? ` slowstart ${slowStart * 1000}` : ""}`;

/** HAProxy's configuration. What a load balancer of AWS does not do is off: nothing that a target has refused is sent again. */
export function configuration(
  run: string,
  frontends: readonly Frontend[],
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
  ];
  for (const { name, addresses, port, idle, dropsInvalidHeaders, tls, backend, redirect } of frontends) {
    const secured = tls ? ` ssl crt ${tls.file} alpn ${tls.protocols} ssl-min-ver ${tls.oldest}` : "";
    lines.push(`frontend ${name}`, ...addresses.map((address) => `  bind ${address}:${port}${secured}`));
    lines.push(`  timeout client ${idle}s`, `  timeout http-request ${idle}s`);
    if (dropsInvalidHeaders) lines.push("  http-request del-header [^A-Za-z0-9-] -m reg");
    if (redirect) {
      const host = `%[req.hdr(host),field(1,:)]${redirect.port === "443" ? "" : `:${redirect.port}`}`;
      lines.push(`  http-request redirect location https://${host}%[capture.req.uri] code ${redirect.code}`);
    } else {
      lines.push(
        `  http-request set-header X-Forwarded-Proto ${tls ? "https" : "http"}`,
        `  http-request set-header X-Forwarded-Port ${port}`,
        // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html
        `  http-request set-header X-Amzn-Trace-Id Root=1-%[date,hex,bytes(8,8),lower]-%[uuid,regsub(-,,g),bytes(0,24)] unless { req.hdr(X-Amzn-Trace-Id) -m found }`,
        `  default_backend ${backend}`,
      );
    }
  }
  for (const backend of backends) {
    lines.push(
      `backend ${backend.name}`,
      `  balance ${backend.algorithm === "least_outstanding_requests" ? "leastconn" : "roundrobin"}`,
      `  source ${backend.source}`,
      `  timeout server ${backend.idle}s`,
      `  timeout check ${backend.timeout}s`,
      "  option httpchk",
      `  http-check send meth GET uri ${backend.path} ver HTTP/1.1 hdr Host ${backend.source} hdr User-Agent ELB-HealthChecker/2.0`,
      `  http-check expect status ${backend.codes}`,
    );
    for (const { name, address } of servers.filter((each) => each.backend === backend.name)) {
      lines.push(`  server ${name} ${address} ${checked(backend)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** HAProxy's own process. */
export class HAProxy {
  readonly #run: string;
  readonly #daemon: Daemon;
  #written = "";

  constructor({ run, dir }: Pick<Cloud, "run" | "dir">) {
    this.#run = run;
    this.#daemon = {
      name: "haproxy",
      // The master: a reload replaces its worker, and it stays.
      command: ["haproxy", "-W", "-db", "-f", `${run}/haproxy.cfg`],
      env: process.env,
      ...filesIn(dir, run)("haproxy"),
      ready: async () => (await this.#worker()) !== undefined,
    };
  }

  /** Whether it was started and has ended by itself. */
  get isDead(): boolean {
    return this.#written !== "" && runningPid(this.#daemon) === undefined;
  }

  /** Starts HAProxy with this configuration, or gives it to the one that runs, without a connection being lost; ends it if there is none. */
  async apply(frontends: readonly Frontend[], backends: readonly Backend[]): Promise<void> {
    const wanted = JSON.stringify([frontends, backends]);
    const pid = runningPid(this.#daemon);
    if (wanted === this.#written && (pid !== undefined || frontends.length === 0)) return;
    if (frontends.length === 0) await this.stop();
    else {
      // What it has learned of its targets is kept over a reload.
      writeFileSync(`${this.#run}/haproxy.state`, pid ? await this.#ask("show servers state") : "1\n");
      const servers = pid ? await this.servers() : [];
      writeFileSync(`${this.#run}/haproxy.cfg`, configuration(this.#run, frontends, backends, servers));
      if (pid) await this.#reload(pid);
      else await startDaemon(this.#daemon);
    }
    this.#written = wanted;
  }

  async #reload(pid: number): Promise<void> {
    const before = await this.#worker();
    process.kill(pid, "SIGUSR2");
    for (const end = Date.now() + 10_000; (await this.#worker()) === before; await sleep(20)) {
      if (Date.now() > end) throw new Error(`HAProxy does not take its configuration, see ${this.#daemon.logFile}`);
    }
  }

  /** The process that answers, which a reload replaces. */
  #worker = async (): Promise<string | undefined> =>
    /^Pid: (\d+)/m.exec(await this.#ask("show info").catch(() => ""))?.[1];

  /** Ends it, and removes its files. */
  async stop(): Promise<void> {
    await stopDaemon(this.#daemon, 5000);
    for (const end of ["cfg", "sock", "state"]) rmSync(`${this.#run}/haproxy.${end}`, { force: true });
    this.#written = "";
  }

  async servers(): Promise<Server[]> {
    if (!existsSync(`${this.#run}/haproxy.sock`)) return [];
    return serversIn(await this.#ask("show stat"));
  }

  /** A target that gets no request before its checks have passed, unless it is known to be healthy: a new server of HAProxy's would. */
  async add(backend: Backend, name: string, address: string, isHealthy: boolean): Promise<void> {
    const server = `${backend.name}/${name}`;
    await this.#ask(`add server ${server} ${address} ${checked(backend)}`);
    const settings = isHealthy ? ["state ready"] : ["state drain", "health down", "state ready"];
    const steps = settings.map((step) => `set server ${server} ${step}`);
    await this.#ask([`enable health ${server}`, ...steps].join("; "));
  }

  /** No new requests for it; those that it has are finished. */
  drain = ({ backend, name }: Server) => this.#ask(`set server ${backend}/${name} state drain`);
  ready = ({ backend, name }: Server) => this.#ask(`set server ${backend}/${name} state ready`);

  async remove({ backend, name }: Server): Promise<void> {
    const server = `${backend}/${name}`;
    await this.#ask(`set server ${server} state maint; shutdown sessions server ${server}; del server ${server}`);
  }

  #ask(command: string): Promise<string> {
    const socket = createConnection(`${this.#run}/haproxy.sock`);
    socket.setTimeout(5000, () => socket.destroy(new Error("HAProxy does not answer"))).end(`${command}\n`);
    return text(socket);
  }
}

/** The servers in HAProxy's statistics, whose first line names the columns. */
export function serversIn(statistics: string): Server[] {
  const [header = "", ...rows] = statistics.replace(/^# /, "").split("\n").filter(Boolean);
  const columns = header.split(",");
  return rows.flatMap((row) => {
    const cells = row.split(",");
    const cell = (name: string) => cells[columns.indexOf(name)] ?? "";
    const name = cell("svname");
    if (name === "FRONTEND" || name === "BACKEND") return [];
    const state = { status: cell("status"), sessions: Number(cell("scur")), age: Number(cell("lastchg")) };
    const last = { check: cell("check_status"), code: cell("check_code") };
    return [{ backend: cell("pxname"), name, address: cell("addr"), ...state, ...last }];
  });
}

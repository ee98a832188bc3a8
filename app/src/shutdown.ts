/** What a shutdown needs of a server, such as Bun.serve's. */
export interface StoppableServer {
  /** Stops accepting; resolves when every request in flight is answered. With `true` it cuts them off. */
  stop(closeActiveConnections?: boolean): Promise<void>;
}

export interface ShutdownOptions {
  server: StoppableServer;
  log: (entry: { level: "info" | "warn" | "error"; message: string; [field: string]: unknown }) => void;
  exit: (code: number) => void;
  /**
   * Milliseconds that requests in flight get to finish: less than the 10 s after which Docker kills the container.
   *
   * @default 8000
   * @see https://docs.docker.com/reference/cli/docker/container/stop/
   */
  graceMs?: number;
}

/**
 * The handler for SIGTERM and SIGINT. The first signal lets the requests in flight finish, within the grace period;
 * a second one exits at once.
 */
export function createShutdown({ server, log, exit, graceMs = 8000 }: ShutdownOptions) {
  let started = false;
  return {
    isShuttingDown: () => started,
    async onSignal(signal: string): Promise<void> {
      if (started) {
        log({ level: "warn", message: "stopped at once by a second signal", signal });
        return exit(1);
      }
      started = true;
      log({ level: "info", message: "shutting down", signal });
      let timer: ReturnType<typeof setTimeout> | undefined;
      const outOfTime = new Promise<"out of time">((resolve) => {
        timer = setTimeout(resolve, graceMs, "out of time");
      });
      const ended = await Promise.race([server.stop(), outOfTime]);
      clearTimeout(timer);
      if (ended === "out of time") {
        log({ level: "warn", message: "requests were cut off at the end of the grace period", graceMs });
        // Not awaited: a connection that did not end in the grace period must not delay the exit either.
        void server.stop(true);
      }
      log({ level: "info", message: "stopped" });
      exit(0);
    },
  };
}

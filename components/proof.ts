import { json } from "node:stream/consumers";
import type * as pulumi from "@pulumi/pulumi";
import type { AwsClient } from "./aws-client.ts";
import { isHopeless, lastLines } from "./console.ts";
import { show } from "./messages.ts";

/** What a machine must answer to be proven. */
export interface Expectation {
  /** `uname -m` of the machine; the ELF header of the running binary names the same. */
  readonly machine: string;
  /** `docker image inspect`'s architecture. */
  readonly image: string;
  /** `process.arch`. */
  readonly process: string;
  /** Digest of the index that this deployment pushed. */
  readonly digest: string;
  /** Digest of the image configuration that this index has for the machine's platform: Docker's id of that image. */
  readonly imageId: string;
  readonly instanceId: string;
}

export interface ProofArgs extends AwsClient {
  /** What every machine must answer, beside its own id. */
  expected: Readonly<Record<Exclude<keyof Expectation, "instanceId">, pulumi.Input<string>>>;
  /** Name of the log group that the machines write to. */
  logGroup: pulumi.Input<string>;
  /** Seconds that a machine may take until it has proven itself. */
  timeout: number;
}

/** What was found to be true of a machine, and when. */
export interface Proof extends Expectation {
  /** ISO 8601. */
  readonly verifiedAt: string;
}

export interface ProveOptions {
  /** The app's address, without a path. */
  readonly url: string;
  readonly expected: Expectation;
  /** Seconds until the machine must have proven itself. */
  readonly timeout: number;
  /** The machine's console so far; read now and then to stop early when the user data has failed. */
  readonly console: () => Promise<string>;
  /** The command that prints what the machine has logged. */
  readonly logCommand: string;
}

/**
 * Polls the app until it proves what it runs on.
 *
 * @throws Error that says what was expected, what came, and from where: at once when this very machine contradicts an expectation or its
 * user data has failed; after the time-out when it does not answer or another machine answers in its place.
 */
export async function prove(options: ProveOptions): Promise<Proof> {
  const { url, expected, timeout } = options;
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let nextConsole = 15;
  for (;;) {
    const answer = await askOnce((nonce) => askForReport(new URL(url).host, undefined, nonce));
    const { own, problems } =
      answer.problem === undefined
        ? check(answer.report, expected, answer.nonce)
        : { own: false, problems: [answer.problem] };
    if (problems.length === 0) return { ...expected, verifiedAt: new Date().toISOString() };
    const problem = problems.join("; ");
    const late = seconds() >= timeout;
    if (own || late || seconds() >= nextConsole) {
      const log = await options.console();
      const failed = isHopeless(log, seconds());
      if (own || late || failed) {
        const why = own ? "" : failed ? "the machine's user data failed; " : `time-out after ${timeout} s; `;
        const hint = log.includes("GET /health answers ") ? timeoutHint(problem, "; it listens: ") : "";
        throw new Error(
          `${expected.instanceId} at ${url} failed verification: ${why}${problem}${hint}\n${lastLines(log, options.logCommand)}`,
        );
      }
      show(`${expected.instanceId} at ${url}: not proven after ${seconds()} s, asking until ${timeout} s: ${problem}`);
      nextConsole = seconds() + 15;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** For a problem that is a time-out: `but`, and what may be behind it, since a security group or a firewall drops packets without a refusal. */
export const timeoutHint = (problem: string, but: string) =>
  /timed? ?out|EHOSTUNREACH|ENETUNREACH/i.test(problem)
    ? `${but}perhaps its port cannot be reached from here (allowedCidrs, or a firewall on the way)`
    : "";

/**
 * A provider's `read` of a proof: it asks again, for ten seconds, since a machine that runs answers at once. A proof that fails now leaves the
 * state: a refresh shows that, and the next `up` verifies again, with its whole time-out.
 */
export async function stillProven<State, Proof>(id: string, state: State, prove: (timeout: number) => Promise<Proof>) {
  try {
    return { id, props: { ...state, proof: await prove(10) } };
  } catch (error) {
    show(`no longer verified: ${(error as Error).message}`);
    return {};
  }
}

/** Asks once, with a nonce, so that no earlier answer counts. */
export async function askOnce(ask: (nonce: string) => Promise<unknown>) {
  const nonce = crypto.randomUUID();
  try {
    return { nonce, report: await ask(nonce) };
  } catch (error) {
    // An aborted request's cause is a longer form of its message. Where all addresses of a name refuse, there is a code and no message.
    const { message, cause, code } = error as NodeJS.ErrnoException;
    const problem = cause instanceof Error ? cause.message : message || code;
    return { nonce, report: undefined, problem: `/platform: ${problem}` };
  }
}

/**
 * One question, over a connection of its own.
 *
 * @param address Name or address that answers.
 * @param domain Name that people use, where it is another one: it need not lead to the address yet, and the certificate must be for it.
 */
export async function askForReport(address: string, domain: string | undefined, nonce: string): Promise<unknown> {
  // An import would load WebSocket and fetch too, in every command.
  const { request } = process.getBuiltinModule(domain ? "node:https" : "node:http");
  const url = new URL(`${domain ? "https" : "http"}://${address}/platform?nonce=${nonce}`);
  const headers = domain ? { host: domain } : {};
  const options = { servername: domain, headers, agent: false, signal: AbortSignal.timeout(5000) };
  return new Promise((resolve, reject) => {
    const get = request(url, options, (response) => {
      if (response.statusCode === 200) return json(response).then(resolve, reject);
      response.resume();
      reject(new Error(`answered ${response.statusCode}`));
    });
    get.on("error", reject).end();
  });
}

type Facts = Readonly<Record<string, unknown>>;

/** Compares an answer with what is expected. `own`: this machine gave it, to this question, so that waiting would not change it. */
export function check(report: unknown, expected: Expectation, nonce: string): { own: boolean; problems: string[] } {
  // Anything may have been sent: a part that is missing, or is no object, has none of the facts.
  const { nonce: sent, machine, image, process } = (report ?? {}) as Readonly<Record<string, Facts | null | undefined>>;
  const problems: string[] = [];
  const compare = (what: string, found: unknown, wanted: string) => {
    if (found === wanted) return true;
    problems.push(`${what}: expected ${wanted}, got ${found === undefined ? "nothing" : JSON.stringify(found)}`);
    return false;
  };
  const fresh = compare("nonce", sent, nonce);
  const own = compare("instance", machine?.instanceId, expected.instanceId) && fresh;
  compare("machine (uname -m)", machine?.architecture, expected.machine);
  compare("image (docker image inspect)", image?.architecture, expected.image);
  compare("image digest", image?.digest, expected.digest);
  // An engine with containerd's image store, which Docker 29 brought as the default, names an image by its index instead.
  if (image?.id !== expected.digest) compare("image id", image?.id, expected.imageId);
  compare("process (process.arch)", process?.architecture, expected.process);
  compare("running binary (ELF)", process?.elf, expected.machine);
  return { own, problems };
}

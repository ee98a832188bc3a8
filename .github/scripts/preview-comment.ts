import { readFileSync } from "node:fs";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { runCommand, UsageError } from "../../cli/shared/command.ts";
import { machinesIn } from "../../cli/shared/outputs.ts";

const usage = `usage: node .github/scripts/preview-comment.ts (--preview FILE | --review FILE) --status N --stack NAME --run-url URL
                                   [--cost FILE] [--commit SHA] [--publish PULL-REQUEST]
       node .github/scripts/preview-comment.ts --destroyed --stack NAME --run-url URL [--publish PULL-REQUEST]

Prints the comment that shows a preview (--preview: what pulumi preview printed) or a review environment (--review: the stack's outputs as
JSON; not read after a failure; --destroyed: it is gone) in a pull request. With --publish it is made or updated there instead, so that a pull
request has one of each; --destroyed makes none. GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL are read as GitHub Actions sets them.
`;

/** The most that GitHub takes as the text of a comment, in characters. */
export const commentLimit = 65_536;

export interface Preview {
  readonly stack: string;
  /** What `pulumi preview --diff` printed. */
  readonly text: string;
  /** Its exit status. */
  readonly status: number;
  /** The price, as Markdown. */
  readonly cost?: string;
  /** The run that has the whole of it. */
  readonly runUrl: string;
  readonly commit: string;
}

/** The first line of the comment, by which the next run finds it; not shown. */
export const marker = (stack: string): string => `<!-- preview of ${stack} -->`;

/**
 * The comment's text: never longer than GitHub takes. What is too long loses lines from its middle, since a diff says what it is about
 * in its first lines and sums itself up in its last; the text says how much is missing and where the whole is.
 */
export function previewComment(preview: Preview): string {
  const { stack, status, runUrl, commit, cost = "" } = preview;
  const plain = stripVTControlCharacters(preview.text).replaceAll("\r", "").replaceAll("\0", "");
  const text = colour(plain).trim() || "(no output)";
  // A diff may itself contain fences: the one around it is longer than any run of backticks in it.
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2);
  const fence = "`".repeat(longest + 1);
  const verdict = status === 0 ? "" : ` **failed** with exit status ${status}`;
  const head = `${marker(stack)}\n### Preview of \`${stack}\`${verdict}\n\n${cost === "" ? "" : `${cost.trim()}\n\n`}${fence}diff\n`;
  const tail = `\n${fence}\n\n${commit} · [the whole output](${runUrl}) is in the run's log\n`;
  return head + shorten(text, commentLimit - head.length - tail.length) + tail;
}

const reviewHead = (stack: string) => `<!-- review of ${stack} -->
### Review environment \`${stack}\`
`;

/** What replaces the comment of a review environment that is gone, with its addresses. */
const destroyedComment = (stack: string, runUrl: string): string => `${reviewHead(stack)}
Destroyed · [the run](${runUrl}) · the label \`review\`, taken off and set again, brings it back
`;

/** The comment of a review environment: the addresses and what answers there, or that the deployment failed. */
export function reviewComment(review: Omit<Preview, "text"> & { readonly outputs?: Record<string, unknown> }): string {
  const { stack, status, runUrl, commit, cost = "", outputs } = review;
  const machines = outputs ? machinesIn(outputs) : [];
  const table = [
    "| machine | address | type | `uname -m` | image | process |",
    "|---|---|---|---|---|---|",
    ...machines.map(
      ({ of, url, type, proof: { machine, image, process } }) =>
        `| ${of} | ${url} | ${type} | ${machine} | ${image} | ${process} |`,
    ),
  ];
  const failed = `The deployment **failed** with exit status ${status}; what was deployed before still runs.`;
  return `${reviewHead(stack)}
${status === 0 ? table.join("\n") : failed}

${cost === "" ? "" : `${cost.trim()}\n\n`}${commit} · [the run](${runUrl}) · updated with each push, destroyed when the pull request is closed or loses its label
`;
}

/**
 * GitHub colours a line of a diff by its first character, where Pulumi has indentation and then its mark: a blank there gives way to
 * `+`, `-` or, for a change and a replacement, `!`.
 */
export function colour(text: string): string {
  return text.replace(/^ (?= *(\+-|[-+~])(?!-outputs:))/gm, (_, mark) => (mark === "~" || mark === "+-" ? "!" : mark));
}

/**
 * At most `limit` characters of a text: its beginning and its end, two thirds and one, around a line that says what is missing. Both are whole
 * lines, but for one that fills half the beginning by itself.
 */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const all = text.split("\n").length;
  const notice = (missing: number) => `… ${missing} of ${all} lines left out here; the link below has them …`;
  const room = Math.max(limit - notice(all).length - 2, 0);
  const begun = text.slice(0, (room * 2) / 3);
  const lineBreak = begun.lastIndexOf("\n");
  const first = lineBreak < begun.length / 2 ? begun : begun.slice(0, lineBreak);
  const last = text.slice(text.length - Math.floor(room / 3)).replace(/^.*\n?/, "");
  const missing = text
    .slice(first.length, text.length - last.length)
    .replace(/^\n|\n$/g, "")
    .split("\n").length;
  return [first, notice(missing), last].join("\n").slice(0, limit).toWellFormed();
}

interface GitHub {
  readonly apiUrl: string;
  readonly repository: string;
  readonly token: string;
}

/**
 * Makes the comment, or updates the one that an earlier run made, which has the same first line.
 *
 * @param makes Whether it is made where there is none. @default true
 */
export async function publish(
  body: string,
  pullRequest: number,
  github: GitHub,
  makes = true,
): Promise<"created" | "updated" | "not there"> {
  const issues = `${github.apiUrl}/repos/${github.repository}/issues`;
  const [firstLine = ""] = body.split("\n", 1);
  const found = await findComment(`${issues}/${pullRequest}/comments`, firstLine, github);
  if (found !== undefined) {
    await request("PATCH", `${issues}/comments/${found}`, github, { body });
    return "updated";
  }
  if (!makes) return "not there";
  await request("POST", `${issues}/${pullRequest}/comments`, github, { body });
  return "created";
}

async function findComment(url: string, firstLine: string, github: GitHub): Promise<number | undefined> {
  for (let page = 1; ; page++) {
    const comments = (await request("GET", `${url}?per_page=100&page=${page}`, github)) as {
      id: number;
      body?: string;
      user?: { type?: string } | null;
    }[];
    // Anyone can write the marker into a comment of their own; only a bot's is ours to update.
    const found = comments.find(({ body, user }) => user?.type === "Bot" && body?.startsWith(firstLine));
    if (found !== undefined) return found.id;
    if (comments.length < 100) return undefined;
  }
}

async function request(method: string, url: string, github: GitHub, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: "application/vnd.github+json",
      authorization: `Bearer ${github.token}`,
      "x-github-api-version": "2022-11-28",
      ...(body ? { "content-type": "application/json" } : {}),
    },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${(await response.text()).slice(0, 500)}`);
  return response.json();
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      preview: { type: "string" },
      review: { type: "string" },
      destroyed: { type: "boolean", default: false },
      status: { type: "string" },
      stack: { type: "string" },
      cost: { type: "string" },
      "run-url": { type: "string" },
      commit: { type: "string" },
      publish: { type: "string" },
    },
  });
  const { destroyed, preview, review, status, stack, "run-url": runUrl, commit = "", cost, publish: to } = values;
  const isOfDeployment = (preview ?? review) !== undefined && status !== undefined;
  if (stack === undefined || runUrl === undefined || !(destroyed || isOfDeployment)) throw new UsageError(usage);
  const read = (path = "") => readFileSync(path, "utf8");
  const made = () => {
    const shared = { stack, runUrl, commit, status: Number(status), ...(cost && { cost: read(cost) }) };
    if (preview) return previewComment({ ...shared, text: read(preview) });
    return reviewComment({ ...shared, ...(shared.status === 0 && { outputs: JSON.parse(read(review)) }) });
  };
  const comment = destroyed ? destroyedComment(stack, runUrl) : made();
  if (to === undefined) return void process.stdout.write(comment);
  const { GITHUB_TOKEN: token, GITHUB_REPOSITORY: repository, GITHUB_API_URL: apiUrl } = process.env;
  if (!token || !repository || !apiUrl) {
    throw new Error("GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL are not all set, as GitHub Actions sets them");
  }
  const done = await publish(comment, Number(to), { apiUrl, repository, token }, !destroyed);
  process.stdout.write(`comment ${done}\n`);
}

if (import.meta.main) await runCommand(usage, main);

import { describe, expect, test } from "vitest";
import {
  colour,
  commentLimit,
  marker,
  type Preview,
  previewComment,
  publish,
  reviewComment,
  shorten,
} from "../../../.github/scripts/preview-comment.ts";
import { github, ofBot } from "../../support/comments.ts";

const preview = (changes: Partial<Preview> = {}): Preview => ({
  stack: "dev",
  text: "Previewing update (dev):\n\n+ aws:ec2/instance:Instance: (create)\n\nResources:\n    + 1 to create\n",
  status: 0,
  cost: "<details>price</details>\n",
  runUrl: "https://github.com/owner/name/actions/runs/1",
  commit: "abc123",
  ...changes,
});

test("the whole text, when it fits", () => {
  expect(previewComment(preview())).toBe(`<!-- preview of dev -->
### Preview of \`dev\`

<details>price</details>

\`\`\`diff
Previewing update (dev):

+ aws:ec2/instance:Instance: (create)

Resources:
+   + 1 to create
\`\`\`

abc123 · [the whole output](https://github.com/owner/name/actions/runs/1) is in the run's log
`);
});

test("a failed preview says so, first thing", () => {
  const comment = previewComment(preview({ status: 255, text: "error: no credentials", cost: undefined }));
  expect(comment).toContain(
    "### Preview of `dev` **failed** with exit status 255\n\n```diff\nerror: no credentials\n```",
  );
});

test("no output is said, and colours, carriage returns and null characters are not", () => {
  expect(previewComment(preview({ text: " \n" }))).toContain("(no output)");
  expect(previewComment(preview({ text: "\u001B[32m+ x\u001B[0m\r\n\0y" }))).toContain("diff\n+ x\ny\n");
});

// Lines of `pulumi preview --diff`, as they come.
test("what is added, taken away and changed has its colour on GitHub, at any depth", () => {
  const lines = [
    ["+ pulumi:pulumi:Stack: (create)", "+ pulumi:pulumi:Stack: (create)"],
    ["    + aws:iam/role:Role: (create)", "+   + aws:iam/role:Role: (create)"],
    ["        [id=i-00d0f4aa75ade1f61]", "        [id=i-00d0f4aa75ade1f61]"],
    ['      - instanceState            : "running"', '-     - instanceState            : "running"'],
    ["    ~ docker-build:index:Image: (update)", "!   ~ docker-build:index:Image: (update)"],
    ["    +-aws:ec2/instance:Instance: (replace)", "!   +-aws:ec2/instance:Instance: (replace)"],
    ["    --aws:ec2/instance:Instance: (delete-replaced)", "-   --aws:ec2/instance:Instance: (delete-replaced)"],
    ["    --outputs:--", "    --outputs:--"],
    ["#14 [linux/amd64 bundle 6/6] RUN bun build --minify", "#14 [linux/amd64 bundle 6/6] RUN bun build --minify"],
    ["    +-2 to replace", "!   +-2 to replace"],
  ];
  expect(colour(lines.map(([printed]) => printed).join("\n")).split("\n")).toEqual(lines.map(([, shown]) => shown));
});

test("fences in the output do not end the one around it", () => {
  const comment = previewComment(preview({ text: "a\n```\n<img src=x>\n`````\nb" }));
  expect(comment).toContain("\n``````diff\na\n```\n<img src=x>\n`````\nb\n``````\n");
});

describe("a text that is too long", () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}: ${"x".repeat(index % 90)}`);

  test("keeps its beginning and its end, says what is missing and where it is", () => {
    const comment = previewComment(preview({ text: lines.join("\n") }));
    expect(comment.length).toBeLessThanOrEqual(commentLimit);
    expect(comment.length).toBeGreaterThan(commentLimit - 500);
    expect(comment).toContain("line 0: \n");
    expect(comment).toContain(`\n${lines.at(-1)}\n\`\`\`\n`);
    const [, missing, all] = /… (\d+) of (\d+) lines left out here; the link below has them …/.exec(comment) ?? [];
    expect(Number(all)).toBe(20_000);
    expect(comment.match(/^line /gm)?.length).toBe(20_000 - Number(missing));
  });

  test("has the beginning of a line that does not fit at all", () => {
    const comment = previewComment(preview({ text: `first\nerror: ${"x".repeat(100_000)}\nlast` }));
    expect(comment).toMatch(/\nfirst\nerror: x{40000,}\n… 1 of 3 lines left out here; .*\nlast\n```\n/);
  });

  test.each([
    ["of one line", "x".repeat(200_000)],
    ["of wide characters", "😀".repeat(70_000)],
    ["of empty lines", "\n".repeat(200_000)],
    ["with a last line that is too long", `a\n${"x".repeat(100_000)}`],
    ["with a first line that is too long", `${"x".repeat(100_000)}\nb`],
    ["of backticks", "`".repeat(10_000)],
    ["of more fences than a function takes arguments", "`a".repeat(300_000)],
    ["that just does not fit", "x\n".repeat(32_768)],
  ])("%s is never over the limit", (_, text) => {
    const comment = previewComment(preview({ text: `start${text}` }));
    expect(comment.length).toBeLessThanOrEqual(commentLimit);
    expect(comment.isWellFormed()).toBe(true);
    expect(comment).toContain("[the whole output](");
  });
});

test.each([0, 1, 10, 60, 61, 62, 100, 500])("at most %d characters", (limit) => {
  expect(shorten("some line of text\n".repeat(100), limit).length).toBeLessThanOrEqual(limit);
});

test("a review environment: where it is, what answers there, what it costs; or that its deployment failed", () => {
  const proof = { machine: "aarch64", image: "arm64", process: "arm64" };
  const graviton = { url: "http://192.0.2.1", type: "t4g.micro", proof };
  const intel = {
    url: "http://192.0.2.2",
    type: "t3.micro",
    proof: { machine: "x86_64", image: "amd64", process: "x64" },
  };
  const given = { stack: "pr-7", status: 0, cost: "price\n", runUrl: "https://github.com/run", commit: "abc123" };
  const [first, ...lines] = reviewComment({ ...given, outputs: { graviton, intel } }).split("\n");
  expect(first).toBe("<!-- review of pr-7 -->");
  expect(lines).toEqual(
    expect.arrayContaining([
      "| graviton | http://192.0.2.1 | t4g.micro | aarch64 | arm64 | arm64 |",
      "| intel | http://192.0.2.2 | t3.micro | x86_64 | amd64 | x64 |",
      "price",
      expect.stringMatching(/^abc123 · \[the run\]\(https:\/\/github\.com\/run\)/),
    ]),
  );
  const machines = ["i-1", "i-2"].map((id) => ({ id, zone: "a", proof }));
  const fleet = { url: "http://one", graviton: { group: "g", type: "t4g.micro", machines }, intel };
  const shown = reviewComment({ ...given, outputs: fleet });
  expect(shown).toContain(
    "| graviton i-1 | http://one | t4g.micro | aarch64 | arm64 | arm64 |\n| graviton i-2 | http://one |",
  );
  const failed = reviewComment({ ...given, status: 255 });
  expect(failed).toContain("The deployment **failed** with exit status 255");
  expect(failed).not.toContain("undefined");
});

describe("publishing", () => {
  const there = marker("dev");
  async function publishing(comments: Parameters<typeof github>[0], makes = true, token = "job-token") {
    const { url: apiUrl, requests } = await github(comments);
    const done = await publish(`${there}\nnew`, 7, { apiUrl, repository: "Owner/Hono-App", token }, makes);
    return [done, requests.length, comments.map(({ body }) => body)];
  }
  const talk = Array.from({ length: 250 }, (_, id) => ofBot("talk", id));
  const others = [
    ofBot(marker("prod")),
    { id: 2, body: `${there} mine`, user: { type: "User" } },
    { id: 3, body: there, user: null },
  ];

  test.each<[string, typeof others, boolean, done: string, requests: number]>([
    ["makes the comment when there is none", [ofBot("hello")], true, "created", 2],
    [
      "updates the one that is there, also when it is far down",
      [...talk, ofBot(`${there}\nold`, 999)],
      true,
      "updated",
      4,
    ],
    ["makes none where only one that is there is to be updated", [ofBot(marker("prod"))], false, "not there", 1],
    ["leaves alone another stack's, and what somebody else wrote with the same mark", others, true, "created", 2],
  ])("%s", async (_, comments, makes, done, requests) => {
    const kept = comments.map(({ body }) => body).filter((body) => body !== `${there}\nold`);
    const bodies = makes ? [...kept, `${there}\nnew`] : kept;
    expect(await publishing(comments, makes)).toEqual([done, requests, bodies]);
  });

  test("says what GitHub answered", async () => {
    await expect(publishing([], true, "other")).rejects.toThrow(/GET .*: 401/);
  });
});

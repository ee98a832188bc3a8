import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { architectures } from "../../../components/architecture.ts";
import { imageRef } from "../../../components/image-reference.ts";
import { failureMarker, userData } from "../../../components/user-data.ts";
import { launchArgs as args } from "../../support/machine.ts";
import { temporaryFolder } from "../../support/process.ts";

const script = userData(args);
const functions = script.slice(0, script.indexOf('say "installing'));

test("the whole script", () => {
  expect(script).toMatchSnapshot();
});

test("bash takes it, and EC2 does: 16 KB is the most", () => {
  execFileSync("bash", ["--norc", "-n"], { input: script });
  expect(Buffer.byteLength(script)).toBeLessThan(16_384);
});

test("both machines pull the same reference, with no platform; each asserts its own architecture, and serves the port that is set", () => {
  const pull = (script: string) => script.split("\n").filter((line) => /docker pull|^readonly image=/.test(line));
  const intel = userData({ ...args, instanceType: "t3.small", architecture: architectures.intel, port: 8080 });
  expect(pull(intel)).toEqual(pull(script));
  expect(pull(intel)).toEqual([`readonly image='${imageRef(args.image)}'`, '    docker pull --quiet "$image"']);
  expect(script + intel).not.toContain("--platform");
  expect(intel).toContain("readonly expected_architecture='amd64'");
  expect(intel).toContain("--publish 8080:3000");
});

/** An AWS CLI that prints what it is asked, on stderr, which is not looked at where the script succeeds; and a clock that sleeping moves. */
const cli = 'timeout() { shift; "$@"; }\naws() { printf "%s\\n" "$@" >&2; }\nsleep() { SECONDS=$((SECONDS + $1)); }\n';

/** Runs a machine's script to its end, without waiting anywhere. */
function run(script: string): { status: number; output: string; asked?: string } {
  try {
    const input = cli + script.replace("$(</var/lib/cloud/data/instance-id)", "i-1");
    // Bash takes the socket that is its stdin for a remote shell's, and would read the user's own settings.
    return { status: 0, output: execFileSync("bash", ["--norc"], { input, stdio: "pipe" }).toString() };
  } catch (error) {
    const { status, stdout, stderr } = error as { status: number; stdout: Buffer; stderr: Buffer };
    return { status, output: stdout.toString(), asked: stderr.toString() };
  }
}

test("what goes wrong stands in the output, marked", () => {
  const { status, output } = run(script.replace("retry dnf install", "false; retry dnf install"));
  expect(status).toBe(1);
  expect(output).toMatch(/hono-app: line \d+: "false" ended with exit status 1\nhono-app: USER-DATA-FAILED\n$/);
  expect(output).toContain(failureMarker);
});

test("a command that fails in a subshell is reported once, with its own exit status", () => {
  const { output } = run(`${functions}there=$(ls /no/such)\n`);
  expect(output).toMatch(/^hono-app: line \d+: "there=.*" ended with exit status 2\nhono-app: USER-DATA-FAILED\n$/);
});

test("what failed is written to the machine's log stream, as JSON whatever stands in it; where that fails, it is said and nothing else", () => {
  const failing = `${functions}fail 'ls "a\\b"'$'\\n\\t''is not there'`;
  const before = Date.now();
  const { asked = "", output } = run(failing);
  const after = Date.now();
  const stream = ["--region", "ap-northeast-2", "--log-group-name", "hono-app-machines-1", "--log-stream-name", "i-1"];
  const [events = "", ...words] = asked.trimEnd().split("\n").reverse();
  expect(words.reverse()).toEqual(["logs", "put-log-events", ...stream, "--log-events"]);
  const timestamp = expect.toSatisfy((time) => before <= time && time <= after, `from ${before} to ${after}`);
  expect(JSON.parse(events)).toEqual([{ timestamp, message: "hono-app: ls  a b   is not there" }]);
  expect(output).toMatch(/USER-DATA-FAILED\n$/);
  const unheard = run(`${failing.replace("readonly name", "aws() { return 254; }\nreadonly name")}`);
  expect(unheard).toMatchObject({
    status: 1,
    output: expect.stringMatching(/FAILED\nhono-app: this could not be written to the log group\n$/),
  });
});

test("what is not there after three minutes is reported, and still waited for", () => {
  // Each attempt is a process of its own: what they count is in a file.
  const comes = (attempt: number) =>
    `n=$(mktemp); comes() { echo no $1 >&2; echo >>$n; [ $(wc -l <$n) = ${attempt} ]; }; retry comes you; rm $n; say "came"\n`;
  const inTime = run(functions + comes(10));
  expect(inTime.output).not.toContain(failureMarker);
  expect(inTime.output).toMatch(/comes you failed: no you; trying again in 30 s\nhono-app: came\n$/);
  const late = run(functions + comes(12));
  expect(late.status).toBe(0);
  expect(late.output).toMatch(
    /still failing after about 3 minutes: comes you: no you; trying again every 10 s\nhono-app: USER-DATA-FAILED\nhono-app: came\n$/,
  );
});

test("where there is no password for the registry, the reason is all that is said; Docker is asked when there is one", () => {
  const aws = "aws() { [ -s $asked ] && echo secret || { echo asked >$asked; echo no role >&2; return 253; }; }";
  const docker = 'docker() { echo "$1 $(cat)" >>$asked; [ "$(tail -n 1 $asked)" != "login " ] || echo no terminal; }';
  const script = `${functions}asked=$(mktemp)\n${aws}\n${docker}\nretry login_and_pull </dev/null\ncat $asked; rm $asked\n`;
  expect(run(script).output).toBe(
    "hono-app: login_and_pull failed: no role; trying again in 1 s\nasked\nlogin secret\npull \n",
  );
});

/** What the script does with the engine's answer about the image that it has pulled. */
const afterPull = (facts: string) =>
  run(
    `${functions}docker() { echo "${facts}"; }\n${script.slice(script.indexOf("facts="), script.indexOf('say "starting"'))}`,
  );

test("the image must be of the machine's architecture, and the one that was deployed", () => {
  const { digest } = args.image;
  const repository = `${args.image.registry}/${args.image.repository}`;
  const other = `elsewhere/app@sha256:${"c".repeat(64)}`;
  expect(afterPull(`arm64 sha256:1 ${other} ${repository}@${digest} ${other}`)).toEqual({
    status: 0,
    output: expect.stringMatching(`image arm64, digest ${digest}\n$`),
  });
  expect(afterPull(`amd64 sha256:1 ${repository}@${digest}`).output).toContain("the image is amd64; expected arm64\n");
  const moved = `sha256:${"d".repeat(64)}`;
  expect(afterPull(`arm64 sha256:1 ${repository}@${moved}`).output).toContain(`is ${moved}; expected ${digest}\n`);
  expect(afterPull("arm64 sha256:1").output).toContain(`the image is ; expected ${digest}\n`);
});

test("the app gets its own variables, and its secrets when they are there; no secret is printed, and none is in the script", () => {
  const environment = [`GREETING=it's "me", $HOME`];
  const own = userData({ ...args, environment, secrets: { path: "/hono-app/dev", names: ["API_KEY", "AWS_PROFILE"] } });
  const there = `n=$(mktemp)
aws() { echo >>$n; [ $(wc -l <$n) -gt 1 ] || { echo "ParameterNotFound: $*" >&2; return 254; }; printenv API_KEY; echo 'a b"c'; }
docker() { printf '<%s>' "$@"; rm $n; printenv API_KEY AWS_PROFILE; }
image_architecture= image_id= image_digest=
`;
  const memory = temporaryFolder(onTestFinished);
  const reading = own
    .slice(own.indexOf("read_secret() ("), own.indexOf("# Any answer"))
    .replaceAll("/run/", `${memory}/`);
  const { output } = run(`${functions}${there}${reading}echo "left: $(printenv API_KEY AWS_PROFILE || echo none)"`);
  expect(readdirSync(memory)).toEqual([]);
  const asked = "ssm get-parameter --region ap-northeast-2 --with-decryption --name /hono-app/dev/API_KEY";
  expect(output).toContain(
    `read_secret API_KEY failed: ParameterNotFound: ${asked} --query Parameter.Value --output text; trying again in 1 s\n`,
  );
  expect(output).toContain(`<--env><${environment[0]}>`);
  expect(output).toContain(`<--env><API_KEY><--env><AWS_PROFILE><${imageRef(args.image)}>a b"c\na b"c\nleft: none\n`);
  expect(output.split('a b"c')).toHaveLength(3);
  const failing = `docker() { return 125; }\naws() { printenv AWS_PROFILE || echo "its own"; } >&2\nsecrets=(AWS_PROFILE=app) named=()\n`;
  const starting = own.slice(own.indexOf("(export"), own.indexOf("# Any answer"));
  expect(run(`${functions}image_architecture= image_id= image_digest=\n${failing}${starting}`)).toMatchObject({
    output: expect.stringMatching(/docker run .* ended with exit status 125\n.*USER-DATA-FAILED\n$/),
    asked: "its own\n",
  });
});

/** What the script says once the container runs, which has been started again so often, and of which curl says this; and for how long. */
const afterStart = (restarts: number, curl: number, answer: string) => {
  const docker = `docker() { if [ "$1" = logs ]; then echo 'no such database'; else echo ${restarts} 172.17.0.2; fi; }\n`;
  const asked = `curl() { echo "${answer}"; [ "\${@: -1}" = http://172.17.0.2:3000/health ] && return ${curl}; }\n`;
  const asking = `trap 'echo "$SECONDS"' EXIT\n${script.slice(script.indexOf("for ((end"))}`;
  const { status, output } = run(functions + docker + asked + asking);
  const lines = output.trimEnd().split("\n");
  return { status, seconds: Number(lines.pop()), lines };
};

const why = "Failed to connect to 172.17.0.2 port 3000 after 0 ms: Couldn't connect to server";
const silent = `the app does not answer at port 3000 (PORT): ${why}; perhaps it listens on another, or only on 127.0.0.1 (docs/app.md)`;
test.each([
  ["is asked for a minute where it does not answer", 0, `000 ${why}`, silent, 60],
  ["is asked as long where it ended twice", 2, `000 ${why}`, "the app ended 2 times before it answered", 60],
  ["is not waited for where it ends again and again", 3, "000", "the app ended 3 times before it answered", 0],
])("the app %s", (_, restarts, answer, problem, waited) => {
  const { status, seconds, lines } = afterStart(restarts, 7, answer);
  const said = `hono-app: ${problem}; its last lines are above`;
  expect(lines).toEqual(["no such database", said, "hono-app: USER-DATA-FAILED"]);
  expect(status).toBe(1);
  expect(seconds).toBeGreaterThanOrEqual(waited);
  expect(seconds).toBeLessThan(waited + 10);
});

test.each(["200", "503"])("any answer of the app ends the wait: %s", (answer) => {
  const { status, seconds, lines } = afterStart(2, 0, `${answer} `);
  expect(lines).toEqual([`hono-app: listening on port 80: GET /health answers ${answer}`]);
  expect(status).toBe(0);
  expect(seconds).toBeLessThan(10);
});

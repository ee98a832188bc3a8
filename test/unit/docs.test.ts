import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { projectName } from "../../tools/project.ts";
import { documents as run } from "../support/documents.ts";

const names = new Set(globSync("{README*,docs/*}.md").map((file) => file.replace(/(\.ko)?\.md$/, "")));
const translations = [...names].map((name) => [`${name}.md`, `${name}.ko.md`] as const);
const documents = globSync(["{*,{docs,local}/**/*}.md", ".github/workflows/*.yml"]);

interface Block {
  /** What follows the opening fence, such as `sh local`. */
  readonly info: string;
  readonly code: string;
}

/** A document's fenced blocks, and what is left without them. */
function read(file: string): { readonly text: string; readonly prose: string; readonly blocks: readonly Block[] } {
  const text = readFileSync(file, "utf8");
  const fenced = /^```(.*)\n([\s\S]*?)^```$/gm;
  const blocks = [...text.matchAll(fenced)].map(([, info = "", code = ""]) => ({ info, code }));
  return { text, prose: text.replace(fenced, ""), blocks };
}

const headings = (file: string) =>
  [...read(file).prose.matchAll(/^(#+) (.*)$/gm)].map(([, { length: level } = "", title = ""]) => ({ level, title }));

const inlineCode = (file: string) => [...read(file).prose.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);

/** As GitHub makes a heading's anchor: https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links */
function anchors(file: string): string[] {
  return headings(file).map(({ title }) =>
    title
      .replace(/\[(.*?)\]\(.*?\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-"),
  );
}

describe.each(documents)("%s", (file) => {
  const { prose, text } = read(file);

  test("every relative link leads somewhere", () => {
    const broken = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path = "", anchor] = link.split("#");
        const target = path === "" ? file : join(dirname(file), path);
        if (!existsSync(target)) return true;
        return anchor !== undefined && !(statSync(target).isFile() && anchors(target).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  test("every setting that is named is one", () => {
    const named = [/pulumi config (?:set|rm) (?:--[\w-]+ )*([\w:]+)/g, /hono-app:(\w+) is "/g].flatMap((pattern) =>
      [...text.matchAll(pattern)].map(([, key = ""]) => key),
    );
    expect(named.filter((key) => key !== "KEY" && !Object.hasOwn(settings, key))).toEqual([]);
  });
});

interface Setting {
  readonly default?: unknown;
  readonly value?: unknown;
  readonly description?: string;
}
const { config } = parse(readFileSync("Pulumi.yaml", "utf8")) as { config: Record<string, Setting> };
/** Without what `pulumi new` notes there of a project that it makes of this one. */
const settings = Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith("pulumi:")));

/** The rows of a document's table of settings. */
const settingRows = (file: string) =>
  [...read(file).prose.matchAll(/^\| `([\w:]+)` \| `(.*?)` \| (.*) \|$/gm)].map(
    ([, key = "", value = "", meaning = ""]) => ({ key, value, meaning: meaning.replaceAll("`", "") }),
  );

test.each(globSync("Pulumi.*.yaml"))("%s sets only settings", (file) => {
  const { config } = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
  const keys = Object.keys(config).map((key) => key.replace(`${projectName}:`, ""));
  expect(keys.filter((key) => !key.startsWith("aws:") && !Object.hasOwn(settings, key))).toEqual([]);
});

test("the tables of settings say what Pulumi.yaml says", () => {
  const expected = Object.entries(settings).map(([key, setting]) => {
    const value = setting.default ?? setting.value;
    return {
      key,
      value: typeof value === "string" && value !== "" ? value : JSON.stringify(value),
      // The engine gives no description to a key of a provider.
      meaning: setting.description ?? expect.stringMatching(/\w/),
    };
  });
  expect(settingRows("docs/settings.md")).toEqual(expected);
  expect(settingRows("docs/settings.ko.md")).toEqual(
    expected.map((row) => ({ ...row, meaning: expect.stringMatching(/\p{Script=Hangul}/u) })),
  );
});

describe.each(translations)("%s and %s", (english, korean) => {
  test("have the same sections", () => {
    const levels = (file: string) => headings(file).map(({ level }) => level);
    expect(levels(korean)).toEqual(levels(english));
  });

  test("have the same code", () => {
    // Comments, and the labels of a diagram, may be translated.
    const translated = (info: string) => (info === "mermaid" ? /"[^"]*"/g : /(^| +)# .*$/gm);
    const code = (file: string) =>
      read(file).blocks.map(({ info, code }) => [info, code.replace(translated(info), "")]);
    expect(code(korean)).toEqual(code(english));
  });

  test("name the same commands, and have as many rows and items", () => {
    const commands = (file: string) =>
      inlineCode(file)
        .filter((code) => /^(npm|pulumi|docker|aws|curl|sudo|PORT=)/.test(code))
        .sort();
    expect(commands(korean)).toEqual(commands(english));
    const parts = (file: string) => read(file).prose.match(/^(\||- |\d\. )/gm)?.length;
    expect(parts(korean)).toBe(parts(english));
  });
});

// The guide is no part of this repository; these are its headings, in its order.
const guide = `
## 멀티 플랫폼이란?
### 개념
### 작동 원리
### 장점
## ARM64 vs x86_64 차이점
### 아키텍처 비교
### 실제 사용 환경
#### ARM64를 사용하는 경우
#### x86_64를 사용하는 경우
## 빌드 방법
### 1. 네이티브 빌드 (권장 - 가장 빠름)
### 2. 멀티 플랫폼 빌드 + 레지스트리 Push
#### 사전 준비
#### 빌드 및 Push
#### 사용
### 3. 특정 플랫폼 강제 빌드 (크로스 컴파일)
### 4. 로컬 테스트용 단일 플랫폼 빌드
## 실전 시나리오
### 시나리오 1: 로컬 개발 (M1 Mac)
### 시나리오 2: Docker Hub 배포 (오픈소스 프로젝트)
### 시나리오 3: AWS ECR + EC2 배포
#### 3-1. ECR에 멀티 플랫폼 이미지 푸시
#### 3-2. EC2에서 배포 (Graviton ARM64)
#### 3-3. EC2에서 배포 (Intel x86_64)
### 시나리오 4: GitHub Actions CI/CD
## 트러블슈팅
### 문제 1: \`--load\`와 멀티 플랫폼 동시 사용 불가
### 문제 2: Buildx builder가 없음
### 문제 3: 크로스 컴파일이 너무 느림
### 문제 4: 네이티브 모듈 (sharp, sqlite 등) 설치 실패
### 문제 5: 이미지 크기가 2배가 됨
## 현재 플랫폼 확인 방법
### 시스템 아키텍처 확인
### 이미지 아키텍처 확인
## 베스트 프랙티스
### ✅ DO
### ❌ DON'T
## 참고 자료
## 요약
`
  .trim()
  .split("\n");

test("the guide's page has each of its headings, in its order", () => {
  const found = headings("docs/guide.ko.md").map(({ level, title }) => `${"#".repeat(level)} ${title}`);
  expect(found.filter((heading) => guide.includes(heading))).toEqual(guide);
});

test("the README is short", () => {
  for (const file of ["README.md", "README.ko.md"]) expect(read(file).text.split("\n").length).toBeLessThan(130);
});

test("every block of commands that is of a kind is one that a test runs, or needs GitHub", () => {
  const kinds = /^sh (local|account|teardown|template|sbom|guide( own| graviton| intel| fails)?|github)$/;
  const shown = ["text", "mermaid", "dockerfile"];
  for (const file of documents) {
    const commands = read(file).blocks.filter(({ info }) => !shown.includes(info));
    // In the others a block of commands has no kind, and is only shown.
    const allowed = run.includes(file.replace(".ko.md", ".md")) ? kinds : /^sh$/;
    expect(commands.filter(({ info }) => !allowed.test(info))).toEqual([]);
  }
});

test("a comment in a block of commands spoils none of them where zsh, the shell of a Mac, takes a # that is typed for a word", () => {
  const blocks = documents.flatMap((file) => read(file).blocks).filter(({ info }) => info.startsWith("sh"));
  const lines = blocks.flatMap(({ code }) => code.split("\n"));
  expect(lines.filter((line) => /\S +# |^#.*['"`]/.test(line))).toEqual([]);
});

// A line may end within a quotation.
const quoting = ["", ".ko"].map((language) =>
  ["troubleshooting", "guide"].map((name) => read(`docs/${name}${language}.md`).text.replace(/\s+/g, " ")).join(" "),
);

// What the documents quote is what the code says.
test.each([
  ["cli/image/options.ts", "Docker's classic image store holds one under a tag, and BuildKit would end there with"],
  ["cli/image/builder.ts", "cannot build "],
  ["cli/image/builder.ts", "does not answer"],
  ["cli/image/build.ts", "warning: emulated: "],
  [
    "cli/shared/registry.ts",
    "the registry asks for a login: the reason is above. Log in (docker login REGISTRY; for Docker Hub",
  ],
  ["app/check-binaries.ts", "Wrong binary: "],
  ["config.ts", "the stack's configuration cannot be used:"],
  ["config-rules.ts", "a whole number from 1 to 65535, but not 22 (no SSH here)"],
  ["components/lookup.ts", "so nothing was created"],
  ["components/lookup.ts", " does not have ("],
  ["components/lookup.ts", "two availability zones that offer every instance type are needed; offered: "],
  ["components/lookup.ts", ". Choose other types or another region"],
  ["local/services/moto/quotas.py", "You have requested more vCPU capacity than your current vCPU limit of "],
  ["local/services/moto/quotas.py", "The maximum number of VPCs has been reached."],
  ["components/image-index.ts", ": expected an index of "],
  ["components/image-index.ts", "; it holds "],
  ["components/image-index.ts", ", an earlier build of the same content, which is deployed; "],
  ["components/image-index.ts", ", gets no tag"],
  ["local/services/moto/ecr.py", "cannot be overwritten because the tag is immutable"],
  ["components/proof.ts", "failed verification: "],
  ["components/proof.ts", "time-out after "],
  ["components/proof.ts", "the machine's user data failed; "],
  ["components/console.ts", "the last lines of its console:"],
  ["components/user-data.ts", "USER-DATA-FAILED"],
  ["components/instance-refresh.ts", "the release failed: "],
  ["components/instance-refresh.ts", "no progress in "],
  ["components/instance-refresh.ts", "a machine did not prove itself"],
  ["components/fleet-api.ts", "Auto Scaling launches no machine: "],
  ["components/console.ts", "its log, which outlives the machine: "],
  [".github/actions/set-up/action.yml", "The role has to trust the subject"],
  ["components/user-data.ts", "still failing after about 3 minutes: "],
  ["components/user-data.ts", "the app does not answer"],
  ["components/user-data.ts", " times before it answered; its last lines are above"],
  ["tools/host.mjs", "the local cloud runs Docker Engines and needs Linux and root; this is "],
  ["tools/host.mjs", 'try sudo env "PATH=$PATH" npm run local'],
  ["program.js", " is too old: this program needs "],
  ["cli/local.ts", "is using this local cloud; wait until it ends, then run "],
  [
    "cli/local.ts",
    "what ran in the local cloud was lost: the state is compared with what is left, and the rest is created again",
  ],
  ["local/cloud.ts", "each of 127.18.0.1 to 127.217.0.1 has a local cloud, or another program at port "],
])("%s: %s", (source, quoted) => {
  expect(readFileSync(source, "utf8").includes(quoted), source).toBe(true);
  for (const text of quoting) expect(text).toContain(quoted);
});

test("what a message says to read is there", () => {
  const named = globSync(["config*.ts", "{components,cli,local}/**/*.ts"]).flatMap((file) =>
    [...readFileSync(file, "utf8").matchAll(/(docs\/\w+\.md)(?:, "([^"]+)")?/g)].map(([, document = "", heading]) => {
      return existsSync(document) && (!heading || headings(document).some(({ title }) => title === heading));
    }),
  );
  expect(named.length).toBeGreaterThan(3);
  expect(named).not.toContain(false);
});

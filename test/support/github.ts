import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { data, Evaluator, Lexer, Parser } from "@actions/expressions";
import { onTestFinished } from "vitest";
import { parse } from "yaml";
import { collect } from "../../tools/process.ts";
import { temporaryFolder } from "./process.ts";

// GitHub Actions, as far as this project uses it: expressions, which jobs run, and how a script is run.

type Strings = Readonly<Record<string, string>>;

interface Step {
  readonly id?: string;
  readonly name?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Record<string, unknown>;
  readonly run?: string;
  readonly shell?: string;
  readonly env?: Strings;
  readonly "working-directory"?: string;
}
interface Job {
  readonly needs?: string | string[];
  readonly if?: string;
  readonly environment?: string | { readonly name: string };
  readonly permissions?: Strings;
  readonly "timeout-minutes"?: number;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly strategy?: { readonly matrix: { readonly include?: readonly Strings[]; readonly stack?: string } };
  readonly env?: Strings;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly concurrency?: { readonly "cancel-in-progress": boolean };
  readonly defaults?: { readonly run: { readonly shell: string } };
  readonly env?: Strings;
  readonly jobs: Record<string, Job>;
}

const folder = ".github/workflows";
const actionFile = ".github/actions/set-up/action.yml";

export const files = globSync(`${folder}/*.yml`).sort();
export const texts = new Map([...files, actionFile].map((file) => [file, readFileSync(file, "utf8")] as const));
const read = (file: string) => parse(texts.get(file) as string);
export const workflows = new Map(files.map((file) => [basename(file), read(file) as Workflow]));

export function job(file: string, name: string): Job {
  const found = workflows.get(file)?.jobs[name];
  if (found === undefined) throw new Error(`${file} has no job ${name}`);
  return found;
}

export const environmentOf = ({ environment }: Job): string | undefined =>
  typeof environment === "object" ? environment.name : environment;

/** Every job that has steps, and the action as one more. */
const jobs = [
  ...[...workflows].flatMap(([file, workflow]) =>
    Object.entries(workflow.jobs).map(([name, job]) => ({ where: `${file} ${name}`, workflow, job })),
  ),
  { where: "set-up", workflow: {} as Partial<Workflow>, job: (read(actionFile) as { runs: Job }).runs },
];
export const steps = jobs.flatMap(({ where, workflow, job }) =>
  (job.steps ?? []).map((step) => ({ where, name: `${where}: ${step.name ?? step.uses}`, workflow, job, step })),
);
export const scripts = steps.filter(({ step }) => step.run !== undefined);

export function find(name: string): (typeof steps)[number] {
  const found = steps.find((step) => step.name.startsWith(name));
  if (found === undefined) throw new Error(`there is no step ${name}`);
  return found;
}

/** The contexts of expressions: `{ vars: { DEPLOY: "[]" } }`. Names that are missing are empty, as on GitHub. */
export type Contexts = Readonly<Record<string, unknown>>;

const contextNames = ["github", "env", "vars", "secrets", "inputs", "needs", "steps", "matrix", "runner"];

/** Evaluates one expression, without `${{ }}`. */
function evaluate(expression: string, contexts: Contexts, functions: Record<string, boolean> = {}): unknown {
  const own = Object.entries(functions).map(([name, value]) => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(value),
  }));
  const { tokens } = new Lexer(expression).lex();
  const parsed = new Parser(tokens, contextNames, own).parse();
  const all = Object.fromEntries(contextNames.map((name) => [name, contexts[name] ?? {}]));
  const context = JSON.parse(JSON.stringify(all), data.reviver) as data.Dictionary;
  const value = new Evaluator(parsed, context, new Map(own.map((each) => [each.name, each]))).evaluate();
  return JSON.parse(JSON.stringify(value, data.replacer));
}

/** Replaces every `${{ }}` in a text. */
export function fill(text: unknown, contexts: Contexts): string {
  return String(text ?? "").replace(/\$\{\{(.*?)\}\}/gs, (_, expression) =>
    String(evaluate(expression.trim(), contexts) ?? ""),
  );
}

const fillAll = (values: Record<string, unknown> = {}, contexts: Contexts): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fill(value, contexts)]));

/** What a step gives to its action. */
export function inputsOf(name: string, contexts: Contexts): Record<string, string> {
  const { job, workflow, step } = find(name);
  const env = fillAll({ ...workflow.env, ...job.env }, contexts);
  return fillAll(step.with, { ...contexts, env });
}

/** Whether a condition holds. Without a function of status it does only after success. */
function holds(text: string, contexts: Contexts, functions: Record<string, boolean>): boolean {
  const expression = /^\$\{\{(.*)\}\}$/s.exec(text)?.[1] ?? text;
  const asks = Object.keys(functions).some((name) => expression.includes(`${name}()`));
  return Boolean((asks || functions.success) && evaluate(expression, contexts, functions));
}

/** Whether a step of a job runs. @param failed Whether one before it has failed. */
export const runs = (step: Step, contexts: Contexts, failed = false): boolean =>
  holds(step.if ?? "success()", contexts, { success: !failed, cancelled: false });

export interface JobResult {
  readonly result: "success" | "failure" | "cancelled" | "skipped";
  readonly outputs?: Strings;
}

/**
 * The results of a workflow's jobs.
 *
 * @param ends Results of the jobs that run; one that is cancelled cancels the workflow. @default success
 */
export function resultsOf(
  file: string,
  contexts: Contexts,
  ends: Record<string, JobResult> = {},
): Record<string, JobResult["result"]> {
  const done: Record<string, JobResult> = {};
  let cancelled: boolean = false;
  for (const [name, { needs = [], if: text = "success()" }] of Object.entries(workflows.get(file)?.jobs ?? {})) {
    const needed = Object.fromEntries([needs].flat().map((name) => [name, done[name]]));
    const results = Object.values(needed).map((each) => each?.result);
    const success = !cancelled && results.every((result) => result === "success");
    const functions = { success, cancelled, always: true, failure: !cancelled && results.includes("failure") };
    const goes = holds(text, { ...contexts, needs: needed }, functions);
    const end: JobResult = goes ? (ends[name] ?? { result: "success" }) : { result: "skipped" };
    cancelled ||= end.result === "cancelled";
    done[name] = end;
  }
  return Object.fromEntries(Object.entries(done).map(([name, { result }]) => [name, result]));
}

export interface Run {
  readonly contexts?: Contexts;
  /** The runner's environment. */
  readonly runner?: Strings;
  /** Variables that override the workflow's. */
  readonly overrides?: Strings;
  readonly cwd?: string;
  /** Shell scripts that replace programs, by name. */
  readonly programs?: Strings;
}

/** Runs a step's script as the runner does: its shell, its environment and nothing else. */
export async function run(name: string, { contexts = {}, runner = {}, overrides = {}, ...world }: Run) {
  const { workflow, job, step } = find(name);
  const folder = temporaryFolder(onTestFinished);
  const [bin, output, summary, script] = ["bin", "output", "summary", "script"].map((each) => join(folder, each)) as [
    ...[string, string, string, string],
  ];
  mkdirSync(bin);
  for (const [program, body] of Object.entries(world.programs ?? {})) {
    writeFileSync(join(bin, program), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
  }
  for (const file of [output, summary]) writeFileSync(file, "");
  writeFileSync(script, step.run as string);
  // https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
  const shell = step.shell ?? workflow.defaults?.run.shell;
  const options = shell === "bash" ? ["--noprofile", "--norc", "-eo", "pipefail"] : ["-e"];
  const { status, output: text } = await collect(["bash", ...options, script], {
    cwd: join(world.cwd ?? folder, step["working-directory"] ?? ""),
    env: {
      HOME: process.env.HOME,
      ...runner,
      PATH: `${bin}:${runner.PATH ?? process.env.PATH}`,
      CI: "true",
      GITHUB_ACTIONS: "true",
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      ...fillAll({ ...workflow.env, ...job.env, ...step.env }, contexts),
      ...overrides,
    },
  });
  const lines = readFileSync(output, "utf8").matchAll(/^(\w+)=(.*)$/gm);
  const outputs: Record<string, string> = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
  return { status, text, outputs, summary: readFileSync(summary, "utf8") };
}

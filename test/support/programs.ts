import { unknownValue } from "@pulumi/pulumi/runtime/rpc.js";
import { account, type Registration, runProgram } from "./mocks.ts";

const fleet = { fleet: "true" };
/** Settings of the pair, and of fleets of every kind. */
export const variants = {
  pair: {},
  fleet,
  "protected fleet with a domain": { ...fleet, domain: "app.example.com", protect: "true", latestTag: "false" },
  "fleet with endpoints": {
    ...fleet,
    egress: "endpoints",
    cpuTarget: "60",
    alarmTopic: `arn:aws:sns:ap-northeast-2:${account}:alarms`,
  },
  "fleet with addresses": { ...fleet, egress: "public" },
};
export type Variant = keyof typeof variants;
export type Registered = Registration & { readonly variant: Variant };

const programs: Partial<Record<Variant, Promise<Registered[]>>> = {};

/** The resources that the program registers with these settings. What runs before all tests would belong to none, for mutation testing. */
export function programOf(variant: Variant): Promise<Registered[]> {
  programs[variant] ??= runProgram(variants[variant]).then((found) =>
    found.filter(({ type }) => !/^(hono-app:index|pulumi):/.test(type)).map((each) => ({ ...each, variant })),
  );
  return programs[variant];
}

/** Every resource of every program, or those of a type, or of a type and name. */
export async function registered(key?: string): Promise<Registered[]> {
  const found: Registered[] = [];
  // One after another: the mocks are of one program.
  for (const variant of Object.keys(variants) as Variant[]) found.push(...(await programOf(variant)));
  return key === undefined ? found : found.filter(({ type, name }) => key === type || key === `${type} ${name}`);
}

/** One such resource, of the first program that has one. */
export async function one(key: string): Promise<Registered> {
  const [found] = await registered(key);
  if (!found) throw new Error(`no program registers ${key}`);
  return found;
}

/** A resource's inputs as in a preview: what other resources become is not known. */
export function preview({ inputs }: Registration): Record<string, unknown> {
  const isOther = /^(.*-id|.*-allocation|ami-of-.*|arn:aws:elasticloadbalancing:.*)$/;
  return JSON.parse(JSON.stringify(inputs), (_, value) => (isOther.test(value) ? unknownValue : value));
}

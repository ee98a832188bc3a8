import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ContextEntry, contentTag } from "../../components/build-context.ts";
import { userData } from "../../components/user-data.ts";
import { parseCidr } from "../../config-rules.ts";
import { compare, type Props, refresh } from "../../local/providers/aws/values.ts";
import { launchArgs } from "../support/machine.ts";

const entries = fc.array(
  fc.record({
    path: fc.string(),
    kind: fc.constantFrom("file", "executable", "symlink"),
    content: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  }),
);
const same = (a: readonly ContextEntry[], b: readonly ContextEntry[]) => JSON.stringify(a) === JSON.stringify(b);

const file = (path: string, text: string): ContextEntry => ({ path, kind: "file", content: Buffer.from(text) });
/** Two files, and one that has in its content or its path what would stand before the second, were a length left out or both. */
const alikeWithoutLengths = [" ", "\n", " \n", "  \n", " 1\n", " 1 \n", "  1\n"].flatMap((between) => {
  const header = `\nfile${between}b\n`;
  const two = [file("a", "x"), file("b", "y")];
  return [
    [two, [file("a", `x${header}y`)]],
    [two, [file(`a\nx${header.trimEnd()}`, "y")]],
  ];
});

/** Content that has moved to the neighbouring file. */
const movedContent: [ContextEntry[], ContextEntry[]] = [
  [file("a", "xy"), file("b", "z")],
  [file("a", "x"), file("b", "yz")],
];

test("two build contexts have one tag only if they are the same", () => {
  fc.assert(
    fc.property(entries, entries, (a, b) => {
      expect(contentTag(a, {}) === contentTag(b, {})).toBe(same(a, b));
    }),
    { examples: [...alikeWithoutLengths, movedContent] },
  );
});

test("bash reads from the user data the very text that it was given", () => {
  const text = fc.string({ unit: fc.constantFrom(..."ab '\"$`\\!*\n\t;&|<>(){}~#é한") });
  const reading = (region: string) => {
    const script = userData({ ...launchArgs, region });
    return `(${script.slice(script.indexOf("readonly region="), script.indexOf("\nreadonly log_group"))}\nprintf '%s\\0' "$region")\n`;
  };
  // Several at a time, since a process takes longer than they do.
  fc.assert(
    fc.property(fc.array(text, { minLength: 10 }), (texts) => {
      const read = execFileSync("bash", ["--norc", "-c", texts.map(reading).join("")]).toString();
      expect(read.split("\0").slice(0, -1)).toEqual(texts);
    }),
    { numRuns: 5, examples: [[["x'; touch /tmp/owned; '"]]] },
  );
});

test("a network in CIDR notation is its address and prefix, and one with a host bit set is none", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 32 }), (number, prefix) => {
      const address = Math.floor(number / 2 ** (32 - prefix)) * 2 ** (32 - prefix);
      const text = (value: number) => [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join(".");
      expect(parseCidr(`${text(address)}/${prefix}`)).toEqual({ address, prefix });
      if (prefix < 32) expect(parseCidr(`${text(address + 1)}/${prefix}`)).toBeUndefined();
    }),
  );
});

test("equal inputs differ in nothing, a refresh that finds them keeps them, and another value is a difference", () => {
  const known = { name: ["replace"], list: ["set"], document: ["json"], "options.a": [], tags: [] } as const;
  const inputs = fc.record({
    name: fc.string(),
    list: fc.uniqueArray(fc.string()),
    document: fc.json(),
    options: fc.record({ a: fc.string() }),
    tags: fc.dictionary(fc.string(), fc.string()),
  });
  fc.assert(
    fc.property(inputs, fc.string(), (values: Props, other) => {
      const reordered = { ...values, list: values.list.toReversed(), document: ` ${values.document} ` };
      expect(compare(known, values, reordered)).toEqual({ changed: [], replaces: [] });
      expect(refresh(known, values, reordered)).toEqual(values);
      const isOther = values.name !== other;
      expect(compare(known, values, { ...values, name: other })).toEqual({
        changed: isOther ? ["name"] : [],
        replaces: isOther ? ["name"] : [],
      });
    }),
  );
});

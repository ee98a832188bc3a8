import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";

test("a provider whose engine was killed ends with the next line that it shows", async () => {
  // As Pulumi's own program for dynamic providers does with what nobody catches.
  const program = `
    process.on("uncaughtException", (error) => console.error(error.stack));
    const { show } = await import(${JSON.stringify(new URL("../../../components/messages.ts", import.meta.url).href)});
    setInterval(() => show("still there"), 5);`;
  const provider = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "pipe" });
  onTestFinished(() => void provider.kill("SIGKILL"));
  const ended = once(provider, "exit");
  const [line] = await once(provider.stdout, "data");
  expect(String(line)).toMatch(/^still there\n/);
  provider.stdout.destroy();
  provider.stderr.destroy();
  expect(await ended).toEqual([1, null]);
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { PNG } from "pngjs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { architectures, type MachineName, machineNames } from "../../components/architecture.ts";
import { ensureBrowser } from "../../tools/browser.ts";
import { root } from "../../tools/paths.ts";
import { cloud, deployed, type Outputs, succeed } from "../support/stack.ts";

let browser: Browser;
let stack: Outputs;
beforeAll(async () => {
  // Once for all tests: none changes the stack.
  stack = await deployed();
  browser = await chromium.launch({
    executablePath: await ensureBrowser(),
    // Playwright's own leave out the sandbox, which Chromium has not for root, and what it would request by itself.
    args: ["--disable-gpu", "--disable-quic"],
  });
});
afterAll(() => browser?.close());

const diagram = join("docs", "architecture.svg");

test("the diagram in the README shows the deployed stack", async () => {
  const committed = readFileSync(join(root, diagram), "utf8");
  await succeed("graph");
  const drawn = readFileSync(join(cloud.project, diagram), "utf8");
  expect(committed === drawn, `${diagram} is stale; draw it again: npm run local -- graph`).toBe(true);
  // Nothing specific to this deployment.
  for (const { id, url } of [stack.graviton, stack.intel]) {
    for (const own of [id, new URL(url).host]) expect(drawn).not.toContain(own);
  }
  expect(drawn).not.toContain("sha256:");
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the diagram is readable, ${colorScheme}, and loads nothing`, async () => {
    await looking({ colorScheme }, async (page) => {
      // As the README shows it, where an image that is not well-formed is broken.
      await open(page, `<img alt="" src="${pathToFileURL(join(root, diagram))}">`);
      const shown = page.locator("img");
      expect((await shown.boundingBox())?.width).toBeGreaterThan(500);
      const colors = colorsOf(await shown.screenshot());
      const expected = { light: ["#f6f5f2", "#b3470a", "#0b62c4"], dark: ["#131316", "#ffa45c", "#7cb7ff"] }[
        colorScheme
      ];
      for (const color of expected) expect(colors.get(color), color).toBeGreaterThan(0.0005);

      await open(page, readFileSync(join(root, diagram), "utf8"));
      expect(await page.getByRole("img").getAttribute("aria-labelledby")).toBe("title");
      for (const part of ["Repository", "Image", "ImageIndex", "Network", "InstanceRole", "Machine"]) {
        expect(await page.locator("text[font-weight=bold]", { hasText: part }).first().isVisible(), part).toBe(true);
      }
      // The text was measured with a font that this browser may not have.
      expect(await textOutsideItsBox(page)).toEqual([]);
    });
  });
}

for (const name of machineNames) {
  test(`${name}: the page shows what answers, in both colour schemes`, async () => {
    const { ec2 } = architectures[name];
    const accents = { graviton: { light: "#b3470a", dark: "#ffa45c" }, intel: { light: "#0b62c4", dark: "#7cb7ff" } }[
      name
    ];
    for (const colorScheme of ["light", "dark"] as const) {
      await looking({ colorScheme }, async (page) => {
        await page.goto(stack[name].url);
        await expectFacts(page, name);
        expect(await page.title()).toBe(`${ec2} · hono-app`);
        const colors = await colorsOf(await page.screenshot());
        expect(colors.get(accents[colorScheme]), "the architecture's colour").toBeGreaterThan(0.005);
        expect(colors.get(colorScheme === "light" ? "#f6f5f2" : "#131316"), "the ground").toBeGreaterThan(0.1);
        expect(colors.size, "a page with text").toBeGreaterThan(20);
      });
    }
  });

  test(`${name}: the page is the same without JavaScript, and fits a phone`, async () => {
    const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
    await looking({ ...phone, javaScriptEnabled: false }, async (page) => {
      await page.goto(stack[name].url);
      await expectFacts(page, name);
      const widths = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]");
      expect(widths).toEqual([360, 360]);
    });
  });
}

test("a page that does not exist says so, with a link back", async () => {
  await looking({}, async (page, complaints) => {
    await page.goto(`${stack.intel.url}/nowhere`);
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toContain("404");
    await page.getByRole("link", { name: "Back to the start" }).click();
    expect(await page.getByRole("heading", { level: 1 }).innerText()).toContain("x86_64");
    // Chromium itself reports a status like this one on the console.
    expect(complaints.splice(0)).toEqual([expect.stringContaining("404")]);
  });
});

/** What a reader sees on an instance's page: not only in the document, but visible. */
async function expectFacts(page: Page, name: MachineName) {
  const { ec2, machine, image, process } = architectures[name];
  expect(await page.getByRole("heading", { level: 1 }).innerText()).toMatch(new RegExp(`answered by\\s+${ec2}$`));
  const words = await page.locator(".reports strong").allInnerTexts();
  expect(words).toEqual([machine, image, process, machine]);
  for (const text of ["All four say the same.", stack[name].id, stack[name].type, stack.imageDigest]) {
    expect(await page.getByText(text).first().isVisible(), text).toBe(true);
  }
}

/** Opens a page of its own for `work`, and expects no error on its console and no request to another host than that of the page. */
async function looking(
  options: BrowserContextOptions,
  work: (page: Page, complaints: string[]) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("request", (request) => requests.push(request.url()));
    await work(page, complaints);
    expect(complaints).toEqual([]);
    const { host } = new URL(page.url());
    expect(requests.filter((url) => !url.startsWith("data:") && new URL(url).host !== host)).toEqual([]);
  } finally {
    await context.close();
  }
}

/** Opens a document that is on no server. */
async function open(page: Page, body: string): Promise<void> {
  const file = join(cloud.dir, "seen.html");
  writeFileSync(file, `<!doctype html><meta charset="utf-8"><title>seen</title><body style="margin: 0">${body}`);
  await page.goto(String(pathToFileURL(file)));
}

/** The share that each colour has in a screenshot. */
function colorsOf(screenshot: Buffer): Map<string, number> {
  const { data } = PNG.sync.read(screenshot);
  const shares = new Map<string, number>();
  for (let at = 0; at < data.length; at += 4) {
    const color = `#${data.toString("hex", at, at + 3)}`;
    shares.set(color, (shares.get(color) ?? 0) + 4 / data.length);
  }
  return shares;
}

/** The texts of the diagram that reach over the edge of their box. In one call: each of the browser's answers takes its time. */
async function textOutsideItsBox(page: Page): Promise<string[]> {
  const nodes = await page.evaluate<string[][]>(`[...document.querySelectorAll("g.node")].map((node) => {
    const box = node.querySelector("path").getBoundingClientRect();
    const isOutside = ({ left, right }) => left < box.left || right > box.right;
    const texts = [...node.querySelectorAll("text")];
    return texts.filter((text) => isOutside(text.getBoundingClientRect())).map((text) => text.textContent);
  })`);
  expect(nodes.length).toBeGreaterThan(0);
  return nodes.flat();
}

// Looks at a report as people do, in headless Chromium: light and dark, on a phone and on a desk, folded and unfolded.
// It ends with exit code 1 and a line for each thing that is wrong: a page wider than the screen, text on text, text
// outside its drawing, text that is hard to see, a request, a message on the console. Pictures are left for eyes.
//
//   npm install && node look.mjs ../../report.html pictures

import { mkdirSync, realpathSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [page_file, folder] = process.argv.slice(2);
if (!page_file || !folder) {
  console.error("node look.mjs REPORT.html FOLDER");
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const address = pathToFileURL(realpathSync(page_file)).href;
const named = process.env.CHROMIUM ?? "chromium";
const executablePath = execFileSync("sh", ["-c", 'command -v "$0"', named]).toString().trim();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const wrong = [];
for (const width of [360, 1280]) {
  for (const colorScheme of ["light", "dark"]) {
    const where = `${width} ${colorScheme}`;
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme, deviceScaleFactor: width < 500 ? 2 : 1 });
    const page = await context.newPage();
    page.on("console", (message) => wrong.push(`${where}: console: ${message.text()}`));
    page.on("pageerror", (error) => wrong.push(`${where}: ${error}`));
    page.on("request", (request) => request.url() === address || wrong.push(`${where}: request: ${request.url()}`));
    await page.goto(address);
    for (const state of ["folded", "unfolded"]) {
      if (state === "unfolded") {
        await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
      }
      for (const fault of await page.evaluate(faults)) wrong.push(`${where} ${state}: ${fault}`);
    }
    await page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = false)));
    await page.screenshot({ path: join(folder, `${width}-${colorScheme}-top.png`) });
    await (await page.$("article")).screenshot({ path: join(folder, `${width}-${colorScheme}-article.png`) });
    for (const section of await page.$$("section")) {
      const name = await section.getAttribute("aria-labelledby");
      await section.screenshot({ path: join(folder, `${width}-${colorScheme}-${name}.png`) });
    }
    await context.close();
  }
}
await browser.close();
const unique = [...new Set(wrong)];
unique.forEach((line) => console.error(line));
console.log(unique.length ? `${unique.length} things are wrong` : `nothing is wrong; pictures are in ${folder}`);
process.exit(unique.length ? 1 : 0);

// Runs in the page.
function faults() {
  const found = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > root.clientWidth) {
    found.push(`the page is ${root.scrollWidth} wide, the screen ${root.clientWidth}`);
  }
  const channels = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((it) => (it / 255 <= 0.04045 ? it / 255 / 12.92 : ((it / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const colour = channels(getComputedStyle(it).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const said = new Set();
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].some((it) => it.nodeType === Node.TEXT_NODE && it.data.trim());
    if (!own || element.tagName === "title" || element.tagName === "desc") continue;
    const style = getComputedStyle(element);
    const ink = channels(element.tagName === "text" ? style.fill : style.color);
    const [high, low] = [light(ink), light(behind(element))].sort((one, other) => other - one);
    const contrast = (high + 0.05) / (low + 0.05);
    const kind = `${element.tagName}.${element.getAttribute("class") ?? ""}`;
    // WCAG 2.2, 1.4.3.
    if (contrast < 4.5 && !said.has(kind)) {
      said.add(kind);
      found.push(`contrast ${contrast.toFixed(2)} of ${kind} "${element.textContent.slice(0, 30)}"`);
    }
    if (parseFloat(style.fontSize) < 11 && element.tagName !== "text") found.push(`${kind} is ${style.fontSize} high`);
  }
  for (const drawing of document.querySelectorAll("svg.plot")) {
    const edge = drawing.getBoundingClientRect();
    const texts = [...drawing.querySelectorAll("text")].map((it) => [it.textContent, it.getBoundingClientRect()]);
    texts.forEach(([text, box], number) => {
      if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1) {
        found.push(`"${text}" leaves its drawing ${drawing.getAttribute("aria-labelledby")}`);
      }
      for (const [other, place] of texts.slice(number + 1)) {
        const over = Math.min(box.right, place.right) - Math.max(box.left, place.left);
        const down = Math.min(box.bottom, place.bottom) - Math.max(box.top, place.top);
        if (over > 1 && down > 3) found.push(`"${text}" lies on "${other}" in ${drawing.getAttribute("aria-labelledby")}`);
      }
    });
  }
  return found;
}

// Keyboard operation and visible focus.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agentPage, agents, cells, COLUMNS, overview, PAGE_SIZE } from "../overview.mjs";

// More stops than the overview has, with three a row.
const MOST_STOPS = 400;
// Chromium focuses any graphic with a focus listener, other browsers only those with tabindex.
const SPARKLINE = 'table#agents tbody svg.sparkline[tabindex="0"]';
const SELECTORS = [
  "input[name=q]",
  "select[name=team]",
  "select[name=state]",
  "select[name=attention]",
  "form#filter button[type=submit]",
  "a#csv",
  "select#zone",
  "button#pause",
  "button.copy",
  "table#agents thead a",
  "table#agents tbody th a",
  SPARKLINE,
  "nav.pages a[rel=next]",
];

export default function keyboard({ browser, demo, people }) {
  const [first] = people.keys();

  test("tab reaches every control of the overview in document order, with visible focus", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const stops = await walk(page);
      const unseen = stops.filter((stop) => !stop.visible);
      assert.deepEqual(unseen.map((stop) => stop.html), [], "these are focused without an outline, or out of sight");
      const count = (selector) => stops.filter((stop) => stop.is.includes(selector)).length;
      for (const control of ["input[name=q]", "select[name=team]", "select[name=state]", "select[name=attention]", "form#filter button[type=submit]", "a#csv", "select#zone", "button#pause"]) {
        assert.equal(count(control), 1, control);
      }
      assert.equal(count("table#agents thead a"), COLUMNS.length);
      assert.equal(count("table#agents tbody th a"), PAGE_SIZE);
      assert.equal(count(SPARKLINE), PAGE_SIZE);
      assert(count("nav.pages a[rel=next]") > 0);
      assert.deepEqual(stops.map((stop) => stop.at), stops.map((stop) => stop.at).sort((a, b) => a - b), "in order");
    }));

  test("tab reaches every control of an agent's page, with visible focus", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(agentPage(demo.base, first));
      const stops = await walk(page);
      assert.deepEqual(stops.filter((stop) => !stop.visible).map((stop) => stop.html), []);
      const buttons = stops.filter((stop) => stop.is.includes("button.copy")).length;
      assert.equal(buttons, await page.locator("pre.promql").count());
    }));

  test("the first tab stop skips to the content", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await page.keyboard.press("Tab");
      const target = await page.evaluate(() => document.activeElement.getAttribute("href"));
      assert.match(target ?? "", /^#\w+/, "a link within the page");
      assert.equal(await page.locator(target).count(), 1);
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      const inside = await page.evaluate((target) => document.querySelector(target).contains(document.activeElement), target);
      assert(inside, "the next tab stop is inside");
    }));

  test("enter submits the search and follows links", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      await page.locator("input[name=q]").focus();
      await page.keyboard.type(first);
      await page.keyboard.press("Enter");
      await page.waitForURL(/q=/);
      assert.deepEqual(await agents(page), [first]);
      await page.locator("table#agents tbody th a").focus();
      await page.keyboard.press("Enter");
      await page.waitForURL(/\/agent\?/);
    }));

  test("arrow keys move through a sparkline", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const sparkline = page.locator("table#agents svg.sparkline").first();
      const texts = (await cells(sparkline)).map((cell) => cell.text);
      const says = async (text, what) => {
        const tip = page.locator("#tip");
        await tip.waitFor({ state: "visible" });
        const shown = simplified(await tip.innerText());
        assert(shown.includes(simplified(text)), `${what}: ${shown}, and it should be ${text}`);
        await assertClear(tip, sparkline);
      };
      await sparkline.focus();
      await says(texts.at(-1), "the newest");
      for (const [key, at] of [["ArrowLeft", -2], ["ArrowLeft", -3], ["ArrowRight", -2], ["Home", 0], ["ArrowLeft", 0], ["ArrowRight", 1], ["End", -1], ["ArrowRight", -1]]) {
        await page.keyboard.press(key);
        await says(texts.at(at), key);
      }
      await page.keyboard.press("Escape");
      await page.locator("#tip").waitFor({ state: "hidden" });
      const focused = await page.evaluate(() => document.activeElement.matches("svg.sparkline"));
      assert(focused, "escape hides the tip and leaves the focus");
      await page.keyboard.press("ArrowLeft");
      await page.locator("#tip").waitFor({ state: "visible" });
      await page.keyboard.press("Tab");
      const next = await page.evaluate(() => document.activeElement.matches("svg.sparkline"));
      if (!next) await page.locator("#tip").waitFor({ state: "hidden" });
    }, { timezoneId: "UTC" }));

  test("the mouse shows the same tooltips", () =>
    visit(browser, demo.base, async (page) => {
      await page.goto(overview(demo.base));
      const sparkline = page.locator("table#agents svg.sparkline").nth(2);
      const texts = (await cells(sparkline)).map((cell) => cell.text);
      const tip = page.locator("#tip");
      for (const at of [texts.length - 1, 3]) {
        await sparkline.scrollIntoViewIfNeeded();
        const box = await sparkline.locator("rect.cell").nth(at).boundingBox();
        await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
        await tip.waitFor({ state: "visible" });
        assert(simplified(await tip.innerText()).includes(simplified(texts[at])));
        await assertClear(tip, sparkline);
      }
      await page.mouse.down();
      await page.mouse.up();
      assert(simplified(await tip.innerText()).includes(simplified(texts[3])), "a click on an hour shows that hour");
      await page.mouse.move(1, 1);
      await page.locator("#tip").waitFor({ state: "hidden" });
    }, { timezoneId: "UTC" }));
}

/** Every tab stop of the document. */
async function walk(page) {
  const stops = [];
  while (stops.length < MOST_STOPS) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate((selectors) => {
      const here = document.activeElement;
      if (here === null || here === document.body) return null;
      const style = getComputedStyle(here);
      const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
      const box = here.getBoundingClientRect();
      const inside = box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
      return {
        at: [...document.querySelectorAll("*")].indexOf(here),
        html: here.outerHTML.slice(0, 120),
        visible: outlined && inside,
        is: selectors.filter((selector) => here.matches(selector)),
      };
    }, SELECTORS);
    if (stop === null || stop.at === stops[0]?.at) return stops;
    stops.push(stop);
  }
  return assert.fail(`more than ${MOST_STOPS} stops, the last ${stops.at(-1).html}`);
}

/** Without line breaks and the name of the zone. */
function simplified(text) {
  return text.replaceAll(/ UTC|[\s,]+/g, "");
}

/** Fails unless the whole tooltip is visible and does not cover the sparkline. */
export async function assertClear(tip, sparkline) {
  const [over, under] = [await tip.boundingBox(), await sparkline.boundingBox()];
  const { width, height } = tip.page().viewportSize();
  const inside = over.x >= 0 && over.y >= 0 && over.x + over.width <= width && over.y + over.height <= height;
  assert(inside, `${JSON.stringify(over)} is within ${width} × ${height}`);
  const beside = over.x >= under.x + under.width || over.x + over.width <= under.x;
  const above = over.y >= under.y + under.height || over.y + over.height <= under.y;
  assert(beside || above, `the tip at ${JSON.stringify(over)} lies over the sparkline at ${JSON.stringify(under)}`);
}

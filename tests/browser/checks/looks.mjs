// Colour schemes, window sizes and forced colours.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agentPage, cells, overview, PAGE_SIZE } from "../overview.mjs";
import { assertClear } from "./keyboard.mjs";

// Narrow phones; WCAG 1.4.10 requires 320 px.
const PHONES = [360, 320];
// Height of an agent's card in pixels: four lines, one of them the chart.
const MOST_CARD = 150;
// Height of a line of text in pixels.
const SMALLEST_TEXT = 10;
// Twice the browsers' default.
const LARGE_TEXT = { standard: 32, fixed: 26 };

export default function looks({ browser, demo, people }) {
  const [first] = people.keys();
  const places = {
    "the overview": overview(demo.base),
    "an agent's page": agentPage(demo.base, first),
    "a page that does not exist": agentPage(demo.base, "no-such-agent"),
  };
  const look = (url, seen, options = {}) =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(url);
        await seen(page);
      },
      { expectedStatuses: [404], ...options },
    );

  for (const [place, url] of Object.entries(places)) {
    test(`${place} follows the colour scheme`, async () => {
      const brightness = {};
      for (const colorScheme of ["light", "dark"]) {
        await look(url, async (page) => { brightness[colorScheme] = await background(page); }, { colorScheme });
      }
      assert(brightness.dark < 0.1 && brightness.light > 0.8, JSON.stringify(brightness));
    });

    for (const width of PHONES) {
      test(`${place} fits into ${width} px`, () =>
        look(url, assertNoSideways, { viewport: { width, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }));
    }

    test(`${place} fits with text of twice the size`, () =>
      look(url, async (page) => {
        const session = await page.context().newCDPSession(page);
        await session.send("Page.setFontSizes", { fontSizes: LARGE_TEXT });
        await page.reload();
        const size = await page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize));
        assert(size >= LARGE_TEXT.standard * 0.8, `the text is of ${size} px`);
        await assertNoSideways(page);
        await assertNothingCut(page);
      }));

    test(`${place} tells states apart in forced colours`, () =>
      look(url, async (page) => {
        if ((await page.locator("svg.sparkline, svg.day").count()) === 0) return;
        assert((await fills(page)).size > 1, "states have different fills");
      }, { forcedColors: "active" }));
  }

  test("agents are cards with labelled values on a phone", () =>
    look(places["the overview"], async (page) => {
      const row = page.locator("table#agents tbody tr").first();
      const tops = await row.locator("td:visible, th:visible").evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().top));
      assert(new Set(tops.map(Math.round)).size > 2, "values stand below each other");
      const sparkline = await row.locator("svg.sparkline").boundingBox();
      assert(sparkline.width > PHONES[0] * 0.85, `the sparkline is ${sparkline.width} px wide`);
    }, { viewport: { width: PHONES[0], height: 740 } }));

  test("a page of agents on a phone is not endless", () =>
    look(places["the overview"], async (page) => {
      const height = await page.evaluate(() => document.querySelector("table#agents").getBoundingClientRect().height);
      assert(height <= PAGE_SIZE * MOST_CARD, `${PAGE_SIZE} agents take ${height} px`);
      await assertColumnsFit(page);
    }, { viewport: { width: PHONES[0], height: 740 }, isMobile: true, hasTouch: true }));

  for (const place of ["the overview", "an agent's page"]) {
    test(`the axis labels on ${place} are legible on a phone`, () =>
      look(places[place], async (page) => {
        const heights = await page.locator("svg.all-agents text:visible, svg.day text:visible").evaluateAll((texts) => texts.map((text) => text.getBoundingClientRect().height));
        assert(heights.length >= 2, "there are some");
        assert(Math.min(...heights) >= SMALLEST_TEXT, `they are ${Math.min(...heights)} px tall`);
      }, { viewport: { width: PHONES[0], height: 740 } }));
  }

  for (const width of [1280, 1300]) {
    test(`all columns of the table fit into ${width} px`, () =>
      look(places["the overview"], assertColumnsFit, { viewport: { width, height: 900 } }));
  }

  test("touch targets are at least 24 px on a phone", () =>
    look(places["the overview"], async (page) => {
      // WCAG 2.5.8 asks for 24 px.
      const small = await page.locator("button:visible, select:visible, input:visible, nav.pages a:visible").evaluateAll((found) =>
        found.filter((control) => Math.min(control.getBoundingClientRect().width, control.getBoundingClientRect().height) < 24).map((control) => control.outerHTML),
      );
      assert.deepEqual(small, []);
    }, { viewport: { width: PHONES[0], height: 740 }, isMobile: true, hasTouch: true }));

  test("a tap on a sparkline shows the seconds within the width of a phone", () =>
    look(places["the overview"], async (page) => {
      const sparkline = page.locator("table#agents svg.sparkline").first();
      const texts = await cells(sparkline);
      await sparkline.scrollIntoViewIfNeeded();
      // The last span is as long as the newest bucket has run, down to a fraction of a pixel.
      for (const at of [0, texts.length - 2]) {
        const box = await sparkline.locator("rect.cell").nth(at).boundingBox();
        await page.touchscreen.tap(box.x + box.width / 2, box.y + box.height / 2);
        const tip = page.locator("#tip");
        await tip.waitFor({ state: "visible" });
        const words = (text) => text.replaceAll(/ UTC|\s/g, "");
        assert(words(await tip.innerText()).includes(words(texts[at].text)), `${await tip.innerText()} is not ${texts[at].text}`);
        await assertClear(tip, sparkline);
      }
      await assertNoSideways(page);
    }, { viewport: { width: PHONES[0], height: 740 }, hasTouch: true, isMobile: true, timezoneId: "UTC" }));

  test("no animation with reduced motion", () =>
    look(places["the overview"], async (page) => {
      assert.deepEqual(await page.evaluate(() => document.getAnimations().length), 0);
    }, { reducedMotion: "reduce" }));

  test("print shows the totals", () =>
    look(places["an agent's page"], async (page) => {
      await page.emulateMedia({ media: "print" });
      assert(await page.locator("table#totals").isVisible());
    }));
}

/** Luminance of the background, from 0 to 1. */
function background(page) {
  return page.evaluate(() => {
    const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    // The canvas colour, then the backgrounds of html and body.
    for (const element of [document.documentElement, document.body]) {
      const style = getComputedStyle(element);
      if (element === document.documentElement) {
        context.fillStyle = style.colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#fff";
        context.fillRect(0, 0, 1, 1);
      }
      context.fillStyle = style.backgroundColor;
      context.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  });
}

/** Fails if a part of the table of agents is outside of the window. */
export async function assertColumnsFit(page) {
  const { right, width } = await page.evaluate(() => ({
    right: Math.max(...[...document.querySelectorAll("table#agents, table#agents tbody :is(th, td)")].map((cell) => cell.getBoundingClientRect().right)),
    width: document.documentElement.clientWidth,
  }));
  assert(right <= width, `the table ends at ${right} px of ${width}`);
}

export async function assertNoSideways(page) {
  const { scroll, client, widest } = await page.evaluate(() => {
    const root = document.documentElement;
    const outside = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1);
    return { scroll: root.scrollWidth, client: root.clientWidth, widest: outside.slice(0, 5).map((element) => element.outerHTML.slice(0, 100)) };
  });
  assert(scroll <= client, `the document is ${scroll} px wide in ${client} px; outside are ${widest.join(" | ")}`);
}

/** Fails if a box cuts its text off. Text for screen readers only is left out. */
async function assertNothingCut(page) {
  const cut = await page.evaluate(() => {
    const hides = (element) => ["hidden", "clip"].includes(getComputedStyle(element).overflowX);
    const texts = [...document.querySelectorAll("body *")].filter(
      (element) => element.clientWidth > 1 && hides(element) && !element.closest("svg") && element.textContent.trim(),
    );
    return texts.filter((element) => element.scrollWidth > element.clientWidth + 1).map((element) => element.outerHTML.slice(0, 100));
  });
  assert.deepEqual(cut, [], "nothing is cut");
}

/** Fills of the bars of sparklines and charts. */
async function fills(page) {
  const bars = page.locator("svg.sparkline > :not(.cell), svg.day > :not(.cell)");
  const found = await bars.evaluateAll((shapes) => shapes.map((shape) => getComputedStyle(shape).fill));
  return new Set(found);
}

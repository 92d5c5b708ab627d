// Times in the zone of the browser, of a schedule, and UTC.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agentPage, overview } from "../overview.mjs";

// Its offset is never a whole number of hours.
const ZONE = "Asia/Kolkata";

export default function zone({ browser, demo, people }) {
  const [first] = people.keys();

  test("times are in the zone of the browser, and another choice is stored", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(overview(demo.base));
        const right = async (zone, what) => {
          const times = await shown(page, zone);
          assert(times.length > 0, "there are times");
          assert.deepEqual(times.filter((time) => !time.right), [], what);
          assert.equal(named(await page.locator(".zone-name").first().innerText()), zone, "the chart names the zone");
        };
        await right(ZONE, "the browser's zone at first");
        const choice = page.locator("select#zone");
        const choices = await choice.locator("option").allInnerTexts();
        assert.equal(named(choices[0]), `${ZONE} (browser)`);
        const schedule = choices.find((text) => text.endsWith(" (schedule)")).replace(" (schedule)", "");
        for (const zone of ["UTC", schedule]) {
          await choice.selectOption(zone);
          await right(zone, "then another");
          await page.reload();
          await right(zone, "also when it is loaded again");
          await page.goto(agentPage(demo.base, first));
          await right(zone, "and on another page");
          await page.goto(overview(demo.base));
        }
        await choice.focus();
        await page.keyboard.press("Home");
        await right(ZONE, "and back, by the keyboard");
      },
      { timezoneId: ZONE },
    ));

  test("columns begin on the hour of the zone shown", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        for (const url of [overview(demo.base), agentPage(demo.base, first)]) {
          await page.goto(url);
          for (const zone of [ZONE, "UTC"]) {
            await page.locator("select#zone").selectOption({ index: zone === ZONE ? 0 : (await page.locator("select#zone option").count()) - 1 });
            const minute = zone === ZONE ? "30" : "0";
            await page.locator(`body[data-columns="${minute}"]`).waitFor();
            const starts = await page.locator("svg.chart .cell").evaluateAll((cells) => cells.map((cell) => Number(cell.dataset.from)));
            const off = starts.slice(1).filter((start) => (start / 60) % 60 !== Number(minute));
            assert.deepEqual(off, [], `${url} in ${zone}: ${starts.length} columns`);
            const marks = await page.locator("svg.chart text[data-at]").allTextContents();
            assert(marks.length > 3 && marks.every((mark) => mark.endsWith(":00")), `${marks}`);
          }
        }
      },
      { timezoneId: ZONE },
    ));

  test("without a choice there is no control", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(agentPage(demo.base, "no-such-agent"));
        assert.match(await page.locator("#zone-of-times").innerText(), /UTC/);
        assert.equal(await page.locator("select#zone").count(), 0);
      },
      { timezoneId: "Etc/UTC", expectedStatuses: [404] },
    ));

  test("works without local storage", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.addInitScript(() => {
          Object.defineProperty(window, "localStorage", { get: () => { throw new DOMException("denied", "SecurityError"); } });
        });
        await page.goto(overview(demo.base));
        await page.locator("select#zone").selectOption("UTC");
        assert.deepEqual((await shown(page, "UTC")).filter((time) => !time.right), []);
      },
      { timezoneId: ZONE },
    ));
}

/** With today's name of the zone: Chromium says the old one. */
function named(text) {
  return text.replace("Calcutta", "Kolkata");
}

/** Every time on the page, and whether its text has the hour and minute of `zone`. */
async function shown(page, zone) {
  const times = await page
    .locator("time[datetime]")
    .evaluateAll((found) => found.map((time) => ({ datetime: time.dateTime, text: time.textContent.trim() })));
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  return times.map((time) => ({ ...time, zone, right: time.text.includes(clock.format(new Date(time.datetime))) }));
}

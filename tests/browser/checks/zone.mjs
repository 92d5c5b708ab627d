// Times, local and UTC.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agentPage, overview } from "../overview.mjs";

// Its offset is never a whole number of hours.
const ZONE = "Asia/Kolkata";

export default function zone({ browser, demo, people }) {
  const [first] = people.keys();

  test("a button switches between local time and UTC, and the choice is stored", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(overview(demo.base));
        const local = await shown(page, ZONE);
        assert(local.length > 0, "there are times");
        assert.deepEqual(local.filter((time) => !time.right), [], "local times are shown at first");
        const button = page.locator("button#zone");
        const quiet = await button.innerText();
        await button.click();
        assert.deepEqual((await shown(page, "UTC")).filter((time) => !time.right), [], "then UTC");
        await page.reload();
        assert.deepEqual((await shown(page, "UTC")).filter((time) => !time.right), [], "also when it is loaded again");
        await page.goto(agentPage(demo.base, first));
        assert.deepEqual((await shown(page, "UTC")).filter((time) => !time.right), [], "and on another page");
        await page.locator("button#zone").click();
        assert.deepEqual((await shown(page, ZONE)).filter((time) => !time.right), [], "and back");
        await page.goto(overview(demo.base));
        assert.equal(await page.locator("button#zone").innerText(), quiet);
      },
      { timezoneId: ZONE },
    ));

  for (const utc of ["UTC", "Etc/UTC"]) {
    test(`there is no button if local time is ${utc}`, () =>
      visit(
        browser,
        demo.base,
        async (page) => {
          await page.goto(overview(demo.base));
          const times = await shown(page, "UTC");
          assert(times.length > 0, "there are times");
          assert.deepEqual(times.filter((time) => !time.right), []);
          assert.equal(await page.locator("button#zone").count(), 0);
        },
        { timezoneId: utc },
      ));
  }

  test("works without local storage", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.addInitScript(() => {
          Object.defineProperty(window, "localStorage", { get: () => { throw new DOMException("denied", "SecurityError"); } });
        });
        await page.goto(overview(demo.base));
        await page.locator("button#zone").click();
        assert.deepEqual((await shown(page, "UTC")).filter((time) => !time.right), []);
      },
      { timezoneId: ZONE },
    ));
}

/** Every time on the page, and whether its text has the hour and minute of `zone`. */
async function shown(page, zone) {
  const times = await page
    .locator("time[datetime]")
    .evaluateAll((found) => found.map((time) => ({ datetime: time.dateTime, text: time.textContent.trim() })));
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone });
  return times.map((time) => ({ ...time, zone, right: time.text.includes(clock.format(new Date(time.datetime))) }));
}

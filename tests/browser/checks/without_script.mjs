// The page with JavaScript disabled.

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "../browser.mjs";
import { agents, allRows, header, overview, PAGE_SIZE } from "../overview.mjs";

export default function withoutScript({ browser, demo, people }) {
  const [first] = people.values();
  const options = { javaScriptEnabled: false };

  test("sorts, pages, filters and searches", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(overview(demo.base));
        assert.equal((await agents(page)).length, PAGE_SIZE);
        await header(page, "name").locator("a").click();
        await page.waitForURL(/sort=name/);
        const all = (await allRows(page)).map((row) => row.cells.name.text);
        assert.equal(all.length, people.size);
        await page.locator("select[name=team]").selectOption(first.team);
        await page.locator("form#filter button[type=submit]").click();
        await page.waitForURL(/team=/);
        for (const agent of await agents(page)) assert.equal(people.get(agent).team, first.team);
        await page.goto(overview(demo.base));
        await page.locator("input[name=q]").fill(first.agent);
        await page.locator("form#filter button[type=submit]").click();
        await page.waitForURL(/q=/);
        assert.deepEqual(await agents(page), [first.agent]);
        await page.locator("table#agents tbody th a").click();
        await page.waitForURL(/\/agent\?/);
        assert((await page.locator("table#totals tbody tr").count()) > 0);
        assert((await page.locator("table#hours tbody tr").count()) >= 24);
      },
      options,
    ));

  test("a link loads the page again", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(overview(demo.base, { q: first.agent }));
        await Promise.all([page.waitForEvent("load"), page.locator("#renewal a").click()]);
        assert.deepEqual(await agents(page), [first.agent]);
      },
      options,
    ));

  test("there are no controls that need the script", () =>
    visit(
      browser,
      demo.base,
      async (page) => {
        await page.goto(overview(demo.base, { q: first.agent }));
        assert.equal(await page.locator("button:not([type=submit]):visible").count(), 0);
        assert.equal(await page.locator("#tip:visible").count(), 0);
        const times = await page.locator("time[datetime]").allInnerTexts();
        assert(times.length > 0 && times.some((text) => text.includes("UTC")), `times name their zone: ${times}`);
        await page.locator("table#agents tbody th a").click();
        await page.locator("table#totals").waitFor();
        assert.equal(await page.locator("button:visible").count(), 0);
        assert((await page.locator("pre.promql code").count()) > 0);
      },
      options,
    ));
}
